"""Collectives between GPUs, through NCCL."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from hal import dtypes
from hal.dtypes import DType
from hal.errors import DeviceError, Unsupported
from hal.plugin import Communicator
from hal_cuda.errors import translated

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["NcclCommunicator", "element", "identity", "join"]

_INSTALL = "NCCL is not installed; pip install 'hal-cuda[cu13]' (or 'hal-cuda[cu12]')"
_NAMES = {
    dtypes.int8: "Int8",
    dtypes.uint8: "Uint8",
    dtypes.bool: "Uint8",
    dtypes.int32: "Int32",
    dtypes.uint32: "Uint32",
    dtypes.int64: "Int64",
    dtypes.uint64: "Uint64",
    dtypes.float16: "Float16",
    dtypes.bfloat16: "Bfloat16",
    dtypes.float32: "Float32",
    dtypes.float64: "Float64",
}


def element(dtype: DType, reduction: str | None) -> tuple[str, int]:
    """Return NCCL's type for a dtype, and how many of its elements make one.

    Without a reduction bytes are moved, so every dtype can be.

    Examples
    --------
    >>> import hal
    >>> element(hal.complex64, "sum"), element(hal.float8_e5m2, None)
    (('Float32', 2), ('Uint8', 1))
    """
    if reduction is None:
        return "Uint8", dtype.itemsize
    if dtype.kind == "complex" and reduction == "sum":
        return ("Float32" if dtype is dtypes.complex64 else "Float64"), 2
    if dtype not in _NAMES or (dtype is dtypes.bool and reduction in ("sum", "prod")):
        listed = ", ".join(d.name for d in _NAMES)
        raise Unsupported(
            f"NCCL does not combine {dtype} by {reduction}; convert to one of: {listed}"
        )
    return _NAMES[dtype], 1


def identity() -> bytes:
    """Return a new identity of a group."""
    try:
        from nccl.core import get_unique_id
    except ImportError as error:
        raise Unsupported(f"{_INSTALL}: {error}") from None
    return bytes(get_unique_id())


def join(driver: Driver, group: bytes, rank: int, size: int) -> NcclCommunicator:
    """Return a device's end of a group; waits for the others."""
    try:
        from nccl.bindings import nccl as api
        from nccl.core import Communicator as Core
        from nccl.core import UniqueId
    except ImportError as error:
        raise Unsupported(f"{_INSTALL}: {error}") from None
    driver.use()
    try:
        core = Core.init(size, rank, UniqueId.from_bytes(group))
    except Exception as error:
        raise translated(error, "the group of devices could not be made") from error
    return NcclCommunicator(driver, api, core, rank, size)


class NcclCommunicator(Communicator):
    """One GPU's end of a group.

    Parameters
    ----------
    driver : Driver
    api : module
        ``nccl.bindings.nccl``.
    core : object
        A communicator of ``nccl.core``.
    rank, size : int
    """

    def __init__(self, driver: Driver, api: Any, core: Any, rank: int, size: int) -> None:
        self._driver = driver
        self._api = api
        self._core = core
        self.rank = rank
        self.size = size

    def all_reduce(self, output: Any, input: Any, reduction: str, stream: Any) -> None:
        """Combine every device's input into every device's output."""
        kind, count = self._elements(input, reduction)
        self._call(
            "all_reduce", stream, input.pointer, output.pointer, count, kind, self._op(reduction)
        )

    def all_gather(self, output: Any, input: Any, stream: Any) -> None:
        """Lay every device's input behind one another."""
        kind, count = self._elements(input, None)
        self._call("all_gather", stream, input.pointer, output.pointer, count, kind)

    def reduce_scatter(self, output: Any, input: Any, reduction: str, stream: Any) -> None:
        """Combine the inputs and give each device its part."""
        kind, count = self._elements(output, reduction)
        self._call(
            "reduce_scatter", stream, input.pointer, output.pointer, count, kind,
            self._op(reduction),
        )  # fmt: skip

    def broadcast(self, array: Any, root: int, stream: Any) -> None:
        """Copy one device's array into the others'."""
        kind, count = self._elements(array, None)
        self._call("broadcast", stream, array.pointer, array.pointer, count, kind, root)

    def send(self, array: Any, to: int, stream: Any) -> None:
        """Send an array."""
        kind, count = self._elements(array, None)
        self._call("send", stream, array.pointer, count, kind, to)

    def receive(self, array: Any, source: int, stream: Any) -> None:
        """Receive an array."""
        kind, count = self._elements(array, None)
        self._call("recv", stream, array.pointer, count, kind, source)

    def close(self) -> None:
        """Leave the group."""
        if self._core is not None:
            core, self._core = self._core, None
            self._driver.use()
            core.destroy()

    def _elements(self, array: Any, reduction: str | None) -> tuple[int, int]:
        name, times = element(array.dtype, reduction)
        return int(getattr(self._api.DataType, name)), prod(array.shape) * times

    def _op(self, reduction: str) -> int:
        return int(getattr(self._api.RedOp, reduction.capitalize()))

    def _call(self, name: str, stream: Any, *arguments: int) -> None:
        if self._core is None:
            raise DeviceError("the device has left this group; make a new communicator")
        self._driver.use()
        try:
            getattr(self._api, name)(*arguments, self._core.ptr, int(stream.handle))
        except Exception as error:
            raise translated(error, f"NCCL refused {name}") from error
