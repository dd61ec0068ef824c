"""Collectives between devices, through HCCL."""

from __future__ import annotations

import ctypes
from math import prod
from typing import Any

from hal import dtypes
from hal.errors import DeviceError, Unsupported, ValueRangeError
from hal.plugin import REDUCTIONS as NAMES
from hal.plugin import Communicator
from hal_ascend.arrays import Array
from hal_ascend.codes import HCCL_TYPES, REDUCTIONS
from hal_ascend.library import Cann

__all__ = ["HcclCommunicator", "new_identity"]

ROOT_INFO_BYTES = 4108
"""The size of ``HcclRootInfo``, which is the identity of a group."""


def _check(cann: Cann, code: int, function: str) -> None:
    if code:
        said = cann.collectives.HcclGetErrorString(code)
        text = cann.aclGetRecentErrMsg()
        raise DeviceError(
            f"{function} failed: {said.decode() if said else 'an error'}",
            code=code,
            text=text.decode(errors="replace").strip() if text else None,
        )


def new_identity(cann: Cann) -> bytes:
    """Return the identity of a new group; the thread must have a context."""
    root = ctypes.create_string_buffer(ROOT_INFO_BYTES)
    _check(cann, cann.collectives.HcclGetRootInfo(ctypes.addressof(root)), "HcclGetRootInfo")
    return root.raw


class HcclCommunicator(Communicator):
    """One device's end of a group.

    Parameters
    ----------
    runtime : AscendRuntime
    identity : bytes
    rank, size : int
    """

    def __init__(self, runtime: Any, identity: bytes, rank: int, size: int) -> None:
        if len(identity) != ROOT_INFO_BYTES:
            raise ValueRangeError(
                f"the identity of a group has {ROOT_INFO_BYTES} bytes, not {len(identity)}; use "
                "what communicator_identity() returned"
            )
        if not 0 <= rank < size:
            raise ValueRangeError(f"the rank is {rank}; in a group of {size} it is 0 to {size - 1}")
        self.rank = rank
        self.size = size
        self._runtime = runtime
        self._cann: Cann = runtime.cann
        self._functions = self._cann.collectives
        self._handle: int | None = None
        runtime.enter()
        handle = ctypes.c_void_p()
        root = ctypes.create_string_buffer(identity, ROOT_INFO_BYTES)
        code = self._functions.HcclCommInitRootInfo(
            size, ctypes.addressof(root), rank, ctypes.byref(handle)
        )
        _check(self._cann, code, "HcclCommInitRootInfo")
        self._handle = handle.value

    def all_reduce(self, output: Any, input: Any, reduction: str, stream: Any) -> None:
        """Combine every device's input into every device's output."""
        code = self._functions.HcclAllReduce(
            input.address, output.address, prod(input.shape), _type(input),
            _reduction(reduction, input), self._entered(), stream.handle,
        )  # fmt: skip
        _check(self._cann, code, "HcclAllReduce")

    def all_gather(self, output: Any, input: Any, stream: Any) -> None:
        """Lay every device's input behind one another in every device's output."""
        code = self._functions.HcclAllGather(
            input.address, output.address, prod(input.shape), _type(input), self._entered(),
            stream.handle,
        )  # fmt: skip
        _check(self._cann, code, "HcclAllGather")

    def reduce_scatter(self, output: Any, input: Any, reduction: str, stream: Any) -> None:
        """Combine the inputs and give each device the part of its rank."""
        code = self._functions.HcclReduceScatter(
            input.address, output.address, prod(output.shape), _type(input),
            _reduction(reduction, input), self._entered(), stream.handle,
        )  # fmt: skip
        _check(self._cann, code, "HcclReduceScatter")

    def broadcast(self, array: Any, root: int, stream: Any) -> None:
        """Copy the array of device ``root`` into that of every other."""
        code = self._functions.HcclBroadcast(
            array.address, prod(array.shape), _type(array), self._peer(root), self._entered(),
            stream.handle,
        )  # fmt: skip
        _check(self._cann, code, "HcclBroadcast")

    def send(self, array: Any, to: int, stream: Any) -> None:
        """Send an array to a device that receives it."""
        code = self._functions.HcclSend(
            array.address, prod(array.shape), _type(array), self._peer(to), self._entered(),
            stream.handle,
        )  # fmt: skip
        _check(self._cann, code, "HcclSend")

    def receive(self, array: Any, source: int, stream: Any) -> None:
        """Receive into an array what another device sends."""
        code = self._functions.HcclRecv(
            array.address, prod(array.shape), _type(array), self._peer(source), self._entered(),
            stream.handle,
        )  # fmt: skip
        _check(self._cann, code, "HcclRecv")

    def close(self) -> None:
        """Leave the group."""
        handle, self._handle = self._handle, None
        if handle is not None:
            self._runtime.enter()
            _check(self._cann, self._functions.HcclCommDestroy(handle), "HcclCommDestroy")

    def _entered(self) -> int:
        if self._handle is None:
            raise DeviceError("the communicator was closed; make a new one")
        self._runtime.enter()
        return self._handle

    def _peer(self, rank: int) -> int:
        if not 0 <= rank < self.size:
            raise ValueRangeError(f"there is no device {rank} in a group of {self.size}")
        return rank


def _type(array: Array) -> int:
    dtype = dtypes.uint8 if array.dtype is dtypes.bool else array.dtype
    if dtype not in HCCL_TYPES:
        listed = ", ".join(d.name for d in HCCL_TYPES)
        raise Unsupported(f"collectives do not take {dtype}; convert to one of: {listed}")
    return HCCL_TYPES[dtype]


def _reduction(name: str, array: Array) -> int:
    if name not in NAMES:
        raise ValueRangeError(f"the reduction {name!r} is unknown; use one of {NAMES}")
    if array.dtype is dtypes.bool:
        raise Unsupported("collectives do not combine bool; convert to int8 first")
    return REDUCTIONS[name]
