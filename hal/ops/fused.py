"""Chains of elementwise operators as one, alone or before a reduction.

A program's fusion asks a device for them.
"""

from __future__ import annotations

from typing import Any

from hal.errors import DTypeError, ShapeError
from hal.ops.operator import (
    REQUIRED,
    Attributes,
    Evaluator,
    Inference,
    Inputs,
    ReferenceEvaluator,
    define,
    operators,
)
from hal.plugin.layout import Layout, broadcast_shapes

__all__ = ["Step", "fits"]

Step = tuple[str, tuple[int | None, ...], tuple[tuple[str, Any], ...]]
"""An operator's name, its operands, its attributes.

An operand is a number: that of an input, or, counting on from the inputs, of an earlier step.
"""

_UNARY_FAMILY = "activation"


def fits(op: Any, inputs: Inputs) -> bool:
    """Return whether an operator works element by element, so that it can be part of a chain."""
    if op.family == "elementwise" and op.name != "fused":
        return True
    return bool(op.family == _UNARY_FAMILY and len([x for x in inputs if x is not None]) == 1)


def _rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    values: list[Layout] = []
    for x in inputs:
        if x is None:
            raise DTypeError(f"{name}: every input must be given")
        values.append(x)
    shape = broadcast_shapes(*[x.shape for x in values])
    for step, operands, options in attributes["steps"]:
        op = operators.get(step)
        given = tuple([None if n is None else values[n] for n in operands])
        if op is None or not fits(op, given):
            raise DTypeError(f"{name}: {step!r} is no operator that works element by element")
        inference = op.infer(given, dict(options))
        dtypes = tuple([None if x is None else x.dtype for x in given])
        if inference.dtypes != dtypes:
            raise DTypeError(f"{name}: {step} would convert its operands; cast them in a step")
        values.append(Layout(*inference.outputs[0]))
    results = [values[n] for n in attributes["results"]]
    for result in results:
        if result.shape != shape:
            raise ShapeError(f"{name}: a result has shape {result.shape}, the chain {shape}")
    outputs = tuple([(x.dtype, x.shape) for x in results])
    return Inference(tuple([x.dtype for x in values[: len(inputs)]]), outputs, attributes)


def _run(F: Evaluator, inputs: tuple[Any, ...], steps: tuple[Step, ...], results: Any) -> Any:
    values = list(inputs)
    for step, operands, options in steps:
        given = [None if n is None else values[n] for n in operands]
        values.append(getattr(F, step)(*given, **dict(options)))
    found = tuple([values[n] for n in results])
    return found[0] if len(found) == 1 else found


def _reference(*inputs: Any, steps: tuple[Step, ...], results: tuple[int, ...]) -> Any:
    return _run(ReferenceEvaluator(), inputs, steps, results)


def _decompose(F: Evaluator, *inputs: Any, steps: tuple[Step, ...], results: Any) -> Any:
    return _run(F, inputs, steps, results)


define("fused", "elementwise", _reference, _rule, _decompose, steps=REQUIRED, results=REQUIRED)


# A chain and the reduction of its one result, which nobody else needs to see.


def _reduction_rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
    chain = {key: attributes[key] for key in ("steps", "results")}
    before = operators["fused"].infer(inputs, chain)
    if len(before.outputs) != 1:
        raise ShapeError(f"{name}: the chain has {len(before.outputs)} results; it must have one")
    kind, options = attributes["reduction"]
    op = operators.get(kind)
    if op is None or op.family != "reduction" or op.name == name:
        raise DTypeError(f"{name}: {kind!r} is no reduction")
    found = op.infer((Layout(*before.outputs[0]),), dict(options))
    if found.dtypes != (before.outputs[0][0],):
        raise DTypeError(f"{name}: {kind} would convert the chain's result; cast it in a step")
    reduction = (kind, tuple(found.attributes.items()))
    return Inference(before.dtypes, found.outputs, {**chain, "reduction": reduction})


def _reduction(
    *inputs: Any, steps: tuple[Step, ...], results: tuple[int, ...], reduction: Any
) -> Any:
    value = _reference(*inputs, steps=steps, results=results)
    return operators[reduction[0]].reference(value, **dict(reduction[1]))


def _decompose_reduction(
    F: Evaluator, *inputs: Any, steps: tuple[Step, ...], results: Any, reduction: Any
) -> Any:
    value = F.fused(*inputs, steps=steps, results=results)
    return getattr(F, reduction[0])(value, **dict(reduction[1]))


define(
    "fused_reduction",
    "reduction",
    _reduction,
    _reduction_rule,
    _decompose_reduction,
    steps=REQUIRED,
    results=REQUIRED,
    reduction=REQUIRED,
)
