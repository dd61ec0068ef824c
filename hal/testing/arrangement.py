"""Arrangements: ways a tensor can lie in memory, made on the host and on the device alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from hal.device import Device
from hal.dispatch import call
from hal.memory import from_host
from hal.ops import operators
from hal.storage import Value

__all__ = ["ARRANGEMENTS", "Arrangement", "Placed", "place"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Arrangement:
    """One way to lie in memory.

    Attributes
    ----------
    name : str
    base : callable
        ``base(values)`` returns the host array that is uploaded.
    look : callable
        ``look(take)`` where ``take(name, x, **attributes)`` runs a view operator; returns the view.
    fits : callable
        Whether a shape can be arranged so.
    shares : bool
        Whether elements share memory, which changes the values.
    """

    name: str
    base: Callable[[Any], Any]
    look: Callable[[Callable[..., Any], Any, Shape], Any]
    fits: Callable[[Shape], bool] = lambda shape: bool(shape) and 0 not in shape
    shares: bool = False


@dataclass(frozen=True)
class Placed:
    """A tensor under test: on the host, on the device, and the whole memory it is part of."""

    host: Any
    tensor: Value
    base: Value
    base_host: Any


def _slice(take: Any, x: Any, start: Shape, stop: Shape, step: Shape) -> Any:
    return take("slice", x, start=start, stop=stop, step=step)


def _spread(values: Any) -> Any:
    """Return an array that holds the values at every second place of the last axis, from 1."""
    shape = (*values.shape[:-1], 2 * values.shape[-1] + 1)
    found = np.resize(values.reshape(-1)[::-1], shape)
    found[..., 1::2] = values
    return found


def _look_spread(take: Any, x: Any, shape: Shape) -> Any:
    lead = len(shape) - 1
    return _slice(
        take, x, (*(0,) * lead, 1), (*shape[:-1], 2 * shape[-1] + 1), (*(1,) * lead, 2)
    )  # fmt: skip


def _reverse_all(take: Any, x: Any, shape: Shape) -> Any:
    count = len(shape)
    return _slice(take, x, tuple(n - 1 for n in shape), (-1,) * count, (-1,) * count)


def _reverse_first(take: Any, x: Any, shape: Shape) -> Any:
    return _slice(
        take, x, (shape[0] - 1, *(0,) * (len(shape) - 1)), (-1, *shape[1:]),
        (-1, *(1,) * (len(shape) - 1)),
    )  # fmt: skip


def _within(values: Any) -> Any:
    """Return an array of two more rows, the values between them."""
    return np.concatenate([values[-1:], values, values[:1]])


def _look_within(take: Any, x: Any, shape: Shape) -> Any:
    rest = len(shape) - 1
    return _slice(
        take, x, (1, *(0,) * rest), (shape[0] + 1, *shape[1:]), (1,) * len(shape)
    )  # fmt: skip


def _windowed(values: Any) -> Any:
    """Return rows, of which each tensor along the first axis begins one element after another."""
    flat = values.reshape(-1)
    return flat[: values.shape[0] + values.size // values.shape[0] - 1].copy()


def _look_windowed(take: Any, x: Any, shape: Shape) -> Any:
    inner = int(np.prod(shape[1:]))
    windows = take("as_windows", x, axes=(0,), sizes=(inner,), steps=(1,), dilations=(1,))
    return take("reshape", windows, shape=shape)


def _several(shape: Shape) -> bool:
    return len(shape) >= 2 and shape[0] > 1 and 0 not in shape


ARRANGEMENTS: tuple[Arrangement, ...] = (
    Arrangement("offset", _within, _look_within),
    Arrangement("strided", _spread, _look_spread),
    Arrangement("reversed", lambda v: v[(slice(None, None, -1),) * v.ndim], _reverse_all),
    Arrangement("first axis reversed", lambda v: v[::-1], _reverse_first, _several),
    Arrangement(
        "transposed",
        lambda v: v.T,
        lambda take, x, shape: take("permute", x, axes=tuple(range(len(shape)))[::-1]),
        _several,
    ),
    Arrangement(
        "repeated",
        lambda v: v[:1],
        lambda take, x, shape: take("broadcast_to", x, shape=shape),
        _several,
        shares=True,
    ),
    Arrangement("overlapping", _windowed, _look_windowed, _several, shares=True),
)


def place(values: Any, device: Device, arrangement: Arrangement | None) -> Placed:
    """Put values on a device, packed or arranged.

    Arrangements in which elements share memory change the values to what memory then holds; use
    :attr:`Placed.host`.
    """
    if arrangement is None or not arrangement.fits(values.shape):
        tensor = from_host(values, device)
        return Placed(values, tensor, tensor, values)
    base_host = np.ascontiguousarray(arrangement.base(values))
    base = from_host(base_host, device)
    shape = values.shape

    def on_host(name: str, x: Any, **attributes: Any) -> Any:
        return operators[name].reference(x, **attributes)

    def on_device(name: str, x: Any, **attributes: Any) -> Any:
        return call(operators[name], x, **attributes)

    host = arrangement.look(on_host, base_host, shape)
    return Placed(host, arrangement.look(on_device, base, shape), base, base_host)
