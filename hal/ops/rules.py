"""Shape and dtype rules that many operators share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import index
from typing import Any

from hal import dtypes
from hal.dtypes import DType, promote
from hal.errors import DTypeError, ShapeError
from hal.ops.operator import Attributes, Inference, Inputs, Rule
from hal.plugin.layout import Layout, Shape, broadcast_shapes

__all__ = [
    "as_shape",
    "check_dtype",
    "check_ndim",
    "check_weight",
    "compute_dtype",
    "elementwise",
    "floating",
    "present",
    "promoted",
    "same_as_input",
]


def as_shape(name: str, given: Any, what: str = "a shape") -> Shape:
    """Return a shape, or other integers, given as one or as several.

    Raises
    ------
    DTypeError
        When one is no integer.
    """
    try:
        return tuple([index(s) for s in (given if isinstance(given, tuple | list) else (given,))])
    except TypeError:
        raise DTypeError(f"{name}: {what} is made of integers, not {given!r}") from None


def present(name: str, inputs: Inputs, count: int) -> list[Layout]:
    """Return the first ``count`` inputs, which the operator cannot do without."""
    found = list(inputs[:count])
    if len(found) < count or any(x is None for x in found):
        raise DTypeError(f"{name} needs {count} tensors; got {sum(x is not None for x in inputs)}")
    return found  # type: ignore[return-value]


def check_dtype(name: str, dtype: DType, allowed: Sequence[DType]) -> None:
    """Raise when an operator is not defined for a dtype."""
    if dtype not in allowed:
        listed = ", ".join(d.name for d in allowed)
        hint = "; convert it first with astype(...)" if dtype.storage_only else ""
        raise DTypeError(f"{name} is not defined for {dtype}; it takes: {listed}{hint}")


def check_ndim(name: str, what: str, layout: Layout, low: int, high: int | None = None) -> None:
    """Raise when a tensor has too few or too many axes."""
    if layout.ndim < low or (high is not None and layout.ndim > high):
        allowed = (
            f"{low}" if high == low else f"{low} or more" if high is None else f"{low} to {high}"
        )
        raise ShapeError(
            f"{name}: {what} has shape {layout.shape}, {layout.ndim} axes; it needs {allowed}"
        )


def check_weight(name: str, x: Layout, weight: Layout) -> None:
    """Raise when a weight is no matrix that takes the features of an input's last axis."""
    check_ndim(name, "the input", x, 1)
    check_ndim(name, "the weight", weight, 2, 2)
    if x.shape[-1] != weight.shape[1]:
        raise ShapeError(
            f"{name}: the input has {x.shape[-1]} features, the weight {weight.shape} takes "
            f"{weight.shape[1]}; a weight has shape (features out, features in)"
        )


def promoted(name: str, layouts: Sequence[Layout]) -> DType:
    """Return the dtype all inputs promote to."""
    try:
        return reduce(promote, [x.dtype for x in layouts])
    except DTypeError as error:
        raise DTypeError(f"{name}: {error}") from None


def floating(dtype: DType) -> DType:
    """Return the dtype functions of real numbers are calculated in: integers become the default."""
    return dtypes.DEFAULT_FLOATING if dtype.kind in ("bool", "int", "uint") else dtype


def compute_dtype(dtype: DType) -> Any:
    """Return the NumPy dtype a reference calculates in: at least float32."""
    return dtypes.float32.numpy if dtype.kind == "float" and dtype.bits < 32 else dtype.numpy


def elementwise(
    count: int,
    allowed: Sequence[DType],
    result: DType | Callable[[DType], DType] | None = None,
    to_floating: bool = False,
) -> Rule:
    """Return the rule of an elementwise operator.

    Parameters
    ----------
    count : int
        Number of inputs, which are promoted to one dtype and broadcast.
    allowed : sequence of DType
        What that dtype may be.
    result : DType or callable, optional
        The output's dtype, or a function of the inputs'; the inputs' own when left out.
    to_floating : bool
        Whether integers and booleans are calculated in the default floating-point dtype.
    """
    permitted = frozenset(allowed)

    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        layouts = present(name, inputs, count)
        dtype = layouts[0].dtype if count == 1 else promoted(name, layouts)
        if to_floating:
            dtype = dtype if dtype.storage_only else floating(dtype)
        if dtype not in permitted:
            check_dtype(name, dtype, allowed)
        out = dtype if result is None else result if isinstance(result, DType) else result(dtype)
        try:
            shape = broadcast_shapes(*[x.shape for x in layouts])
        except ShapeError as error:
            raise ShapeError(f"{name}: {error}") from None
        return Inference((dtype,) * count, ((out, shape),), attributes)

    return rule


def same_as_input(allowed: Sequence[DType], to_floating: bool = False) -> Rule:
    """Return the rule of an operator on one tensor that keeps dtype and shape."""
    return elementwise(1, allowed, to_floating=to_floating)
