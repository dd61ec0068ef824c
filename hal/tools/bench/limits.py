"""What a device can do at most: products and bytes a second, measured through public functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import hal
from hal.device import Device
from hal.dtypes import DType
from hal.stream import Event

__all__ = ["Limits", "measure_limits"]

_LONG = 0.02
_SIZES = (256, 512, 1024, 2048, 4096, 8192)
_BYTES = tuple(1 << n for n in range(22, 31))
_REPEAT = 3


@dataclass(frozen=True)
class Limits:
    """What was measured on a device.

    Attributes
    ----------
    bandwidth : float
        Bytes per second between memory and what calculates: the better of a copy and a sum.
    matrix : mapping of DType to float
        Operations per second of the best large product, by dtype of its inputs.
    """

    bandwidth: float
    matrix: Mapping[DType, float]


def measure_limits(device: Device, dtypes: Iterable[DType] = ()) -> Limits:
    """Measure a device in a second or so: memory bandwidth, and products of the given dtypes.

    Each is the best of growing sizes, until one takes 20 ms or a sixteenth of the memory. Products
    are as exact as :func:`hal.precision` says.

    Parameters
    ----------
    device : Device
    dtypes : iterable of DType

    Examples
    --------
    >>> import hal
    >>> from hal.tools.bench import measure_limits
    >>> limits = measure_limits(hal.device("cpu:0"), [hal.float32])
    >>> limits.bandwidth > 0, limits.matrix[hal.float32] > 0
    (True, True)
    """
    return Limits(_bandwidth(device), {dtype: _products(device, dtype) for dtype in set(dtypes)})


def _bandwidth(device: Device) -> float:
    @hal.compile
    def scaled(x: Any) -> Any:
        return x * 0.5 + x

    best = 0.0
    for nbytes in _BYTES:
        if best and nbytes > device.info.memory // 16:
            break
        x = hal.ones(nbytes // 4, dtype=hal.float32, device=device)
        copied = _seconds(device, lambda x=x: hal.asarray(x, copy=True))  # type: ignore[misc]
        summed = _seconds(device, lambda x=x: scaled(x))  # type: ignore[misc]
        best = max(best, 2 * nbytes / copied, 2 * nbytes / summed)
        if copied > _LONG:
            break
    return best


def _products(device: Device, dtype: DType) -> float:
    best = 0.0
    for n in _SIZES:
        if best and 3 * n * n * dtype.itemsize > device.info.memory // 16:
            break
        x = hal.ones((n, n), dtype=dtype, device=device)
        took = _seconds(device, lambda x=x: x @ x)  # type: ignore[misc]
        # A complex product is eight real operations where a real one is two.
        best = max(best, (8 if dtype.kind == "complex" else 2) * n**3 / took)
        if took > _LONG:
            break
    return best


def _seconds(device: Device, run: Callable[[], Any]) -> float:
    """Return the least time of a few runs by the device's own clock, after one that plans."""
    run()
    device.synchronize()
    found = []
    for _ in range(_REPEAT):
        start, end = Event(device), Event(device)
        start.record()
        result = run()
        end.record()
        found.append(start.elapsed_time(end) / 1e3)
        del result
    return max(min(found), 1e-9)
