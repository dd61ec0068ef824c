"""How far two devices may be apart: at one node with equal inputs, and after many nodes.

With equal inputs, a node may be off by what the conformance kit allows an operator
(:mod:`hal.testing.tolerance`): by the rounding, in its dtype, of a sum of as many terms as the node
adds up. After many nodes half of the dtype's digits must be left, relative to the largest
element: the square root of its epsilon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod, sqrt
from typing import Any

from hal.dtypes import DType, as_dtype, float32
from hal.errors import ValueRangeError
from hal.onnx.graph import Step
from hal.onnx.values import to_host
from hal.testing.tolerance import epsilon, summed
from hal.tools.compare.difference import Allowance, peak

__all__ = ["SUMS", "Tolerance", "coarser", "holds_graphs", "read_tolerances", "rounds"]

_PRODUCTS = frozenset(
    {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "FusedMatMul", "FusedGemm", "FusedConv"}
    | {"MatMulNBits", "Attention", "MultiHeadAttention", "GroupQueryAttention", "LSTM", "GRU"}
    | {"RNN", "FlexAttention", "LinearAttention"}
)
"""Operators that a precision below "highest" lets a device calculate faster."""

SUMS = frozenset(
    {"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "FusedMatMul", "ReduceSum", "ReduceMean"}
    | {"Mean", "Sum", "AveragePool", "GlobalAveragePool", "CumSum"}
)
"""Operators whose terms add up, when none cancels, to what they give for absolute values."""

_NORMALIZING = frozenset(
    {"BatchNormalization", "InstanceNormalization", "LayerNormalization", "GroupNormalization"}
    | {"GroupNorm", "MeanVarianceNormalization", "SkipLayerNormalization", "LpNormalization"}
)
"""Operators that take a mean off, so that the size of the input decides, not of the result."""

# What a product of float32 may be rounded to, as hal.precision() has it.
_EPSILONS = {"highest": epsilon(float32), "high": 2.0**-10, "medium": 2.0**-7}


@dataclass(frozen=True)
class Tolerance:
    """What counts as equal.

    Attributes
    ----------
    precision : str
        As :func:`hal.precision`.
    given : mapping of DType to float
        The user's own, relative to an element and to the largest one; in the place of the rule.
    """

    precision: str = "highest"
    given: Mapping[DType, float] = field(default_factory=dict)

    def node(self, step: Step, inputs: Sequence[Any], expected: Any, found: DType) -> Allowance:
        """Return what a result of a node may be off when both devices had the same inputs.

        Parameters
        ----------
        step : Step
        inputs : sequence of Tensor, numpy.ndarray or other
            What the node was given.
        expected : numpy.ndarray
        found : DType
            Of the result that is judged; the coarser of its dtype and the expected one's counts.
        """
        dtype = coarser(found, as_dtype(expected.dtype))
        if dtype.kind not in ("float", "complex"):
            return Allowance(absolute=float(rounds(step)))
        if dtype in self.given:
            return self.users(dtype, expected)
        if step.body is not None or holds_graphs(step):
            return self.whole(self.epsilon(step, dtype), dtype, expected)
        if step.definition is not None and step.definition.moves:
            return Allowance()
        largest = peak(expected)
        if step.operator in _NORMALIZING:
            given = [to_host(x) for x in inputs if hasattr(x, "dtype")]
            largest = max([largest, *map(peak, given)])
        return self.summed(step, inputs, expected, dtype, largest)

    def summed(
        self, step: Step, inputs: Sequence[Any], expected: Any, dtype: DType, magnitude: Any
    ) -> Allowance:
        """Return what a node may be off whose terms have a magnitude together."""
        work = self.epsilon(step, dtype)
        if step.operator in SUMS and dtype.bits < 32:
            work = epsilon(float32)  # hal defines that halves are summed in float32
        return Allowance(*summed(dtype, terms(step, inputs, expected), magnitude, work))

    def epsilon(self, step: Step, dtype: DType) -> float:
        """Return the epsilon of a node's arithmetic."""
        eps = epsilon(dtype)
        if dtype is float32 and step.operator in _PRODUCTS:
            return max(eps, _EPSILONS[self.precision])
        return eps

    def whole(self, eps: float, dtype: DType, expected: Any) -> Allowance:
        """Return what a value may be off after many nodes, the coarsest of which has an epsilon."""
        if dtype in self.given:
            return self.users(dtype, expected)
        return Allowance(absolute=sqrt(eps) * peak(expected))

    def users(self, dtype: DType, expected: Any) -> Allowance:
        """Return what the user allows for a dtype."""
        return Allowance(self.given[dtype], self.given[dtype] * peak(expected))


def coarser(one: DType, other: DType) -> DType:
    """Return the dtype of two that holds fewer digits.

    Examples
    --------
    >>> import hal
    >>> from hal.tools.compare.tolerance import coarser
    >>> coarser(hal.float32, hal.bfloat16)
    hal.bfloat16
    """
    floats = ("float", "complex")
    if one.kind not in floats or other.kind not in floats:
        return other if one.kind in floats else one
    return one if epsilon(one) >= epsilon(other) else other


def rounds(step: Step) -> bool:
    """Return whether a node rounds fractions to whole numbers, so that a tie may go either way."""
    return "Quantize" in step.operator or step.operator.startswith("QLinear")


def holds_graphs(step: Step) -> bool:
    """Return whether a node runs subgraphs: a branch, a loop, a scan."""
    return any(True for _ in step.graphs())


def terms(step: Step, inputs: Sequence[Any], expected: Any) -> int:
    """Return from how many terms an element of a node's result is summed, at most."""
    arrays = [x for x in inputs if hasattr(x, "shape") and x.size]
    if not arrays or not expected.size:
        return 1
    first, last = arrays[0], arrays[min(1, len(arrays) - 1)]
    match step.operator:
        case "MatMul" | "FusedMatMul" | "MatMulNBits" | "Gemm" | "FusedGemm":
            transposed = step.attributes.get("transA") and first.ndim > 1
            return max(1, int(first.shape[-2 if transposed else -1])) if first.ndim else 1
        case "Conv" | "FusedConv":
            return max(1, int(prod(last.shape[1:])))
        case "ConvTranspose":
            return max(1, int(last.size))
        case "BatchNormalization":
            return 1
    if step.operator.endswith("LayerNormalization") or step.operator == "RMSNormalization":
        return max(1, int(first.shape[-1]) if first.ndim else 1)
    largest = max(int(x.size) for x in arrays)
    if step.operator in _PRODUCTS | _NORMALIZING:
        return largest
    return max(1, largest // int(expected.size))


def read_tolerances(given: Mapping[str, Any]) -> dict[DType, float]:
    """Return tolerances by dtype from ones by name.

    Raises
    ------
    ValueRangeError
        When a name is no floating-point dtype, or a tolerance is no number above zero.

    Examples
    --------
    >>> from hal.tools.compare.tolerance import read_tolerances
    >>> read_tolerances({"float32": "1e-3"})
    {hal.float32: 0.001}
    """
    found = {}
    for name, value in given.items():
        dtype = as_dtype(name)
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = 0.0
        if dtype.kind not in ("float", "complex") or not 0 < number < float("inf"):
            raise ValueRangeError(
                f"the tolerance {name}={value} must name a floating-point dtype and a number above "
                "0, such as float32=1e-3"
            )
        found[dtype] = number
    return found
