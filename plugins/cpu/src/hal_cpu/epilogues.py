"""Reads the chain behind a product or a convolution as oneDNN's post-ops."""

from __future__ import annotations

from collections.abc import Callable

from hal.dtypes import float32
from hal.plugin import Layout, Signature
from hal_cpu.dnn import BINARY, Descriptor, PostOp

__all__ = ["post_ops"]

_UNARY = {
    ("tanh", ()): "tanh",
    ("sigmoid", ()): "sigmoid",
    ("silu", ()): "silu",
    ("hard_swish", ()): "hard_swish",
    ("gelu", (("approximate", "none"),)): "gelu",
    ("gelu", (("approximate", "tanh"),)): "gelu_tanh",
}
_FACTORS = {"silu": (1.0, 0.0), "hard_swish": (1 / 6, 0.5)}


def post_ops(
    signature: Signature, first: int, described: Callable[[Layout], Descriptor | None]
) -> tuple[list[PostOp], list[int]] | None:
    """Return a chain as post-ops, and which inputs they read; None if oneDNN cannot do it.

    The chain must lead from step to step, each with at most one other operand, in any order that
    addition and multiplication allow; what is subtracted or divided comes first.

    Parameters
    ----------
    signature : Signature
        Of ``linear_fused`` and the like.
    first : int
        The number of the chain's own first input.
    described : callable
        Describes an operand, or returns None for one that oneDNN does not take.
    """
    count = 1 + len(signature.inputs) - first
    found: list[PostOp] = []
    operands: list[int] = []
    value = 0
    for number, (name, given, options) in enumerate(signature.attributes["steps"]):
        if name in BINARY:
            other = given[1] if given[0] == value else given[0]
            if value not in given or other is None or not 0 < other < count:
                return None
            if name in ("subtract", "divide") and given[0] != value:
                return None
            layout = signature.inputs[other + first - 1]
            operand = None if layout is None else described(layout)
            if operand is None:
                return None
            found.append(PostOp(name, operand))
            operands.append(other + first - 1)
        elif name == "relu":
            slope = described(Layout(float32, ()))
            if given != (value,) or slope is None:
                return None
            found.append(PostOp(name, slope))
        elif name == "leaky_relu" and given == (value,) and options[0][1] > 0:
            found.append(PostOp(name, alpha=options[0][1]))
        else:
            known = _UNARY.get((name, options))
            if known is None or given != (value,):
                return None
            alpha, beta = _FACTORS.get(known, (0.0, 0.0))
            found.append(PostOp(known, alpha=alpha, beta=beta))
        value = count + number
    if signature.attributes["results"] != (value,):
        return None
    return found, operands
