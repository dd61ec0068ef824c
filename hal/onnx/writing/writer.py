"""Collects the nodes and weights of a model that is written, and checks each against its schema."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from hal.dtypes import DType, as_dtype
from hal.errors import Unsupported
from hal.onnx.package import onnx_package
from hal.onnx.tensors import element_number

__all__ = ["OPSET", "Value", "Writer"]

OPSET = 20
"""The opset that models are written in."""

_IR_VERSION = 9
_SMALL = 1024
_LARGEST = 2**31 - 2**24  # of a message of Protocol Buffers, less room for the nodes


class Value:
    """A tensor of the model: its name once it has one, and its elements where they are known.

    It has what decompositions ask of a tensor: ``shape``, ``dtype``, ``ndim`` and ``size``.
    """

    __slots__ = ("dtype", "host", "name", "shape")

    def __init__(
        self, dtype: DType, shape: tuple[int, ...], name: str = "", host: Any = None
    ) -> None:
        self.dtype = dtype
        self.shape = tuple(shape)
        self.name = name
        self.host = host

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


class Writer:
    """Makes the nodes of one graph.

    Attributes
    ----------
    label : str
        What the nodes that are made now are called after.
    """

    def __init__(self) -> None:
        self.label = ""
        self._onnx = onnx_package()
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}
        self._known: dict[Any, str] = {}
        self._count = 0
        self._taken: set[str] = set()

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names for inputs and outputs."""
        self._taken.update(names)

    def name(self, stem: str) -> str:
        """Return a new name."""
        while True:
            self._count += 1
            found = f"{stem}_{self._count}"
            if found not in self._taken:
                return found

    def constant(self, array: Any) -> Value:
        """Return a value whose elements are known; it becomes a weight when a node reads it."""
        host = np.asarray(array)
        return Value(as_dtype(host.dtype), host.shape, "", host)

    def node(
        self, kind: str, inputs: Sequence[Value | None], dtype: DType, shape: Sequence[int],
        **attributes: Any,
    ) -> Value:  # fmt: skip
        """Make a node with one result, and return that.

        Raises
        ------
        Unsupported
            When ONNX's operator does not take the inputs' dtypes.
        """
        return self.nodes(kind, inputs, [(dtype, tuple(shape))], **attributes)[0]

    def nodes(
        self, kind: str, inputs: Sequence[Value | None],
        outputs: Sequence[tuple[DType, tuple[int, ...]]], **attributes: Any,
    ) -> tuple[Value, ...]:  # fmt: skip
        """Make a node with several results, and return them."""
        for position, value in enumerate(inputs):
            if value is not None:
                _check_dtype(kind, position, value.dtype)
        made = tuple([Value(d, s, self.name(kind.lower())) for d, s in outputs])
        names = [self.named(x) for x in inputs]
        while names and not names[-1]:
            names.pop()
        title = self.name(f"{self.label}/{kind}" if self.label else kind)
        self._nodes.append(
            self._onnx.helper.make_node(
                kind, names, [v.name for v in made], name=title, **attributes
            )
        )
        return made

    def named(self, value: Value | None) -> str:
        """Return a value's name; known elements are written as a weight first."""
        if value is None:
            return ""
        if not value.name:
            array = np.ascontiguousarray(value.host, dtype=value.dtype.numpy)
            # Numbers, axes and the like are written once.
            key = (value.dtype, value.shape, array.tobytes()) if array.nbytes < _SMALL else value
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self.name("weight")
                self._weights[known] = self._tensor(known, value, array)
            value.name = known
        return value.name

    def _tensor(self, name: str, value: Value, array: Any) -> Any:
        tensor = self._onnx.TensorProto()
        tensor.name = name
        tensor.data_type = element_number(value.dtype)
        tensor.dims.extend(value.shape)
        if value.dtype.bits < 8:
            raise Unsupported(f"weights of {value.dtype} are not written; cast them to 8 bits")
        tensor.raw_data = array.tobytes()
        return tensor

    def model(
        self, name: str, inputs: Sequence[Value], outputs: Sequence[tuple[str, Value]]
    ) -> Any:
        """Return the model, without nodes and weights that nothing needs.

        Raises
        ------
        Unsupported
            When ONNX's checker does not accept it.
        """
        helper = self._onnx.helper
        size = sum(len(tensor.raw_data) for tensor in self._weights.values())
        if size > _LARGEST:
            raise Unsupported(
                f"the weights take {size:,} bytes; an ONNX model in one file holds {_LARGEST:,}: "
                "export it in parts, or convert the weights to a smaller dtype"
            )
        needed = set()
        renamed = []
        for given, value in outputs:
            renamed.append(helper.make_node("Identity", [self.named(value)], [given], name=given))
            needed.add(self.named(value))
        nodes = []
        for node in reversed(self._nodes):
            if needed.intersection(node.output):
                nodes.append(node)
                needed.update(node.input)
        graph = helper.make_graph(
            [*reversed(nodes), *renamed],
            name,
            [self._info(x.name, x) for x in inputs],
            [self._info(given, x) for given, x in outputs],
            initializer=[t for n, t in self._weights.items() if n in needed],
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            producer_name="hal",
            ir_version=_IR_VERSION,
        )
        try:
            self._onnx.checker.check_model(model, full_check=True)
        except Exception as error:  # the checker and the inference raise kinds of their own
            raise Unsupported(f"ONNX does not take the exported model: {error}") from error
        return model

    def _info(self, name: str, value: Value) -> Any:
        return self._onnx.helper.make_tensor_value_info(
            name, element_number(value.dtype), list(value.shape)
        )


@cache
def _taken(kind: str) -> tuple[frozenset[str] | None, ...]:
    """Return the types that each input of an operator takes; the last also stands for more."""
    schema = onnx_package().defs.get_schema(kind, OPSET, "")
    constraints = {c.type_param_str: frozenset(c.allowed_type_strs) for c in
                   schema.type_constraints}  # fmt: skip
    return tuple(constraints.get(x.type_str, frozenset({x.type_str})) for x in schema.inputs)


def _check_dtype(kind: str, position: int, dtype: DType) -> None:
    taken = _taken(kind)
    allowed = taken[min(position, len(taken) - 1)]
    words = {"float32": "float", "float64": "double"}
    text = f"tensor({words.get(dtype.name, dtype.name.replace('_', ''))})"
    if allowed is not None and text not in allowed:
        raise Unsupported(f"ONNX's {kind} of opset {OPSET} takes no {dtype}")
