"""Matrix products: of few rows by compiled code, of more by oneDNN with weights packed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hal.dtypes import float32
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cpu.dnn import Descriptor, PostOp, Primitive, describe, library, matmul, packed
from hal_cpu.epilogues import post_ops
from hal_cpu.half import is_native
from hal_cpu.jit import NotVectorised, address, compile_loop, few_rows
from hal_cpu.threads import thread_count

__all__ = ["find_product", "wants_packed"]

_WORTH_IT = 1 << 16
"""Multiplications below which NumPy has made the product before Python has called oneDNN."""
_WORTH_A_POOL = 1 << 13
"""Multiplications for few rows from which on NumPy's BLAS would wake threads of its own."""
_FEW_ROWS = 8
"""Rows below which a product takes as long as its weights take to be read, as they lie."""
_WORTH_A_TEAM = 1 << 19
"""Multiplications up to which one thread takes no longer than a team, which others may hold up."""
_MUCH_TO_READ = 1 << 18
"""Weights from which on a team reads them sooner."""
_WORTH_CODE = 1 << 20
"""Weights from which on a product is worth code of its own wherever it is called."""
_MOST_PARTS = 16
"""Threads that add to sums of their own: adding those up is work for one."""


def find_product(op: Operator, signature: Signature, otherwise: Kernel | None) -> Kernel | None:
    """Return a kernel for ``matmul``, ``linear`` or ``linear_fused``, or None.

    Parameters
    ----------
    op : Operator
    signature : Signature
    otherwise : Kernel or None
        What runs products that are too small for oneDNN, if there is such a kernel.
    """
    layouts = (*signature.inputs, *signature.outputs)
    out = signature.outputs[0]
    if any(x is not None and x.dtype is not out.dtype for x in layouts):
        return None
    if out.dtype is not float32 and not is_native(out.dtype):
        return None
    if not all(x is None or x.size for x in layouts) or not _writes(out):
        return None
    weight = signature.inputs[1]
    assert weight is not None
    anywhere = otherwise is None or weight.size >= _WORTH_CODE
    if weight.ndim == 2 and out.dtype is float32 and (anywhere or op.name != "matmul"):
        few = _few(_as_linear(signature, weight) if op.name == "matmul" else signature)
        if few is not None:
            return few if anywhere or otherwise is None else _prepared(otherwise, few)
    if library() is None:
        return None
    if op.name == "matmul":
        return _batched(signature)
    x = signature.inputs[0]
    assert x is not None
    if op.name == "linear":
        found = _linear(signature, (), ())
        if found is None or otherwise is None or out.size * x.shape[-1] >= _WORTH_IT:
            return found
        return _prepared(otherwise, found)
    described = _row_operand if x.contiguous and out.contiguous else _wide_operand
    steps = post_ops(signature, 3, lambda x: described(x, out))
    return None if steps is None else _linear(signature, *steps)


def _as_linear(signature: Signature, matrix: Layout) -> Signature:
    """Return a product by a matrix as ``linear`` takes it: its weight is the matrix transposed."""
    weight = Layout(matrix.dtype, matrix.shape[::-1], matrix.strides[::-1])
    return Signature((signature.inputs[0], weight), signature.outputs, {})


def _few(signature: Signature) -> Kernel | None:
    """Return a product of few rows as compiled code, None for more rows than few or too little."""
    x, weight = signature.inputs[:2]
    out = signature.outputs[0]
    assert x is not None
    assert weight is not None
    taken = weight.shape[1]
    if out.size >= _FEW_ROWS * weight.shape[0] or out.size * taken < _WORTH_IT:
        return None
    if not x.contiguous or not out.contiguous or not _steps(weight):
        return None
    large = weight.size >= _MUCH_TO_READ
    try:
        made = few_rows(signature, min(thread_count(), _MOST_PARTS) if large else 1)
    except NotVectorised:
        return None

    def pointers(outputs: Sequence[Any], inputs: Sequence[Any], scratch: Any) -> list[int]:
        arrays = [outputs[0], inputs[0], inputs[1], scratch]
        arrays += [given for given in inputs[2:] if given is not None]
        return [address(array) for array in arrays]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        scratch = np.empty(made.scratch, np.float32)
        code = compile_loop(made.code, made.arrays, made.finish)
        code.on(made.extent, 0, pointers(outputs, inputs, scratch), large)()

    def place(outputs: Sequence[Any], inputs: Sequence[Any]) -> Callable[..., None]:
        scratch = np.empty(made.scratch, np.float32)
        code = compile_loop(made.code, made.arrays, made.finish)
        own = pointers(outputs, inputs, scratch)
        return code.placed(made.extent, 0, own, large, held=scratch)

    return Kernel(into, place=place)


def _prepared(otherwise: Kernel, found: Kernel) -> Kernel:
    """Return a kernel that is found for weights which never change, and NumPy's for others."""

    def prepare(known: Sequence[Any]) -> Kernel | None:
        if known[1] is None:
            return None
        return found if found.prepare is None else found.prepare(known)

    return Kernel(otherwise.into, otherwise.bind, prepare)


def wants_packed(op: Operator, signature: Signature) -> bool:
    """Return whether oneDNN makes a product only of copies of its operands without gaps."""
    layouts = (*signature.inputs, *signature.outputs)
    if all(x is None or x.contiguous for x in layouts):
        return False
    inputs = tuple([None if x is None else Layout(x.dtype, x.shape) for x in signature.inputs])
    outputs = tuple([Layout(x.dtype, x.shape) for x in signature.outputs])
    return find_product(op, Signature(inputs, outputs, signature.attributes), None) is not None


def _steps(layout: Layout) -> bool:
    """Return whether oneDNN walks such an array: forwards, along one axis without gaps."""
    sizes = list(zip(layout.shape, layout.strides, strict=True))
    batch, matrix = sizes[:-2], [s for n, s in sizes[-2:] if n > 1]
    return (
        all(s >= 0 for _, s in batch)
        and all(s > 0 for s in matrix)
        and (layout.size < 2 or any(s == 1 for s in layout.strides[-2:]))
    )


def _writes(layout: Layout) -> bool:
    """Return whether oneDNN writes such an array: row by row, each without gaps."""
    return layout.contiguous or (layout.strides[-1] == 1 and min(layout.strides) > 0)


def _batched(signature: Signature) -> Kernel | None:
    a, b = signature.inputs
    out = signature.outputs[0]
    assert a is not None
    assert b is not None
    if a.ndim < 2 or b.ndim < 2 or not (_steps(a) and _steps(b)):
        return None
    few = a.shape[-2] < _FEW_ROWS
    if out.size * a.shape[-1] < (_WORTH_A_POOL if few else _WORTH_IT):
        return None
    if not _spans(out, a, b):
        return None
    alone = out.size * a.shape[-1] < _WORTH_A_TEAM
    made = _Made(
        lambda: matmul(_wide(a, out.ndim), _wide(b, out.ndim), _wide(out, out.ndim), alone=alone)
    )

    return _kernel(made, address)


def _spans(out: Layout, *operands: Layout) -> bool:
    """Return whether along each axis of the batch some operand has elements of its own."""
    axes = range(-out.ndim, -2)
    own = [{n for n in axes if -n <= x.ndim and x.shape[n] > 1 and x.strides[n]} for x in operands]
    return all(out.shape[n] == 1 or any(n in found for found in own) for n in axes)


def _linear(
    signature: Signature,
    post_ops: Sequence[PostOp],
    operands: Sequence[int],
) -> Kernel | None:
    x, weight = signature.inputs[:2]
    bias = signature.inputs[2] if len(signature.inputs) > 2 else None
    out = signature.outputs[0]
    dtype = out.dtype
    assert x is not None
    assert weight is not None
    if not _steps(x) or not _steps(weight) or not (bias is None or bias.contiguous):
        return None
    features, taken = weight.shape
    rows = out.size // features
    lead: tuple[int, ...] = ()
    if x.contiguous and out.contiguous:
        source = describe(dtype, (rows, taken), (taken, 1))
        result = describe(dtype, (rows, features), (features, 1))
    elif rows < _FEW_ROWS or out.ndim < 2 or not _spans(out, x):
        return None
    else:
        source, result = _wide(x, out.ndim), _wide(out, out.ndim)
        lead = (1,) * (out.ndim - 2)
    turned = Layout(dtype, (*lead, taken, features), (*lead, *weight.strides[::-1]))
    given = describe(dtype, turned.shape, turned.strides)
    added = None
    if bias is not None:
        added = describe(dtype, (*lead, 1, features), (*lead, features, 1))

    def primitive(weights: Descriptor) -> Primitive:
        alone = out.size * taken < _WORTH_A_TEAM
        return matmul(source, weights, result, added, post_ops, alone)

    made = _Made(lambda: primitive(given))
    others = (*((2,) if bias is not None else ()), *operands)

    def prepare(known: Sequence[Any]) -> Kernel | None:
        if known[1] is None:
            return None
        chosen = primitive(describe(dtype, turned.shape, None))
        kept = packed(chosen, given, address(known[1]))
        return _kernel(lambda: chosen, lambda weight: kept.address, others, released=(1,))

    return _kernel(made, address, others, prepare)


def _kernel(
    made: Callable[[], Primitive],
    weights: Callable[[Any], int],
    others: Sequence[int] = (),
    prepare: Callable[[Sequence[Any]], Kernel | None] | None = None,
    released: Sequence[int] = (),
) -> Kernel:
    """Return a kernel that runs a primitive; ``others`` are the inputs behind the weights."""

    def addresses(outputs: Sequence[Any], inputs: Sequence[Any]) -> list[int]:
        rest = [address(inputs[n]) for n in others]
        return [address(inputs[0]), weights(inputs[1]), address(outputs[0]), *rest]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        made().run(*addresses(outputs, inputs))

    def place(outputs: Sequence[Any], inputs: Sequence[Any]) -> Callable[..., None]:
        # What finds the weights keeps those that were packed.
        return made().placed(*addresses(outputs, inputs), held=weights)

    return Kernel(into, prepare=prepare, place=place, released=released)


class _Made:
    """Makes a primitive at the first call: many kernels are asked for and never run."""

    def __init__(self, make: Callable[[], Primitive]) -> None:
        self._make = make
        self._found: Primitive | None = None

    def __call__(self) -> Primitive:
        found = self._found
        if found is None:
            found = self._found = self._make()
        return found


def _wide(layout: Layout, ndim: int) -> Descriptor:
    """Describe an array with axes of size 1 in front, as many as it takes.

    Along an axis of a batch that is but repeated it has one element too.
    """
    missing = ndim - layout.ndim
    strides = (layout.size,) * missing + layout.strides
    shape = [1] * missing + [
        n if s else 1 for n, s in zip(layout.shape, layout.strides, strict=True)
    ]
    single = Layout(layout.dtype, tuple(shape), strides)
    return describe(layout.dtype, single.shape, single.strides)


def _wide_operand(layout: Layout, out: Layout) -> Descriptor | None:
    """Describe an operand that lies as the result does, is one per feature, or one number."""
    features = layout.contiguous and layout.size == out.shape[-1] == layout.shape[-1]
    return _wide(layout, out.ndim) if layout == out or features or layout.size == 1 else None


def _row_operand(layout: Layout, out: Layout) -> Descriptor | None:
    """Describe an operand that is one number, one per feature, or of the product's shape."""
    if not layout.contiguous:
        return None
    features = out.shape[-1]
    rows = out.size // features
    if layout.shape == out.shape:
        return describe(layout.dtype, (rows, features), (features, 1))
    if layout.size == features and layout.shape[-1:] == (features,):
        return describe(layout.dtype, (1, features), (features, 1))
    if layout.size == 1:
        return describe(layout.dtype, (1, 1), (1, 1))
    return None
