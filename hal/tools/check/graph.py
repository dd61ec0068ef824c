"""Reads a model for a check: what hal lacks becomes a node that says so, not an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hal.errors import Unsupported
from hal.onnx.execution import Run
from hal.onnx.folding import fold_constants
from hal.onnx.graph import Builder, Graph, Step
from hal.onnx.limits import Limits
from hal.onnx.package import onnx_package
from hal.onnx.reading import check_model, damage, read_model
from hal.onnx.registry import Definition
from hal.onnx.types import ValueType, value_type
from hal.plugin import Layout
from hal.tools.check.stand import Stand

__all__ = ["Model"]


class _Lenient(Builder):
    """Builds a graph even where hal has no such operator."""

    def _resolve(self, step: Step, node: Any, place: Any) -> None:
        try:
            super()._resolve(step, node, place)
        except Unsupported as error:
            step.body = None
            step.definition = _missing(str(error))


def _missing(reason: str) -> Definition:
    """Return a definition that says why there is none; never taken for a constant."""

    def function(F: Any, *inputs: Any, **attributes: Any) -> Any:
        raise Unsupported(reason)

    return Definition(function, 0, frozenset(), True, True, False, None)


class Model:
    """A model read for one device.

    Attributes
    ----------
    graph : Graph
        With what depends on constants alone already calculated.
    inputs : tuple of ValueType
    nodes : int
        How many nodes the main graph had before.
    """

    def __init__(self, source: Any, stand: Stand, limits: Limits) -> None:
        with damage():
            self._proto, folder = read_model(source, limits)
            self.graph: Graph = _Lenient(self._proto, folder, limits).build()
            check_model(self._proto)
            declared = [value_type(i) for i in self._proto.graph.input]
        self.inputs: tuple[ValueType, ...] = tuple(
            t for t in declared if t.name not in self.graph.constants
        )
        self.nodes = len(self.graph.steps)
        fold_constants(self.graph, Run(stand, limits), {t.name for t in declared})
        self._types: dict[str, ValueType] | None = None

    def declared(self, name: str, given: Mapping[str, Any]) -> ValueType | None:
        """Return what the model says about a value, completed by ONNX's own inference of shapes."""
        if self._types is None:
            self._types = self._inferred(given)
        return self._types.get(name)

    def _inferred(self, given: Mapping[str, Any]) -> dict[str, ValueType]:
        onnx = onnx_package()
        graph = self._proto.graph
        if self._proto.ByteSize() < 1 << 30:
            copied = onnx.ModelProto()
            copied.CopyFrom(self._proto)
            for info in copied.graph.input:
                layout = given.get(info.name)
                if isinstance(layout, Layout):
                    shape = info.type.tensor_type.shape
                    del shape.dim[:]
                    shape.dim.extend(
                        onnx.TensorShapeProto.Dimension(dim_value=n) for n in layout.shape
                    )
            try:
                graph = onnx.shape_inference.infer_shapes(copied).graph
            # What the package cannot infer is unknown, whatever it stumbled over.
            except Exception:
                graph = self._proto.graph
        return {i.name: value_type(i) for i in (*graph.value_info, *graph.output)}
