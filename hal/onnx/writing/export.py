"""``hal.onnx.export``: a function or a program as an ONNX model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hal.errors import DTypeError, Unsupported, ValueRangeError
from hal.onnx.writing.buffers import Buffers
from hal.onnx.writing.evaluator import Exporter
from hal.onnx.writing.writer import Value, Writer
from hal.plugin import Call, Program
from hal.program import Compiled, compile

__all__ = ["export", "to_model"]


def export(
    function: Callable[..., Any] | Program,
    inputs: Sequence[Any] = (),
    path: Any = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Any:
    """Write a function or a program as an ONNX model of opset 20.

    The function is traced for the example inputs, as :func:`hal.compile` does it, so the model is
    for their shapes and dtypes. Tensors that it uses but does not get as arguments are its
    weights. An operator that ONNX lacks is written as its decomposition; what writes into memory
    becomes new tensors.

    Parameters
    ----------
    function : callable or Program
        Takes and returns tensors, alone or in tuples, lists and dictionaries; may be compiled
        already.
    inputs : sequence
        The example arguments; none for a program.
    path : str or os.PathLike, optional
        Where to write the model.
    input_names, output_names : sequence of str, optional
        What inputs and outputs are called; ``input_0`` and so on when left out.

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    Unsupported
        When ONNX has neither an operator nor what it decomposes into. Names the operator.
    ValueRangeError
        When there are too few or too many names, or the file cannot be written.

    Examples
    --------
    >>> import hal, hal.onnx
    >>> weight = hal.ones((3, 2))
    >>> model = hal.onnx.export(lambda x: hal.nn.relu(x @ weight), [hal.ones((4, 3))])
    >>> [node.op_type for node in model.graph.node]
    ['MatMul', 'Relu', 'Identity']
    >>> hal.onnx.load(model)(input_0=hal.ones((4, 3)))["output_0"].shape
    (4, 2)
    """
    if isinstance(function, Program):
        program = function
    elif callable(function):
        compiled: Any = function if isinstance(function, Compiled) else compile(function)
        program = compiled.program(*inputs)
    else:
        raise DTypeError(
            f"hal.onnx.export takes a function or a program, not {type(function).__name__}"
        )
    model = to_model(program, input_names, output_names)
    if path is not None:
        try:
            Path(path).write_bytes(model.SerializeToString())
        except OSError as error:
            raise ValueRangeError(f"{path} cannot be written: {error.strerror}") from None
    return model


def to_model(
    program: Program,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Any:
    """Return a program as an ``onnx.ModelProto``; see :func:`export`."""
    writer = Writer()
    exporter = Exporter(writer)
    buffers = Buffers(program, exporter)
    names_in = _names(input_names, "input", len(program.inputs))
    names_out = _names(output_names, "output", len(program.outputs))
    twice = sorted(set(names_in).intersection(names_out))
    if twice:
        raise ValueRangeError(f"{twice} name an input and an output; names must differ")
    writer.reserve([*names_in, *names_out])
    inputs = []
    for name, array in zip(names_in, program.inputs, strict=True):
        value = Value(array.layout.dtype, array.layout.shape, name)
        inputs.append(value)
        buffers.argument(array, value)
    for call in program.calls:
        writer.label = call.label
        try:
            _write(call, buffers, exporter)
        except Unsupported as error:
            where = f" ({call.label})" if call.label else ""
            raise Unsupported(f"{program.name}: {call.op.name}{where}: {error}") from error
    writer.label = ""
    outputs = [(n, buffers.read(x)) for n, x in zip(names_out, program.outputs, strict=True)]
    return writer.model(program.name, inputs, outputs)


def _write(call: Call, buffers: Buffers, exporter: Exporter) -> None:
    inputs = [None if x is None else buffers.read(x) for x in call.inputs]
    if call.op.name == "copy" and call.outputs[0].layout.shape == inputs[0].shape:  # type: ignore[union-attr]
        buffers.write(call.outputs[0], inputs[0])  # type: ignore[arg-type]
        return
    found = exporter.call(call.op, *inputs, **call.attributes)
    made = found if isinstance(found, tuple) else (found,)
    for array, value in zip(call.outputs, made, strict=True):
        if call.view:
            buffers.look(array, value)
        else:
            buffers.write(array, value)


def _names(given: Sequence[str] | None, stem: str, count: int) -> list[str]:
    if given is None:
        return [f"{stem}_{n}" for n in range(count)]
    names = list(given)
    if len(names) != count or len(set(names)) != count or not all(names):
        raise ValueRangeError(
            f"{len(names)} names {names} are given for {count} {stem}s; each needs one of its own"
        )
    return names
