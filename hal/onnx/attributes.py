"""Attributes of nodes as Python values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hal.errors import ModelError

__all__ = ["attribute_value"]

Reader = Callable[[Any], Any]


def attribute_value(
    attribute: Any,
    references: Mapping[str, Any] | None,
    host: Reader,
    dense: Reader,
    graph: Reader | None,
) -> Any:
    """Return what an attribute says; None for a reference to one that was not given.

    Parameters
    ----------
    attribute : onnx.AttributeProto
    references : mapping or None
        In a function's body: the attributes of the call, by name.
    host, dense, graph : callable
        How to read a tensor, a sparse tensor and a subgraph.

    Returns
    -------
    int, float, str, numpy.ndarray, Graph, onnx.TypeProto, or a tuple of them

    Raises
    ------
    ModelError
        When the attribute's type is unknown, or it refers to another outside of a function.
    """
    if attribute.ref_attr_name:
        if references is None:
            raise ModelError(
                f"the attribute {attribute.name!r} refers to {attribute.ref_attr_name!r} outside "
                "of a function; only a function's body may"
            )
        return references.get(attribute.ref_attr_name)
    readers: dict[int, tuple[str, Reader]] = {
        1: ("f", float),
        2: ("i", int),
        3: ("s", _text),
        4: ("t", host),
        5: ("g", graph or _no_graph),
        6: ("floats", float),
        7: ("ints", int),
        8: ("strings", _text),
        9: ("tensors", host),
        10: ("graphs", graph or _no_graph),
        11: ("sparse_tensor", dense),
        12: ("sparse_tensors", dense),
        13: ("tp", lambda t: t),
        14: ("type_protos", lambda t: t),
    }
    if attribute.type not in readers:
        raise ModelError(f"the attribute {attribute.name!r} has the unknown type {attribute.type}")
    field, read = readers[attribute.type]
    value = getattr(attribute, field)
    if field.endswith("s") and field != "s":
        return tuple(read(v) for v in value)
    return read(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _no_graph(proto: Any) -> Any:
    raise ModelError("an attribute's default holds a subgraph, which ONNX does not allow")
