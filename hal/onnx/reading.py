"""Reads and checks a model: a path, bytes, or a ModelProto."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from hal.errors import DTypeError, HalError, ModelError
from hal.onnx.limits import Limits
from hal.onnx.package import onnx_package
from hal.onnx.stored import BytesSource, FileSource, Source
from hal.onnx.tensors import tensor_bytes
from hal.onnx.wire import Malformed, Run, split_weights

__all__ = ["check_model", "damage", "open_model", "read_model", "without_weights"]


@contextmanager
def damage() -> Iterator[None]:
    """Turn what damaged data trips in the packages that read it into an error of hal's.

    Strings that are no UTF-8, for example, are found only where they are used.
    """
    try:
        yield
    except HalError:
        raise
    except Exception as error:
        raise ModelError(f"the model is damaged: {type(error).__name__}: {error}") from error


def read_model(source: Any, limits: Limits) -> tuple[Any, Path | None]:
    """Return the ModelProto of a source, and the folder of its external data.

    Parameters
    ----------
    source : str, os.PathLike, bytes or onnx.ModelProto
    limits : Limits

    Raises
    ------
    ModelError
        When the file is too large, damaged, or no model.
    DTypeError
        When the source is something else.
    """
    onnx = onnx_package()
    if isinstance(source, onnx.ModelProto):
        return source, None
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        return _parsed(onnx, _contents(path, limits), f"{path.name}"), path.parent
    if isinstance(source, bytes | bytearray | memoryview):
        limits.check("model_bytes", len(source), "the size of the model in bytes")
        return _parsed(onnx, bytes(source), "the model"), None
    raise DTypeError(f"a model is a path, bytes or an onnx.ModelProto, not {type(source).__name__}")


def open_model(
    source: Any, limits: Limits
) -> tuple[Any, Path | None, dict[int, tuple[Source, Run]]]:
    """Return a model as :func:`read_model` does, without the data of its large weights.

    Of a file or of bytes the data stays where it is: the third result says where, by the position
    of each initializer in the main graph. A ModelProto is returned whole.

    Raises
    ------
    ModelError, DTypeError
        As :func:`read_model`.
    """
    onnx = onnx_package()
    opened: tuple[BinaryIO, int, Source, str] | None = None
    if isinstance(source, str | os.PathLike):
        opened = _opened(Path(source), limits)
    elif isinstance(source, bytes | bytearray | memoryview):
        limits.check("model_bytes", len(source), "the size of the model in bytes")
        source = bytes(source)
        opened = BytesIO(source), len(source), BytesSource(source), "the model"
    if opened is None:
        return *read_model(source, limits), {}
    file, nbytes, kept, what = opened
    try:
        slim, runs = split_weights(file, nbytes)
    except Malformed:  # It is no model, or one that only the whole parser understands.
        return *read_model(source, limits), {}
    finally:
        file.close()
    folder = None if isinstance(source, bytes) else Path(source).parent
    return _parsed(onnx, slim, what), folder, {n: (kept, run) for n, run in runs.items()}


def _opened(path: Path, limits: Limits) -> tuple[BinaryIO, int, Source, str]:
    try:
        if not path.is_file():
            raise ModelError(f"{path} is no file; give the path of an .onnx file")
        descriptor = os.open(path, os.O_RDONLY)
        kept = FileSource(descriptor, path.name)
        nbytes = os.fstat(descriptor).st_size
        limits.check("model_bytes", nbytes, f"the size of {path.name} in bytes")
        return open(descriptor, "rb", closefd=False), nbytes, kept, path.name
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def _contents(path: Path, limits: Limits) -> bytes:
    try:
        if not path.is_file():
            raise ModelError(f"{path} is no file; give the path of an .onnx file")
        limits.check("model_bytes", path.stat().st_size, f"the size of {path.name} in bytes")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error}") from None


def _parsed(onnx: Any, contents: bytes, what: str) -> Any:
    decode_error = import_module("google.protobuf.message").DecodeError
    model = onnx.ModelProto()
    try:
        model.ParseFromString(contents)
    except (decode_error, RuntimeError) as error:
        raise ModelError(
            f"{what} is no ONNX model, or a truncated or damaged one: {error}"
        ) from None
    if not model.HasField("graph"):
        raise ModelError(f"{what} holds no graph: it is no ONNX model, or a truncated one")
    return model


def check_model(model: Any) -> None:
    """Check a model with the checker of the onnx package; large weights are left out of it.

    Raises
    ------
    ModelError
        With the checker's own text.
    """
    onnx = onnx_package()
    slim = without_weights(model)
    try:
        onnx.checker.check_model(slim)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        text = str(error).strip().split("\n\n==> Context")[0]
        raise ModelError(f"the onnx checker refuses the model: {text}") from None


def without_weights(model: Any) -> Any:
    """Return a copy whose large initializers are inputs, so that no weight is copied."""
    onnx = onnx_package()
    slim = onnx.ModelProto()
    for field, value in model.ListFields():
        if field.name != "graph":
            _copy_field(slim, field, value)
    for field, value in model.graph.ListFields():
        if field.name not in ("initializer", "sparse_initializer"):
            _copy_field(slim.graph, field, value)
    inputs = {i.name for i in slim.graph.input}
    for tensor in model.graph.initializer:
        if tensor_bytes(tensor) <= 1024 and tensor.data_location != 1:
            slim.graph.initializer.append(tensor)
        elif tensor.name not in inputs:
            info = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            slim.graph.input.append(info)
    slim.graph.sparse_initializer.extend(model.graph.sparse_initializer)
    return slim


def _copy_field(target: Any, field: Any, value: Any) -> None:
    place = getattr(target, field.name)
    if hasattr(place, "extend"):
        place.extend(value)
    elif hasattr(place, "CopyFrom"):
        place.CopyFrom(value)
    else:
        setattr(target, field.name, value)
