"""How far a device's result may be from the reference's, from dtype and reduction length.

The bound on the error of one element is

    eps(dtype) * steps * |expected|  +  eps(work) * (4 + 2 sqrt(n)) * magnitude

where ``steps`` belongs to the operator, ``work`` is the dtype the work is done in (at least
float32), ``n`` is how many terms one element is summed from, and ``magnitude`` is what the sum
would be if nothing cancelled. Exact operators have no bound to use up: every bit must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import ml_dtypes
import numpy as np

from hal.dtypes import DType, as_dtype, float32, float64, real_counterpart
from hal.ops import Operator
from hal.ops.quantization import dequantized

__all__ = ["EXACT", "SIGNED_ZERO", "bound", "difference"]

EXACT = frozenset(
    {
        "abs", "add", "cast", "ceil", "clip", "complex", "conj", "copysign", "floor", "full",
        "max", "maximum", "min", "minimum", "multiply", "negative", "nextafter", "relu", "round",
        "sign", "square", "subtract", "trunc", "where", "eye", "max_pool", "adaptive_max_pool",
        "put", "put_along_axis", "scatter_nd",
    }
)  # fmt: skip
"""Operators whose floating-point results are fixed to the last bit."""

_EXACT_FAMILIES = frozenset({"movement", "indexing", "sorting"})

SIGNED_ZERO = frozenset(
    {
        "abs", "add", "cast", "ceil", "complex", "conj", "copysign", "copy", "concat", "divide",
        "embedding", "floor", "full", "gather_nd", "multiply", "negative", "repeat", "roll",
        "round", "sqrt", "subtract", "take", "take_along_axis", "tril", "triu", "trunc", "where",
        "reshape", "permute", "broadcast_to", "slice", "diagonal", "as_windows", "real", "imag",
    }
)  # fmt: skip
"""Operators whose definition fixes the sign of a zero."""

_STEPS: dict[str, float] = {
    "divide": 2, "sqrt": 2, "reciprocal": 2, "rsqrt": 4, "hypot": 4, "power": 16, "atan2": 8,
    "tan": 8, "sinh": 8, "cosh": 8, "tanh": 8, "asinh": 8, "acosh": 8, "atanh": 8,
}  # fmt: skip
_LINEAR = frozenset(
    {
        "sum", "mean", "fused_reduction", "cumulative_sum", "matmul", "linear", "linear_fused",
        "scaled_linear",
        "convolution", "convolution_fused", "convolution_transpose", "convolution_transpose_fused",
        "average_pool",
        "adaptive_average_pool",
    }
)  # fmt: skip
_CANCELLING = frozenset({"logaddexp"})
"""Operators on each element that add what may cancel: the larger input and a correction."""

_FACTORS = frozenset({"prod", "cumulative_prod"})
_MATRICES = frozenset({"linear algebra", "fourier"})


def info(dtype: DType) -> Any:
    """Return what ``finfo`` says about a floating-point dtype, or about a complex one's parts."""
    return ml_dtypes.finfo(real_counterpart(dtype).numpy)  # type: ignore[no-untyped-call]


def epsilon(dtype: DType) -> float:
    """Return the distance from 1 to the next number of a floating-point or complex dtype.

    Examples
    --------
    >>> import hal
    >>> epsilon(hal.float16)
    0.0009765625
    """
    return float(info(dtype).eps)


def exact(op: Operator, attributes: Mapping[str, Any], dtype: DType) -> bool:
    """Return whether the definition leaves no room at all."""
    if dtype.kind not in ("float", "complex"):
        return True
    if attributes.get("reduce") in ("add", "multiply"):
        return False
    if dtype.kind == "complex" and op.name in ("multiply", "square", "abs", "sign"):
        return False
    return op.name in EXACT or op.family in _EXACT_FAMILIES


def bound(
    op: Operator,
    attributes: Mapping[str, Any],
    inputs: Sequence[Any],
    expected: Any,
    dtype: DType,
) -> Any:
    """Return the largest error allowed for each element of a floating-point result.

    Parameters
    ----------
    op : Operator
    attributes : mapping
        In canonical form.
    inputs : sequence of numpy.ndarray or None
        As the kernel gets them.
    expected : numpy.ndarray
        The reference's result.
    dtype : DType
        The result's.

    Returns
    -------
    numpy.ndarray
        In float64; zero for exact operators.
    """
    size = np.abs(_wide(expected))
    size = np.where(np.isfinite(size), size, 0)
    calculated = as_dtype(inputs[0].dtype) if op.name == "abs" else dtype
    if exact(op, attributes, calculated):
        return np.zeros_like(size)
    eps, work = epsilon(dtype), working_epsilon(dtype)
    if op.name.endswith("fused"):
        work = eps  # Each step may be rounded to the dtype, or none but the last.
    elif op.family in ("elementwise", "creation") and op.name not in _CANCELLING:
        steps = _STEPS.get(op.name, 4.0)
        if op.name == "logaddexp":  # a sum, near zero where its terms cancel
            size = np.broadcast_to(np.maximum(*[np.abs(_wide(x)) for x in inputs]), size.shape)
            size = np.where(np.isfinite(size), size, 0) + 1
        return eps * (1 if dtype.bits < 32 else steps) * size + _flushed(dtype)
    length = terms(op, attributes, inputs, expected)
    if op.family in _MATRICES:
        largest = max(_largest(inputs), float(size.max(initial=0)))
        return np.full_like(size, eps * 16 * max(inputs[0].shape[-2:]) * largest)
    if op.name in _FACTORS:
        return (eps + work * 2 * length) * size + _flushed(dtype)
    magnitude = _magnitude(op, attributes, inputs, size)
    relative, absolute = summed(dtype, length, magnitude, work)
    if op.name == "quantized_linear":
        absolute += eps * magnitude  # The weights may be rounded before they are multiplied.
    return relative * size + absolute


def working_epsilon(dtype: DType) -> float:
    """Return the epsilon of what a dtype is calculated in: at least float32.

    Examples
    --------
    >>> import hal
    >>> working_epsilon(hal.float16) == working_epsilon(hal.float32) == epsilon(hal.float32)
    True
    """
    eps = epsilon(dtype)
    return min(eps, epsilon(float32)) if dtype.bits < 32 else eps


def summed(
    dtype: DType, length: int, magnitude: Any, work: float | None = None
) -> tuple[float, Any]:
    """Return what an element that is summed up may be off, relative to itself and absolutely.

    Parameters
    ----------
    dtype : DType
        The result's.
    length : int
        From how many terms.
    magnitude : float or numpy.ndarray
        What the terms add up to when none cancels another.
    work : float, optional
        The epsilon of the arithmetic, where it is not the dtype's own.
    """
    eps = epsilon(dtype)
    work = working_epsilon(dtype) if work is None else work
    absolute = work * (4 + 2 * np.sqrt(length)) * magnitude + _flushed(dtype)
    return eps * (1 if dtype.bits < 32 else 4), absolute


def _flushed(dtype: DType) -> float:
    """Return the smallest normal number: results below it may be flushed to zero."""
    return float(info(dtype).tiny)


def _wide(array: Any) -> Any:
    return np.asarray(array).astype(np.complex128 if array.dtype.kind == "c" else np.float64)


def terms(op: Operator, attributes: Mapping[str, Any], inputs: Sequence[Any], expected: Any) -> int:
    """Return from how many terms an element of the result is summed."""
    first = inputs[0] if inputs else None
    if first is None:
        return 1
    if op.name in ("matmul", "linear", "linear_fused", "quantized_linear", "scaled_linear"):
        return int(max(first.shape[-1], 1))
    if op.name.startswith("convolution"):
        weight = inputs[1].shape
        return int(max(prod(weight if "transpose" in op.name else weight[1:]), 1))
    if op.name.startswith("cumulative"):
        return int(max(first.shape[attributes["axis"]], 1))
    if op.family == "recurrent":
        steps, _, features = first.shape
        return int(max(steps, 1) * max(features + inputs[2].shape[-1], 1))
    if op.family in ("normalization", "attention"):
        return max(1, *(int(x.size) for x in inputs if x is not None))
    return int(max(first.size // max(expected.size, 1), 1))


def _magnitude(
    op: Operator, attributes: Mapping[str, Any], inputs: Sequence[Any], size: Any
) -> Any:
    """Return the size an element's terms have together when none cancels another."""
    if op.name == "quantized_linear":
        return _quantized_magnitude(attributes, *inputs)
    wide = [None if x is None else np.abs(_wide(x)) for x in inputs]
    if op.name in _LINEAR:
        given = {**attributes}
        if "dtype" in given:
            given["dtype"] = float64
        with np.errstate(all="ignore"):
            return np.nan_to_num(np.abs(op.reference(*wide, **given)), nan=0, posinf=0)
    largest = _largest(inputs)
    if op.name == "var":
        largest = largest**2
    return max(float(size.max(initial=0)), largest if op.family != "activation" else 0.0)


def _quantized_magnitude(
    attributes: Mapping[str, Any], x: Any, weight: Any, scales: Any, zeros: Any = None,
    bias: Any = None,
) -> Any:  # fmt: skip
    groups = {k: attributes[k] for k in ("bits", "group_size")}
    numbers = dequantized(weight, scales, zeros, features=x.shape[-1], **groups)
    found = np.abs(_wide(x)) @ np.abs(_wide(numbers)).T
    return found if bias is None else found + np.abs(_wide(bias))


def _largest(inputs: Sequence[Any]) -> float:
    """Return the size of the largest finite element, at least 1."""
    wide = [np.abs(_wide(x)) for x in inputs if x is not None]
    finite = [x[np.isfinite(x)] for x in wide]
    return max([1.0, *(float(x.max()) for x in finite if x.size)])


def difference(found: Any, expected: Any, allowed: Any, zeros: bool) -> str | None:
    """Return how a result differs from the expected one by more than is allowed, or None.

    Parameters
    ----------
    found, expected : numpy.ndarray
        Of equal shape and dtype.
    allowed : numpy.ndarray
        From :func:`bound`.
    zeros : bool
        Whether the sign of zeros must agree.
    """
    if as_dtype(expected.dtype).kind in ("bool", "int", "uint"):
        wrong = found != expected
        return _worst(found, expected, wrong, "differ") if wrong.any() else None
    if expected.dtype.kind == "c":
        return difference(found.real, expected.real, allowed, zeros) or difference(
            found.imag, expected.imag, allowed, zeros
        )
    a, b = _wide(found), _wide(expected)
    wrong = np.isnan(a) != np.isnan(b)
    if wrong.any():
        return _worst(found, expected, wrong, "differ in where NaN is")
    with np.errstate(all="ignore"):
        error = np.where(np.isnan(b) | (a == b), 0, np.abs(a - b))
        wrong = ~(error <= allowed)
        if wrong.any():
            ratio = float(np.max(np.where(wrong & np.isfinite(error), error, 0)))
            return _worst(found, expected, wrong, f"differ by up to {ratio:.3g}", allowed)
        if zeros:
            wrong = (b == 0) & (a == 0) & (np.signbit(a) != np.signbit(b))
            if wrong.any():
                return _worst(found, expected, wrong, "differ in the sign of zero")
    return None


def _worst(found: Any, expected: Any, wrong: Any, what: str, allowed: Any = None) -> str:
    wrong = np.asarray(wrong)
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    text = (
        f"{int(wrong.sum())} of {wrong.size} elements {what}; first at {list(where)}: "
        f"found {found[where]}, expected {expected[where]}"
    )
    if allowed is None:
        return text
    return f"{text}, allowed error {float(np.broadcast_to(allowed, wrong.shape)[where]):.3g}"
