"""How much work a call of an operator is: operations and bytes, for rooflines and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np

from hal.dtypes import DType, as_dtype, promote_scalar
from hal.ops.operator import Operator, operators
from hal.plugin.chip import Cost
from hal.plugin.layout import Layout
from hal.plugin.roofline import Product

__all__ = ["cost"]

Layouts = Sequence[Layout | None]


class _Work(NamedTuple):
    matrix: float
    vector: float
    products: tuple[Product, ...] = ()


def cost(
    op: Operator, inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]
) -> Cost:
    """Count the operations and bytes of one call.

    An operator that is not primitive is the sum of its decomposition; a product or a convolution
    counts a multiplication and an addition as two operations; any other step is one per element.
    Bytes are those of the inputs and outputs alone, a broadcast axis read once.

    Parameters
    ----------
    op : Operator
    inputs : sequence of Layout or None
        As the operator's rule converted them.
    outputs : sequence of Layout
    attributes : mapping
        In canonical form.

    Returns
    -------
    Cost

    Examples
    --------
    >>> import hal
    >>> from hal.ops import operators
    >>> from hal.plugin import Layout
    >>> a, b, c = (Layout(hal.float32, s) for s in ((128, 64), (64, 32), (128, 32)))
    >>> cost(operators["matmul"], [a, b], [c], {"precision": "highest"})
    Cost(matrix=524288.0, vector=0.0, nbytes=57344, dtype=hal.float32, precision='highest',
         products=(Product(rows=128, columns=32, depth=64, batch=1),))
    """
    inexact = [x.dtype for x in inputs if x is not None and x.dtype.kind in ("float", "complex")]
    dtype = inexact[0] if inexact else outputs[0].dtype
    if op.view is not None and inputs[0] is not None and op.view(inputs[0], dict(attributes)):
        return Cost(0.0, 0.0, 0, dtype)
    matrix, vector, products = _work(op, inputs, outputs, attributes)
    # Two complex numbers multiply and add by eight operations on real ones.
    if dtype.kind == "complex":
        matrix *= 4
        products = tuple([p._replace(batch=4 * p.batch) for p in products])
    return Cost(
        matrix,
        vector,
        _nbytes(op, inputs, outputs),
        dtype,
        attributes.get("precision", "highest"),
        products,
    )


def _nbytes(op: Operator, inputs: Layouts, outputs: Sequence[Layout]) -> int:
    written = sum(x.nbytes for x in outputs)
    read = 0
    for x in inputs:
        if x is not None and x.size:
            touched = [n for n, s in zip(x.shape, x.strides, strict=True) if s != 0]
            read += prod(touched) * x.dtype.itemsize
    # What gathers reads no more than it writes, apart from the indices.
    if op.family == "indexing" and inputs and inputs[0] is not None:
        read += min(inputs[0].nbytes, written) - inputs[0].nbytes
    return written + read


def _work(
    op: Operator, inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]
) -> _Work:
    counted = _COUNTED.get(op.name)
    if counted is not None:
        return counted(inputs, outputs, attributes)
    if op.view is not None or op.family == "movement":
        return _Work(0.0, 0.0)
    if op.decompose is not None:
        return _parts(op, inputs, attributes)
    size = max((x.size for x in (*inputs, *outputs) if x is not None), default=0)
    if op.family == "sorting":
        return _Work(0.0, size * log2(max(size, 2)))
    if op.family in ("elementwise", "creation", "indexing"):
        return _Work(0.0, float(sum(x.size for x in outputs)))
    return _Work(0.0, float(size))


def _parts(op: Operator, inputs: Layouts, attributes: Mapping[str, Any]) -> _Work:
    """Return the work of an operator's decomposition."""
    assert op.decompose is not None
    evaluator = _Evaluator()
    values = [None if x is None else _Value(x) for x in inputs]
    op.decompose(evaluator, *values, **attributes)
    return _Work(evaluator.matrix, evaluator.vector, tuple(evaluator.products))


class _Value:
    """What stands for a tensor in a decomposition that is only counted."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.shape = layout.shape
        self.dtype = layout.dtype
        self.ndim = layout.ndim
        self.size = layout.size


class _Evaluator:
    """Counts the work of a decomposition's steps instead of doing it."""

    def __init__(self) -> None:
        self.matrix = 0.0
        self.vector = 0.0
        self.products: list[Product] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        op = operators[name]

        def count(*inputs: Any, **attributes: Any) -> Any:
            like = next((x.dtype for x in inputs if isinstance(x, _Value)), None)
            layouts = [_layout(x, like) for x in inputs]
            inference = op.infer(layouts, attributes)
            cast = [
                None if x is None or d is None else Layout(d, x.shape, x.strides)
                for x, d in zip(layouts, inference.dtypes, strict=True)
            ]
            outputs = [Layout(*output) for output in inference.outputs]
            work = _work(op, cast, outputs, inference.attributes)
            self.matrix += work.matrix
            self.vector += work.vector
            self.products += work.products
            made = tuple([_Value(x) for x in outputs])
            return made[0] if len(made) == 1 else made

        return count


def _layout(value: Any, like: DType | None) -> Layout | None:
    if value is None:
        return None
    if isinstance(value, _Value):
        return value.layout
    if isinstance(value, bool | int | float | complex) and like is not None:
        return Layout(promote_scalar(like, value), ())
    array = np.asarray(value)
    return Layout(as_dtype(array.dtype), array.shape)


def _multiplied(product: Product, vector: float = 0.0) -> _Work:
    return _Work(product.operations, vector, (product,) if product.operations else ())


def _matmul(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
    a, b = inputs[:2]
    assert a is not None
    assert b is not None
    size, depth = outputs[0].size, a.shape[-1]
    columns = b.shape[-1] if b.ndim > 1 else 1
    # One matrix for all rows makes them rows of one product.
    rows = prod(a.shape[:-1]) if b.ndim <= 2 else a.shape[-2] if a.ndim > 1 else 1
    return _multiplied(Product(rows, columns, depth, size // max(rows * columns, 1)))


def _linear(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
    x, weight = inputs[:2]
    assert x is not None
    assert weight is not None
    bias = len(inputs) > 2 and inputs[2] is not None
    product = Product(prod(x.shape[:-1]), weight.shape[0], x.shape[-1])
    return _multiplied(product, float(outputs[0].size) if bias else 0.0)


def _scaled(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
    """Count a product of float8: two scales for each element, and the bias."""
    found = _linear(inputs[:2], outputs, attributes)
    bias = len(inputs) > 4 and inputs[4] is not None
    return found._replace(vector=float(outputs[0].size) * (3 if bias else 2))


def _recurrent(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
    """Count one product for the inputs of all steps, then one step after another."""
    x, weight, recurrence = inputs[:3]
    assert x is not None
    assert weight is not None
    assert recurrence is not None
    steps, batch, features = x.shape
    rows, hidden = recurrence.shape
    first = Product(steps * batch, rows, features)
    each = Product(batch, rows, hidden)
    # Of each gate a sum and a function, and what joins the gates: four operations of an element.
    vector = float(steps * batch * (2 * rows + 4 * hidden))
    products = tuple([p for p in (first, *[each] * steps) if p.operations])
    return _Work(sum(p.operations for p in products), vector, products)


def _attention(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
    """Count attention as one kernel: a core keeps the scores of its queries, all keys of them."""
    work = _parts(operators["attention"], inputs, attributes)
    products = [
        p._replace(columns=min(p.columns, p.depth), depth=max(p.columns, p.depth))
        for p in work.products
    ]
    return work._replace(products=tuple(products))


def _convolution(
    inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]
) -> _Work:
    # A weight has shape (features out, features in of a group, *kernel).
    weight = inputs[1]
    assert weight is not None
    bias = len(inputs) > 2 and inputs[2] is not None
    groups = attributes.get("groups", 1)
    rows = outputs[0].size // max(weight.shape[0], 1)
    product = Product(rows, weight.shape[0] // groups, prod(weight.shape[1:]), groups)
    return _multiplied(product, float(outputs[0].size) if bias else 0.0)


def _convolution_transpose(
    inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]
) -> _Work:
    # A weight has shape (features in, features out of a group, *kernel); each input meets it once.
    x, weight = inputs[:2]
    assert x is not None
    assert weight is not None
    groups = attributes.get("groups", 1)
    rows = x.size // max(weight.shape[0], 1)
    depth = weight.shape[0] // groups
    return _multiplied(Product(rows, prod(weight.shape[1:]), depth, groups))


def _cubic(factor: float) -> Callable[..., _Work]:
    """Return the count of a factorisation: ``factor * n**3`` of each matrix, as LAPACK counts.

    https://www.netlib.org/lapack/lawnspdf/lawn41.pdf
    """

    def count(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
        a = inputs[0]
        assert a is not None
        rows, columns = a.shape[-2:]
        matrices = prod(a.shape[:-2])
        return _Work(0.0, factor * matrices * rows * columns * min(rows, columns))

    return count


def _fourier(inputs: Layouts, outputs: Sequence[Layout], attributes: Mapping[str, Any]) -> _Work:
    # The customary count of a transform, whatever the algorithm: 5 n log2 n of complex numbers.
    x = inputs[0]
    assert x is not None
    axis = attributes["axis"]
    length = max(x.shape[axis], outputs[0].shape[axis], 2)
    return _Work(0.0, 5.0 * max(x.size, outputs[0].size) * log2(length))


_COUNTED: dict[str, Callable[..., _Work]] = {
    "matmul": _matmul,
    "linear": _linear,
    "scaled_linear": _scaled,
    "attention": _attention,
    "rnn": _recurrent,
    "gru": _recurrent,
    "lstm": _recurrent,
    "convolution": _convolution,
    "convolution_transpose": _convolution_transpose,
    "cholesky": _cubic(1 / 3),
    "solve": _cubic(2 / 3),
    "det": _cubic(2 / 3),
    "slogdet": _cubic(2 / 3),
    "inv": _cubic(2),
    "qr": _cubic(4 / 3),
    "eigh": _cubic(9),
    "eigvalsh": _cubic(4 / 3),
    "eig": _cubic(25),
    "eigvals": _cubic(10),
    "svd": _cubic(22),
    "svdvals": _cubic(8 / 3),
    "fft": _fourier,
    "rfft": _fourier,
    "irfft": _fourier,
}
