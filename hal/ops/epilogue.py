"""A layer and the chain of elementwise operators behind it as one operator.

A program's fusion asks a device for it: ``convolution_fused`` is ``convolution`` and a chain, as
is ``convolution_transpose_fused``. The chain's first input is the layer's result, its others follow
the layer's own; see ``fused``.
"""

from __future__ import annotations

from typing import Any

from hal.errors import ShapeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    define,
    operators,
)
from hal.plugin.layout import Layout

_LAYER_INPUTS = 3
"""Input, weight and bias."""


def _split(attributes: Attributes) -> tuple[Attributes, Attributes]:
    """Return the layer's attributes and the chain's."""
    chain = {key: attributes[key] for key in ("steps", "results")}
    return {key: value for key, value in attributes.items() if key not in chain}, chain


def _define(layer: str) -> None:
    base = operators[layer]

    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        own, chain = _split(attributes)
        first = base.infer(inputs[:_LAYER_INPUTS], own)
        behind = operators["fused"].infer(
            (Layout(*first.outputs[0]), *inputs[_LAYER_INPUTS:]), chain
        )
        if [shape for _, shape in behind.outputs] != [first.outputs[0][1]]:
            raise ShapeError(f"{name}: the chain must have one result, of the layer's shape")
        dtypes = first.dtypes + behind.dtypes[1:]
        return Inference(dtypes, behind.outputs, {**first.attributes, **chain})

    def reference(*inputs: Any, **attributes: Any) -> Any:
        own, chain = _split(attributes)
        first = base.reference(*inputs[:_LAYER_INPUTS], **own)
        return operators["fused"].reference(first, *inputs[_LAYER_INPUTS:], **chain)

    def decompose(F: Evaluator, *inputs: Any, **attributes: Any) -> Any:
        own, chain = _split(attributes)
        first = getattr(F, layer)(*inputs[:_LAYER_INPUTS], **own)
        return F.fused(first, *inputs[_LAYER_INPUTS:], **chain)

    defaults = {**base.defaults, "steps": REQUIRED, "results": REQUIRED}
    define(f"{layer}_fused", base.family, reference, rule, decompose, **defaults)


_define("convolution")
_define("convolution_transpose")
