"""Fourier transforms by cuFFT: plans, made once for a size and arrangement, and their execution."""

from __future__ import annotations

import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

from hal import dtypes
from hal.dtypes import DType
from hal.errors import HalWarning
from hal_cuda.errors import translated
from hal_cuda.starting import started

__all__ = ["Cufft", "Plan", "Rows", "Transform", "load"]

_FORWARD, _INVERSE = -1, 1
# The library's names, by what is read and what is written.
_KINDS = {
    (dtypes.complex64, dtypes.complex64): "C2C",
    (dtypes.float32, dtypes.complex64): "R2C",
    (dtypes.complex64, dtypes.float32): "C2R",
    (dtypes.complex128, dtypes.complex128): "Z2Z",
    (dtypes.float64, dtypes.complex128): "D2Z",
    (dtypes.complex128, dtypes.float64): "Z2D",
}


class Rows(NamedTuple):
    """Where the numbers that are transformed together lie, in elements.

    Attributes
    ----------
    size : int
        How many there are.
    stride : int
        The distance of one from the next.
    distance : int
        The distance of one transform's first from the next one's.
    """

    size: int
    stride: int
    distance: int


class Transform(NamedTuple):
    """A batch of transforms along one axis, without a factor.

    Attributes
    ----------
    read, written : DType
        Complex for the spectrum, real for what is known to be real.
    size : int
        Of the transform; a spectrum of real numbers has ``size // 2 + 1``.
    source, target : Rows
    batch : int
    """

    read: DType
    written: DType
    size: int
    source: Rows
    target: Rows
    batch: int

    @property
    def kind(self) -> str:
        """The library's name for what is read and written."""
        return _KINDS[self.read, self.written]


class Cufft:
    """The library on one device.

    Parameters
    ----------
    api : module
        ``nvmath.bindings.cufft``; tests give their own.
    """

    def __init__(self, api: Any) -> None:
        self.api = api
        self.version = api.get_version()
        self._plans: weakref.WeakValueDictionary[Transform, Plan] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def plan(self, transform: Transform, use: Callable[[], None]) -> Plan:
        """Return the plan of a transform, made at its first use.

        ``use()`` makes the device the calling thread's, whichever thread destroys the plan.
        """
        with self._lock:
            found = self._plans.get(transform)
            if found is None:
                found = self._plans[transform] = Plan(self.api, transform, use)
            return found


class Plan:
    """A plan of the library's, whose scratch memory is given at each call.

    Attributes
    ----------
    workspace : int
        Bytes of scratch memory that a call needs.
    """

    def __init__(self, api: Any, transform: Transform, use: Callable[[], None]) -> None:
        self._api = api
        self._name = transform.kind.lower()
        self._directed = transform.kind in ("C2C", "Z2Z")
        self._lock = threading.Lock()  # Stream and scratch memory belong to the plan.
        source, target = transform.source, transform.target
        try:
            self._handle = api.create()
            finalizer = weakref.finalize(self, _destroy, api, use, self._handle)
            finalizer.atexit = False  # The driver may be gone by then.
            api.set_auto_allocation(self._handle, 0)
            self.workspace = int(
                api.make_plan_many64(
                    self._handle, 1, [transform.size],
                    [source.size], source.stride, source.distance,
                    [target.size], target.stride, target.distance,
                    int(getattr(api.Type, transform.kind)), transform.batch,
                )
            )  # fmt: skip
        except Exception as error:
            raise translated(error, "cuFFT could not plan a transform") from error

    def start(self, stream: Any, workspace: int, out: int, given: int, inverse: bool) -> None:
        """Enqueue the transform. What is read may be overwritten where real numbers come of it."""
        direction = [_INVERSE if inverse else _FORWARD] if self._directed else []
        try:
            with self._lock:
                self._api.set_stream(self._handle, int(stream.handle))
                if self.workspace:
                    self._api.set_work_area(self._handle, workspace)
                getattr(self._api, f"exec_{self._name}")(self._handle, given, out, *direction)
        except Exception as error:
            raise translated(error, "cuFFT refused a transform") from error


def _destroy(api: Any, use: Callable[[], None], handle: int) -> None:
    try:
        use()
        api.destroy(handle)
    # A finaliser has nobody to raise to; on a lost device, say, the plan is gone anyway.
    except Exception as error:
        warnings.warn(f"cuFFT could not destroy a plan: {error}", HalWarning, stacklevel=2)


def load() -> Cufft | None:
    """Return the library on the calling thread's device, or None where it is not installed."""
    try:
        from nvmath.bindings import cufft
    except ImportError:
        return None
    return started("cuFFT", "the host transforms", lambda: Cufft(cufft))
