"""Joins a layer and the chain behind it into one call, where the device has a kernel for it."""

from __future__ import annotations

from dataclasses import replace

from hal.device import Device
from hal.ops import operators
from hal.plugin import Array, Call, Program
from hal.program.passes.calls import has_kernel, joined_labels
from hal.program.passes.uses import readers, single_writes, stable

__all__ = ["fuse_epilogues"]

_FUSED = operators["fused"]
_LAYERS = ("linear", "convolution", "convolution_transpose")
_JOINED = {operators[name]: operators[f"{name}_fused"] for name in _LAYERS}


def fuse_epilogues(program: Program, device: Device) -> Program:
    """Return the program with bias, activation and residual done where a product is stored.

    A convolution is a product in this.

    A single elementwise call behind a product counts as a chain too.
    """
    single, unchanging, reads = single_writes(program), stable(program), readers(program)
    products: dict[int, int] = {}
    calls: list[Call | None] = list(program.calls)
    for position, call in enumerate(program.calls):
        if call.op in _JOINED and not call.host:
            out = call.outputs[0]
            if out.buffer in single and len(set(reads.get(out.buffer, ()))) == 1:
                products[out.buffer] = position
            continue
        found = next((x for x in call.inputs if x is not None and x.buffer in products), None)
        if found is None or call.view or call.host:
            continue
        product = program.calls[products[found.buffer]]
        # The product moves to where its chain stood: what it reads must still be there.
        if any(x is not None and x.buffer not in unchanging for x in product.inputs):
            continue
        joined = _joined(product, call, found)
        if joined is not None and has_kernel(joined, device):
            calls[products[found.buffer]] = None
            calls[position] = joined
    return replace(program, calls=tuple([c for c in calls if c is not None]))


def _joined(product: Call, call: Call, found: Array) -> Call | None:
    """Return the product with the call behind it, None where they do not fit together."""
    out = product.outputs[0]
    if found != out or len(call.outputs) != 1 or call.outputs[0].layout.shape != out.layout.shape:
        return None
    if call.op is _FUSED:
        given, attributes = list(call.inputs), dict(call.attributes)
    elif call.op.family in ("elementwise", "activation"):
        given = [x for x in dict.fromkeys(call.inputs) if x is not None]
        operands = tuple([None if x is None else given.index(x) for x in call.inputs])
        step = (call.op.name, operands, tuple(call.attributes.items()))
        attributes = {"steps": (step,), "results": (len(given),)}
    else:
        return None
    # The chain's first input is the product; the others keep their order.
    order = [found, *[x for x in given if x != found]]
    place = {n: order.index(x) if x is not None else n for n, x in enumerate(given)}
    steps = tuple(
        [
            (name, tuple([None if n is None else place.get(n, n) for n in operands]), options)
            for name, operands, options in attributes["steps"]
        ]
    )
    inputs = (*product.inputs[:2], product.inputs[2] if len(product.inputs) > 2 else None)
    return Call(
        _JOINED[product.op],
        (*inputs, *order[1:]),
        call.outputs,
        {**product.attributes, "steps": steps, "results": attributes["results"]},
        label=joined_labels([product, call]),
    )
