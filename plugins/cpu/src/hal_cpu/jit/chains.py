"""Chains of elementwise operators as one pass over memory, as LLVM code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from hal.plugin import Layout, Signature
from hal_cpu.jit.loops import Nest, at, function, walk
from hal_cpu.jit.scalar import NotVectorised, Scalar, emit, load, store

__all__ = ["add_chain", "chain_module", "chain_values"]


def chain_module(signature: Signature) -> tuple[ir.Module, int]:
    """Return a module that runs a chain over a range of its outermost axis, and that axis' size.

    Raises
    ------
    NotVectorised
        When a step has no code, or an array a dtype that loops are not made for.
    """
    module = ir.Module("chain")
    return module, add_chain(module, "loop", signature)[1]


def add_chain(module: ir.Module, name: str, signature: Signature) -> tuple[ir.Function, int]:
    """Add that function to a module, by a name of its own; return it, and the axis' size.

    Raises
    ------
    NotVectorised
        When a step has no code, or an array a dtype that loops are not made for.
    """
    given = [x for x in signature.inputs if x is not None]
    layouts = [*signature.outputs, *given]
    shape = signature.outputs[0].shape
    if signature.outputs[0].size == 0:
        raise NotVectorised("nothing to do")
    nest = Nest(shape, layouts)
    made, b = function(module, layouts, name)
    begin, end, _, *pointers = made.args
    count = len(signature.outputs)

    def body(indices: list[Any]) -> None:
        places = [
            at(b, pointer, indices, strides)
            for pointer, strides in zip(pointers, nest.strides, strict=True)
        ]
        values = chain_values(b, given, places[count:], signature.attributes["steps"])
        results = signature.attributes["results"]
        for place, layout, number in zip(places[:count], signature.outputs, results, strict=True):
            if values[number].dtype is not layout.dtype:
                raise NotVectorised(f"{values[number].dtype} is no {layout.dtype}")
            store(b, values[number], place)

    walk(b, begin, end, nest.sizes, body)
    b.ret_void()
    return made, nest.sizes[0]


def chain_values(
    b: ir.IRBuilder, given: Sequence[Layout], places: Sequence[Any], steps: Any
) -> list[Scalar]:
    """Return the inputs that lie at some places, and what the steps of a chain make of them."""
    values: list[Scalar] = [
        load(b, place, layout.dtype) for place, layout in zip(places, given, strict=True)
    ]
    for name, operands, attributes in steps:
        chosen = tuple([None if n is None else values[n] for n in operands])
        values.append(emit(b, name, chosen, dict(attributes)))
    return values
