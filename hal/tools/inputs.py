"""The values a model is run with: read from files, or drawn so that a seed means the same again."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hal.dtypes import integer_range
from hal.errors import Unsupported, ValueRangeError
from hal.onnx.limits import Limits
from hal.onnx.reading import read_model
from hal.onnx.types import ValueType, value_type

__all__ = [
    "draw_inputs",
    "pairs",
    "read_inputs",
    "read_model_inputs",
    "read_shapes",
    "read_sizes",
    "whole_number",
]


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Return options of the form NAME=VALUE as a dictionary.

    Raises
    ------
    ValueRangeError
        When one has another form.

    Examples
    --------
    >>> from hal.tools.inputs import pairs
    >>> pairs(["x=x.npy", "y=random"], "--input")
    {'x': 'x.npy', 'y': 'random'}
    """
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueRangeError(f"{option} {text!r} must be NAME=VALUE")
        found[name] = value
    return found


def read_inputs(wanted: Sequence[ValueType], given: Sequence[str]) -> dict[str, Any]:
    """Return the values that ``--input`` names.

    Parameters
    ----------
    wanted : sequence of ValueType
        What the model takes.
    given : sequence of str
        ``NAME=FILE.npy``, ``NAME=random``, or ``FILE.npz`` with values by name, of which those are
        taken that are inputs.

    Returns
    -------
    dict
        Arrays by name, without those that are to be drawn.

    Raises
    ------
    ValueRangeError
        When the model has no such input, or a file holds no array.
    """
    found: dict[str, Any] = {}
    for text in given:
        if text.endswith(".npz") and not any(text.startswith(f"{w.name}=") for w in wanted):
            found.update(_archive(text, [w.name for w in wanted]))
        else:
            found.update(pairs([text], "--input"))
    _check_names(wanted, found)
    return {
        name: _array(value) if isinstance(value, str) else value
        for name, value in found.items()
        if not (isinstance(value, str) and value == "random")
    }


def read_sizes(wanted: Sequence[ValueType], given: Sequence[str]) -> dict[str, int]:
    """Return the sizes of named axes that ``--size NAME=N`` gives.

    Raises
    ------
    ValueRangeError
        When the model names no such axis, or the size is no number.
    """
    axes = {n for w in wanted for n in w.shape or () if isinstance(n, str)}
    found = pairs(given, "--size")
    for name, text in found.items():
        if name not in axes or not text.isdigit():
            listed = ", ".join(sorted(axes)) or "none"
            raise ValueRangeError(f"--size {name}={text}: named axes are {listed}, sizes numbers")
    return {name: int(text) for name, text in found.items()}


def read_model_inputs(model: str, given: Sequence[str]) -> dict[str, Any]:
    """Return the values that ``--input`` names, of a model that is only looked at for its inputs.

    Raises
    ------
    ModelError
        When the model cannot be read.
    ValueRangeError
        As :func:`read_inputs`.
    """
    if not given:
        return {}
    proto, _ = read_model(model, Limits())
    return read_inputs([value_type(i) for i in proto.graph.input], given)


def read_shapes(given: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that ``--shape NAME=N,N,...`` gives.

    Raises
    ------
    ValueRangeError
        When one has another form.

    Examples
    --------
    >>> from hal.tools.inputs import read_shapes
    >>> read_shapes(["x=8,3,224,224"])
    {'x': (8, 3, 224, 224)}
    """
    return {
        name: tuple(whole_number(name, part) for part in text.split(",") if part.strip())
        for name, text in pairs(given, "--shape").items()
    }


def whole_number(name: str, text: str) -> int:
    """Return the size of an axis from the command line.

    Raises
    ------
    ValueRangeError
        When it is no whole number.
    """
    if not text.strip().isdecimal():
        raise ValueRangeError(f"{name}={text}: a size is a whole number, not {text!r}")
    return int(text)


def draw_inputs(
    wanted: Sequence[ValueType],
    given: Mapping[str, Any] | None = None,
    sizes: Mapping[str, int] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Return a value for each of a model's inputs: as given, else drawn.

    Floating-point numbers are normal, whole numbers 0 or 1, which fit as indices of tables and as
    lengths.

    Parameters
    ----------
    wanted : sequence of ValueType
        What the model takes.
    given : mapping, optional
        Values by name.
    sizes : mapping, optional
        Sizes of named axes. An axis without one has the size that a given value has there, else 1.
    seed : int
        Of the generator.

    Raises
    ------
    ValueRangeError
        When the model has no input of a given name.
    Unsupported
        When an input cannot be drawn: strings, sequences, unknown shapes.

    Examples
    --------
    >>> import hal
    >>> from hal.onnx import ValueType
    >>> from hal.tools.inputs import draw_inputs
    >>> x = ValueType("x", dtype=hal.float32, shape=("n", 2))
    >>> draw_inputs([x], sizes={"n": 3})["x"].shape
    (3, 2)
    """
    given, known = given or {}, dict(sizes or {})
    _check_names(wanted, given)
    for w in wanted:
        shape = getattr(given.get(w.name), "shape", ())
        for size, axis in zip(shape, w.shape or (), strict=False):
            if isinstance(axis, str):
                known.setdefault(axis, size)
    source = np.random.default_rng(seed)
    return {w.name: given[w.name] if w.name in given else _drawn(w, known, source) for w in wanted}


def _check_names(wanted: Sequence[ValueType], given: Mapping[str, Any]) -> None:
    names = [w.name for w in wanted]
    unknown = [name for name in given if name not in names]
    if unknown:
        known = ", ".join(names) or "none"
        raise ValueRangeError(f"the model has no input {', '.join(unknown)}; it has: {known}")


def _drawn(wanted: ValueType, sizes: Mapping[str, int], source: np.random.Generator) -> Any:
    if wanted.kind == "optional":
        return None
    if wanted.kind != "tensor" or wanted.text or wanted.dtype is None or wanted.shape is None:
        raise Unsupported(f"the input {wanted.name!r} is {wanted}; give it with --input")
    shape = [n if isinstance(n, int) else sizes.get(n or "", 1) for n in wanted.shape]
    dtype = wanted.dtype
    if dtype.kind in ("int", "uint"):
        high = min(2, integer_range(dtype)[1] + 1)
        return source.integers(0, high, shape).astype(dtype.numpy)
    if dtype.kind == "bool":
        return source.integers(0, 2, shape).astype(bool)
    return source.standard_normal(shape).astype(dtype.numpy)


def _array(path: str) -> Any:
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueRangeError(f"{path} is no .npy file: {error}") from None
    if not isinstance(found, np.ndarray):
        raise ValueRangeError(f"{path} holds several arrays; give it without a name: --input FILE")
    return found


def _archive(path: str, names: Sequence[str]) -> dict[str, Any]:
    """Return what an archive holds for inputs; it may hold other values too, as golden runs do."""
    if not Path(path).is_file():
        raise ValueRangeError(f"{path} is no file")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files if name in names}
            held = ", ".join(archive.files) or "nothing"
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
        raise ValueRangeError(f"{path} is no .npz file: {error}") from None
    if not found:
        known = ", ".join(names) or "none"
        raise ValueRangeError(
            f"{path} holds no input of the model, which has {known}; it has {held}"
        )
    return found
