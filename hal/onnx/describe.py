"""What a model is, without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from typing import Any

from hal.onnx.graph import Builder
from hal.onnx.limits import Limits
from hal.onnx.reading import check_model, damage, read_model
from hal.onnx.tensors import STRING, element_dtype, tensor_bytes
from hal.onnx.types import value_type

__all__ = ["describe"]


def describe(source: Any, *, limits: Limits | None = None) -> dict[str, Any]:
    """Return what a model is: a dictionary of numbers and texts.

    Parameters
    ----------
    source : str, os.PathLike, bytes or onnx.ModelProto
    limits : Limits, optional

    Returns
    -------
    dict
        ``inputs`` and ``outputs`` (name to type), ``operators`` (name to number of nodes, the most
        frequent first), ``nodes``, ``parameters``, ``bytes``, ``dtypes`` (of parameters),
        ``opsets`` and ``producer``. Nodes of subgraphs and of functions of the model count once.

    Raises
    ------
    ModelError, Unsupported
        As :func:`hal.onnx.load`.

    Examples
    --------
    >>> import hal.onnx
    >>> from onnx import parser
    >>> model = parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["" : 22]>
    ...     double (float[n] x) => (float[n] y) { y = Add(x, x) }
    ... ''')
    >>> hal.onnx.describe(model)["operators"]
    {'Add': 1}
    """
    limits = limits or Limits()
    with damage():
        model, folder = read_model(source, limits)
        Builder(model, folder, limits).build()
        check_model(model)
        return _facts(model)


def _facts(model: Any) -> dict[str, Any]:
    weights = list(_weights(model.graph))
    named = {w.name for w in model.graph.initializer}
    dtypes: Counter[str] = Counter()
    for weight in weights:
        text = weight.data_type == STRING
        dtypes["string" if text else element_dtype(weight.data_type).name] += prod(weight.dims)
    nodes = [*_nodes(model.graph), *(n for f in model.functions for n in _nested(f.node))]
    operators = Counter(f"{n.domain}.{n.op_type}".lstrip(".") for n in nodes)
    return {
        "inputs": {i.name: str(value_type(i)) for i in model.graph.input if i.name not in named},
        "outputs": {o.name: str(value_type(o)) for o in model.graph.output},
        "operators": dict(operators.most_common()),
        "nodes": len(nodes),
        "parameters": sum(prod(w.dims) for w in weights),
        "bytes": sum(tensor_bytes(w) for w in weights),
        "dtypes": dict(dtypes.most_common()),
        "opsets": {o.domain or "ai.onnx": o.version for o in model.opset_import},
        "producer": f"{model.producer_name} {model.producer_version}".strip(),
    }


def _nodes(graph: Any) -> Iterator[Any]:
    yield from _nested(graph.node)


def _nested(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in _graphs(attribute):
                yield from _nodes(graph)


def _graphs(attribute: Any) -> list[Any]:
    if attribute.type == 5:
        return [attribute.g]
    return list(attribute.graphs) if attribute.type == 10 else []


def _weights(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            for inner in _graphs(attribute):
                yield from _weights(inner)
