"""Matrix products: on the cube unit, and for dtypes it lacks by multiplying and adding."""

from __future__ import annotations

from hal.plugin import broadcast_shapes
from hal_ascend.operators.rule import rule
from hal_ascend.recipe import MOST_AXES, Recipe, Ref

_MOST_BATCHES = 6  # The axes that aclnnMatmul takes.


def _matrix(x: Ref, last: bool) -> Ref:
    """Return a vector as a matrix of one row, or of one column."""
    if len(x.shape) > 1:
        return x
    stride = x.layout.strides[0]
    if last:
        return x.view((x.shape[0], 1), (stride, 1))
    return x.view((1, x.shape[0]), (1, stride))


@rule("matmul", "Matmul", "Mul", "ReduceSum")
def _matmul(recipe: Recipe) -> bool | None:
    a, b = _matrix(recipe.input(0), False), _matrix(recipe.input(1), True)
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2])
    out = recipe.out.reshape((*batch, a.shape[-2], b.shape[-1]))
    if a.shape[-1] == 0:
        recipe.call("InplaceFillScalar", out, 0)
        return None
    if not recipe.supports("Matmul", a.dtype):
        return _slowly(recipe, a, b, out)
    if len(out.shape) > _MOST_BATCHES:
        return False
    recipe.call("Matmul", a, b, out, recipe.cube_math("matmul", a.dtype))
    return None


def _slowly(recipe: Recipe, a: Ref, b: Ref, out: Ref) -> bool | None:
    """Multiply integers and float64, which the cube unit lacks: every pair, then the sums."""
    names = ("Mul", "ReduceSum")
    if not all(recipe.supports(n, a.dtype) for n in names) or len(out.shape) >= MOST_AXES:
        return False
    rows, inner, columns = a.shape[-2], a.shape[-1], b.shape[-1]
    left = _with_axis(a, len(a.shape))
    right = _with_axis(b, len(b.shape) - 2)
    products = recipe.temporary(a.dtype, (*out.shape[:-2], rows, inner, columns))
    recipe.call("Mul", left, right, products)
    recipe.call("ReduceSum", products, (len(products.shape) - 2,), False, a.dtype, out)
    return None


def _with_axis(x: Ref, axis: int) -> Ref:
    """Return the tensor with an axis of size 1 put in."""
    shape = (*x.shape[:axis], 1, *x.shape[axis:])
    strides = (*x.layout.strides[:axis], 1, *x.layout.strides[axis:])
    return x.view(shape, strides)


@rule("linear", "Addmm", "Matmul")
def _linear(recipe: Recipe) -> bool | None:
    x, weight, bias, out = recipe.input(0), recipe.input(1), recipe.optional(2), recipe.out
    features, taken = weight.shape
    if not recipe.supports("Matmul", x.dtype) or taken == 0:
        return False
    mode = recipe.cube_math("linear", x.dtype)
    rows = recipe.packed(x) if len(x.shape) != 2 else x
    rows = rows.reshape((x.layout.size // taken, taken)) if len(x.shape) != 2 else rows
    result = out.reshape((rows.shape[0], features))
    turned = weight.permute((1, 0))
    if bias is None:
        recipe.call("Matmul", rows, turned, result, mode)
    else:
        recipe.call("Addmm", bias, rows, turned, 1.0, 1.0, result, mode)
    return None
