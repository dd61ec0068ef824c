"""A program as a plugin sees it: a flat list of operator calls on numbered buffers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from hal.plugin.layout import Layout
from hal.plugin.values import Signature

if TYPE_CHECKING:
    from hal.ops.operator import Operator

__all__ = ["Array", "Call", "Program", "Released"]


class Array(NamedTuple):
    """Where a call reads or writes: a buffer, seen through a layout.

    Attributes
    ----------
    buffer : int
        The buffer's number in its program.
    layout : Layout
        Dtype, shape, and strides in elements.
    offset : int
        Of the first element, in elements from the buffer's start.
    """

    buffer: int
    layout: Layout
    offset: int = 0


@dataclass(frozen=True)
class Call:
    """One operator call of a program.

    Attributes
    ----------
    op : Operator
    inputs : tuple of Array or None
        None for an optional input that is left out.
    outputs : tuple of Array
    attributes : mapping of str to object
        In canonical form.
    view : bool
        Whether the call only looks at its input's memory in another way. Its output lies in the
        input's buffer; nothing has to run. Such calls are kept for readers of the program.
    host : bool
        Whether the device lacks the operator, so that its reference runs on the host.
    label : str
        What the user calls this step, for example a node's name in a model; may be empty.
    """

    op: Operator
    inputs: tuple[Array | None, ...]
    outputs: tuple[Array, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    view: bool = False
    host: bool = False
    label: str = ""

    @property
    def signature(self) -> Signature:
        """Return for what the call asks a device for a kernel."""
        return Signature(
            tuple([None if x is None else x.layout for x in self.inputs]),
            tuple([x.layout for x in self.outputs]),
            self.attributes,
        )


@dataclass(frozen=True)
class Released:
    """Stands for a constant whose memory was given back: no kernel reads it any more.

    Attributes
    ----------
    nbytes : int
        What the constant took.
    """

    nbytes: int


@dataclass(frozen=True)
class Program:
    """What a function does to tensors of given layouts, call by call in order.

    Attributes
    ----------
    name : str
        The function's name.
    inputs, outputs : tuple of Array
        Where the arguments are and where the results will be. A result may lie in an argument's
        buffer: then it is a view of it.
    calls : tuple of Call
    sizes : tuple of int
        Bytes of each buffer.
    constants : mapping of int to object
        For each buffer whose values are known before the program runs: the tensor's storage or
        the NumPy array that holds them, or :class:`Released` once the kernels of a program that
        runs have them in a form of their own. No call writes into it.
    """

    name: str
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    calls: tuple[Call, ...]
    sizes: tuple[int, ...]
    constants: Mapping[int, Any] = field(default_factory=dict)

    def to_dot(self) -> str:
        """Return the program as a graph in Graphviz's language.

        Examples
        --------
        >>> import hal
        >>> double = hal.compile(lambda x: x * 2)
        >>> print(double.program(hal.ones(3)).to_dot())
        digraph "<lambda>" {
        ...
          n0 -> n1 [label="float32[3]"]
          n1 -> n2 [label="float32[3]"]
        }
        """
        # Drawing stands above the contract: a plugin needs none of it.
        from hal.program.drawing import to_dot

        return to_dot(self)

    def draw(self, path: Any) -> None:
        """Write the program as a graph that people look at.

        Parameters
        ----------
        path : str or os.PathLike
            Ends with ``.svg`` or ``.html`` for a picture, ``.dot`` or ``.gv`` for Graphviz's text.

        Raises
        ------
        ValueRangeError
            For another ending, or when the file cannot be written.
        """
        from hal.program.drawing import draw

        draw(self, path)

    def to_onnx(self, path: Any = None) -> Any:
        """Return the program as an ``onnx.ModelProto``, and write it to a file if one is named.

        Parameters
        ----------
        path : str or os.PathLike, optional

        Raises
        ------
        Unsupported
            When ONNX lacks an operator, or the ``onnx`` package is not installed.
        """
        from hal.onnx import export

        return export(self, path=path)

    def __str__(self) -> str:
        lines = [f"{self.name}({', '.join(map(_described, self.inputs))})"]
        width = max((len(call.op.name) for call in self.calls), default=0)
        for call in self.calls:
            operands = [_described(x) for x in call.inputs]
            operands += [f"{key}={value}" for key, value in call.attributes.items()]
            mark = " (view)" if call.view else " (host)" if call.host else ""
            label = f"  # {call.label}" if call.label else ""
            outputs = ", ".join(map(_described, call.outputs))
            lines.append(
                f"  {call.op.name:{width}} {', '.join(operands)} -> {outputs}{mark}{label}"
            )
        lines.append(f"  return {', '.join(map(_described, self.outputs))}")
        return "\n".join(lines)


def _described(array: Array | None) -> str:
    if array is None:
        return "-"
    sizes = "x".join(map(str, array.layout.shape))
    text = f"%{array.buffer}:{array.layout.dtype}[{sizes}]"
    if not array.layout.contiguous:
        text += f"/{','.join(map(str, array.layout.strides))}"
    return text + (f"+{array.offset}" if array.offset else "")
