"""The shapes a model is checked with: what it declares, completed by what the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hal.errors import ShapeError, Unsupported, ValueRangeError
from hal.onnx.types import ValueType, checked
from hal.plugin import Layout

__all__ = ["input_layouts"]


def input_layouts(
    wanted: Sequence[ValueType],
    *,
    batch: int | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    sizes: Mapping[str, int] | None = None,
    values: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return each input's layout, or its value where one is given, by name.

    Parameters
    ----------
    wanted : sequence of ValueType
        What the model takes.
    batch : int, optional
        The size of the first axis of every input that leaves it open.
    shapes : mapping, optional
        Whole shapes by input.
    sizes : mapping, optional
        Sizes by the name of an axis.
    values : mapping, optional
        NumPy arrays by input, for those whose values decide shapes.

    Raises
    ------
    ShapeError
        When an axis has no size, or a size contradicts the model. Names what is free.
    ValueRangeError
        When a name is not the model's.
    Unsupported
        When an input is no tensor and no value is given.

    Examples
    --------
    >>> import hal
    >>> from hal.onnx import ValueType
    >>> x = ValueType("x", dtype=hal.float32, shape=("n", 3))
    >>> input_layouts([x], batch=8)["x"].shape
    (8, 3)
    """
    shapes, sizes, values = dict(shapes or {}), dict(sizes or {}), dict(values or {})
    _check_names(wanted, batch, shapes, sizes, values)
    known = dict(sizes)
    for given in wanted:
        for axis, size in zip(given.shape or (), shapes.get(given.name, ()), strict=False):
            if isinstance(axis, str):
                known.setdefault(axis, size)
        if given.shape and batch is not None and isinstance(given.shape[0], str):
            known.setdefault(given.shape[0], batch)
    found: dict[str, Any] = {}
    free: list[str] = []
    for given in wanted:
        if given.name in values:
            found[given.name] = checked(values[given.name], given, known)
        elif given.kind == "optional":
            found[given.name] = None
        elif given.kind != "tensor" or (given.dtype is None and not given.text):
            raise Unsupported(
                f"the input {given.name!r} is {given}, which has no shape to check with; give its "
                f"value with --input {given.name}=FILE.npy"
            )
        else:
            shape = _shape(given, batch, shapes, known, free)
            text = np.full(shape, "", object) if given.text and not free else None
            found[given.name] = Layout(given.dtype, shape) if given.dtype is not None else text
    if free:
        raise ShapeError(
            f"the model leaves open: {'; '.join(free)}. Say the sizes with "
            "--shape INPUT=N,N,..., --size AXIS=N, or --batch N for a first axis"
        )
    return found


def _check_names(
    wanted: Sequence[ValueType],
    batch: int | None,
    shapes: Mapping[str, Sequence[int]],
    sizes: Mapping[str, int],
    values: Mapping[str, Any],
) -> None:
    names = {t.name for t in wanted}
    for name in (*shapes, *values):
        if name not in names:
            listed = ", ".join(t.name for t in wanted) or "none"
            raise ValueRangeError(f"the model has no input {name!r}; it has: {listed}")
    axes = {n for t in wanted for n in t.shape or () if isinstance(n, str)}
    for name in sizes:
        if name not in axes:
            listed = ", ".join(sorted(axes)) or "none"
            raise ValueRangeError(f"no axis of the model is named {name!r}; there are: {listed}")
    every = [n for shape in shapes.values() for n in shape]
    for size in (*every, *sizes.values(), *([] if batch is None else [batch])):
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise ShapeError(f"a size is {size!r}; it must be an integer of 0 or more")


def _shape(
    given: ValueType,
    batch: int | None,
    shapes: Mapping[str, Sequence[int]],
    known: Mapping[str, int],
    free: list[str],
) -> tuple[int, ...]:
    """Return an input's shape; note the axes that have no size."""
    said = shapes.get(given.name)
    if given.shape is None:
        if said is None:
            free.append(f"the shape of {given.name}")
        return tuple(said or ())
    if said is not None and len(said) != len(given.shape):
        raise ShapeError(f"the shape {tuple(said)} does not fit {given.name!r}, which is {given}")
    found = []
    for position, axis in enumerate(given.shape):
        size = axis if isinstance(axis, int) else known.get(axis or "")
        if said is not None:
            if size is not None and size != said[position]:
                raise ShapeError(
                    f"the shape {tuple(said)} does not fit {given.name!r}, which is {given} with "
                    f"{size} as the size of axis {position}"
                )
            size = said[position]
        elif position == 0 and batch is not None:
            if isinstance(axis, int) and axis != batch:
                raise ShapeError(
                    f"the batch is {batch}, but {given.name!r} is {given}: the model fixes its "
                    "first axis; export it with an open one, or leave --batch out"
                )
            size = batch if size is None else size
        if size is None:
            free.append(f"axis {position}{f' ({axis})' if axis else ''} of {given.name}: {given}")
        found.append(0 if size is None else size)
    return tuple(found)
