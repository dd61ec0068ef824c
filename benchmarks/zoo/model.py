"""What a measured model is made of, and the pen that writes its ONNX form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Arrays", "Graph", "Model", "generated"]

_SMALL = 64

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Model:
    """A model by name.

    Attributes
    ----------
    title : str
        What a table calls it.
    weights : callable
        Returns the weights by name, the same at each call.
    onnx : callable
        ``onnx(weights)`` returns the model as exporters write it; its first output is compared.
    inputs : callable
        ``inputs(batch)`` returns what a run is given, by name.
    operations : callable
        ``operations(batch)`` returns the floating-point operations of the products and
        convolutions, two for each multiplication.
    nbytes : callable
        ``nbytes(batch)`` returns the bytes that a run has to read at the least: weights, caches.
    torch : callable
        ``torch(weights)`` returns a function of the inputs, written for PyTorch.
    function : callable, optional
        ``function(weights)`` returns a function of the inputs, as a user of hal writes it.
    batches : tuple of int
        The batch sizes that are measured when none are asked for.
    limits : mapping of int to float
        The aim for hal by batch size, in multiples of the floor.
    """

    name: str
    title: str
    weights: Callable[[], Arrays]
    onnx: Callable[[Arrays], Any]
    inputs: Callable[[int], Arrays]
    operations: Callable[[int], int]
    nbytes: Callable[[int], int]
    torch: Callable[[Mapping[str, Any]], Callable[..., Any]]
    function: Callable[[Mapping[str, Any]], Callable[..., Any]] | None = None
    batches: tuple[int, ...] = (1,)
    limits: Mapping[int, float] | None = None


def generated(shapes: Mapping[str, tuple[int, ...]], scale: Callable[[str], float]) -> Arrays:
    """Return normally distributed weights; those called ``...variance`` or ``...gamma`` are 1."""
    rng = np.random.default_rng(0)
    found = {}
    for name, shape in shapes.items():
        if name.endswith(("variance", "gamma")):
            found[name] = np.full(shape, scale(name), np.float32)
        else:
            found[name] = rng.standard_normal(shape, np.float32) * np.float32(scale(name))
    return found


class Graph:
    """Writes an ONNX graph node by node."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._known: dict[Any, str] = {}

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return the name of a constant: a weight, or the same small value once."""
        from onnx import numpy_helper

        array = np.asarray(value, dtype)
        name = f"c{len(self._constants)}"
        if array.size < _SMALL:
            name = self._known.setdefault((array.dtype, array.shape, array.tobytes()), name)
        if name == f"c{len(self._constants)}":
            self._constants.append(numpy_helper.from_array(array, name))
        return name

    def node(self, operator: str, *inputs: str, outputs: tuple[str, ...] = (), **given: Any) -> str:
        """Add a node and return the name of its first output."""
        from onnx import helper

        names = outputs or (f"v{len(self._nodes)}",)
        self._nodes.append(helper.make_node(operator, inputs, names, **given))
        return names[0]

    def model(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], opset: int) -> Any:
        """Return the model.

        Parameters
        ----------
        inputs, outputs : mapping
            For each name the shape, or the element type and the shape.
        opset : int
        """
        from onnx import TensorProto, helper

        def infos(given: Mapping[str, Any]) -> list[Any]:
            return [
                helper.make_tensor_value_info(
                    name, *(x if isinstance(x, tuple) else (TensorProto.FLOAT, x))
                )
                for name, x in given.items()
            ]

        graph = helper.make_graph(
            self._nodes, "model", infos(inputs), infos(outputs), self._constants
        )
        opsets = [helper.make_opsetid("", opset)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)
