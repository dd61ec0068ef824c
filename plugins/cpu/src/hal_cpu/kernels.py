"""Which function runs an operator on the CPU: a NumPy ufunc, a written kernel, or the reference."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from hal.ops import Operator
from hal.plugin import Kernel, Signature
from hal_cpu.attention import find_attention
from hal_cpu.convolutions import find_convolution
from hal_cpu.half import find_half
from hal_cpu.jit import find_loop, find_reduction
from hal_cpu.layers import Run, erf, find_layer
from hal_cpu.moves import find_move
from hal_cpu.pools import find_pool
from hal_cpu.products import find_product, wants_packed
from hal_cpu.recurrent import find_recurrent
from hal_cpu.writers import Write, find_writer

__all__ = ["find_kernel"]

_OWN_ALLOCATION = 64 * 1024
_HOLDS_GIL = 500

# Without a loop of their own these are better written out: of a layer with quantised weights, a
# program then calculates the weights once.
_WRITTEN_OUT = ("fused", "fused_reduction", "quantized_linear", "scaled_linear")

# NumPy reports overflow, division by zero and the like as warnings; a device does not. Calling
# through a context in which they are off is ten times quicker than numpy.errstate. One context
# cannot be entered by two threads at once, so it serves only calls too small to release the GIL.
_quiet = contextvars.copy_context()
_quiet.run(lambda: np.seterr(all="ignore"))

UFUNCS: dict[str, np.ufunc] = {
    "add": np.add,
    "subtract": np.subtract,
    "multiply": np.multiply,
    "divide": np.true_divide,
    "floor_divide": np.floor_divide,
    "remainder": np.remainder,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "atan2": np.arctan2,
    "hypot": np.hypot,
    "copysign": np.copysign,
    "nextafter": np.nextafter,
    "logaddexp": np.logaddexp,
    "abs": np.absolute,
    "negative": np.negative,
    "sign": np.sign,
    "square": np.square,
    "reciprocal": np.reciprocal,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.rint,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "signbit": np.signbit,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
    "logical_not": np.logical_not,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_invert": np.invert,
    "bitwise_left_shift": np.left_shift,
    "bitwise_right_shift": np.right_shift,
    "conj": np.conjugate,
    "matmul": np.matmul,
}

_CONVOLUTIONS = (
    "convolution", "convolution_fused", "convolution_transpose", "convolution_transpose_fused",
)  # fmt: skip
_PRODUCTS = ("matmul", "linear", "linear_fused")

# Kinds of NumPy dtypes for which NumPy's function has other special values than hal's operator.
DIFFERENT = {"floor_divide": "fV", "expm1": "c", "tanh": "c"}


def find_kernel(op: Operator, signature: Signature) -> Kernel | None:
    """Return the quickest kernel there is; None for what is better written out."""
    if op.name in _PRODUCTS:
        otherwise = None if op.name == "linear_fused" else _find_other(op, signature)
        if op.name == "linear" and not signature.outputs[0].contiguous:
            otherwise = None
        found = find_product(op, signature, otherwise)
        if found is None and wants_packed(op, signature):
            return None
        return found or find_half(op, signature, find_kernel) or otherwise
    if op.name in _CONVOLUTIONS:
        found = find_convolution(op, signature)
        plain = signature.outputs[0].contiguous and not op.name.endswith("_fused")
        found = found or find_half(op, signature, find_kernel)
        return found or (_find_other(op, signature) if plain else None)
    if op.family == "recurrent":
        return find_recurrent(op, signature)
    half = find_half(op, signature, find_kernel)
    return half or find_pool(op, signature) or _find_other(op, signature)


def _find_other(op: Operator, signature: Signature) -> Kernel | None:
    compiled = find_loop(op, signature) or find_reduction(op, signature)
    if compiled is not None or op.name in _WRITTEN_OUT:
        return compiled
    ufunc = erf() if op.name == "erf" else UFUNCS.get(op.name)
    if ufunc is not None and _fits(op, ufunc, signature):
        return _ufunc_kernel(ufunc, signature)
    if op.name == "copy":
        copy = Kernel(_copy, _copier if signature.outputs[0].contiguous else None)
        return find_move(op, signature, copy)
    if op.name == "attention":
        if signature.outputs[0].strides[-1:] > (1,):
            return None  # a copy afterwards is quicker
        attention = find_attention(signature)
        if attention is not None:
            return attention
    layer = find_layer(op.name, signature)
    if layer is not None:
        return _layer_kernel(layer)
    writer = find_writer(op, signature)
    if writer is not None:
        return find_move(op, signature, _writer_kernel(writer, signature))
    return _reference_kernel(op, signature)


def _fits(op: Operator, ufunc: np.ufunc, signature: Signature) -> bool:
    """Return whether NumPy's result has the rule's dtype without converting on the way."""
    if op.name == "matmul" and signature.outputs[0].dtype.bits < 32:
        return False
    given = tuple([x.dtype.numpy for x in signature.inputs if x is not None])
    if given[0].kind in DIFFERENT.get(op.name, ""):
        return False
    out = signature.outputs[0].dtype.numpy
    try:
        resolved = ufunc.resolve_dtypes((*given, None))
    except TypeError:
        return False
    return resolved == (*given, out)


def _ufunc_kernel(ufunc: np.ufunc, signature: Signature) -> Kernel:
    out = signature.outputs[0]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with np.errstate(all="ignore"):
            ufunc(*inputs, out=outputs[0])

    if out.nbytes > _OWN_ALLOCATION:
        return Kernel(into)
    small = all(x is None or x.size <= _HOLDS_GIL for x in (*signature.inputs, out))
    plain = all(x is None or x.contiguous for x in signature.inputs)
    if small and plain and out.shape and ufunc is not np.matmul:
        return Kernel(into, lambda stream: partial(_quiet.run, ufunc))

    def new(*inputs: Any) -> Any:
        result = np.empty(out.shape, out.dtype.numpy)
        with np.errstate(all="ignore"):
            ufunc(*inputs, out=result)
        return result

    return Kernel(into, lambda stream: new)


def _copy(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
    np.copyto(outputs[0], inputs[0])


def _copier(stream: Any) -> Callable[..., Any]:
    return partial(np.array, order="C", copy=True)


def _layer_kernel(layer: Run) -> Kernel:
    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with np.errstate(all="ignore"):
            layer(outputs[0], *inputs)

    return Kernel(into)


def _writer_kernel(write: Write, signature: Signature) -> Kernel:
    out = signature.outputs[0]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with np.errstate(all="ignore"):
            write(outputs[0], *inputs)

    def new(*inputs: Any) -> Any:
        result = np.empty(out.shape, out.dtype.numpy)
        with np.errstate(all="ignore"):
            write(result, *inputs)
        return result

    return Kernel(into, (lambda stream: new) if out.nbytes <= _OWN_ALLOCATION else None)


def _reference_kernel(op: Operator, signature: Signature) -> Kernel:
    reference = op.reference
    attributes = dict(signature.attributes)
    dtypes = [x.dtype.numpy for x in signature.outputs]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with np.errstate(all="ignore"):
            found = reference(*inputs, **attributes)
        for out, array in zip(
            outputs, found if isinstance(found, tuple) else (found,), strict=True
        ):
            np.copyto(out, array, casting="no" if out.dtype == array.dtype else "same_kind")

    def new(*inputs: Any) -> Any:
        with np.errstate(all="ignore"):
            found = reference(*inputs, **attributes)
        # A reference may return an input or a view of it; a result owns its memory.
        array = np.asarray(found, dtype=dtypes[0], order="C")
        fresh = array.base is None and not any(array is x for x in inputs)
        return array if fresh else array.copy(order="C")

    small = len(dtypes) == 1 and signature.outputs[0].nbytes <= _OWN_ALLOCATION
    return Kernel(into, (lambda stream: new) if small else None)
