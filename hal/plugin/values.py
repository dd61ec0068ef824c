"""What passes between hal and a backend: descriptions of devices, signatures, kernels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hal.dtypes import COMPUTE, DType
from hal.plugin.layout import Layout

__all__ = ["DeviceInfo", "Devices", "HostEvent", "Kernel", "MemoryStats", "Shared", "Signature"]


@dataclass(frozen=True)
class DeviceInfo:
    """What a backend says about one device before it is opened.

    Attributes
    ----------
    index : int
        Position among the backend's devices, from 0.
    description : str
        The product's name, for example ``"Accelerator X100"``.
    architecture : str
        What kernels are built for, for example ``"x86_64"``.
    memory : int
        Total memory in bytes.
    dtypes : tuple of DType
        The dtypes tensors on this device can have.
    links : mapping of str to str
        Other devices by name and how they are connected.
    properties : mapping of str to object
        Whatever else is worth showing (clocks, versions, number of cores).
    emulated : str
        What is emulated or stood in for, such as ``"stand-in for X"``; empty for the real thing.
    dlpack : tuple of int or None
        DLPack's device type and number for this device's memory, where other libraries can share
        it: ``(1, 0)`` for host memory, for which the runtime gives ``adopt`` and ``expose``; of any
        other type, it gives what stands under "sharing memory" in :class:`Runtime`.
    """

    index: int
    description: str
    architecture: str
    memory: int
    dtypes: tuple[DType, ...] = COMPUTE
    links: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    emulated: str = ""
    dlpack: tuple[int, int] | None = None


@dataclass(frozen=True)
class Devices:
    """The devices of a backend; when there is none, why, and what to do about it."""

    found: tuple[DeviceInfo, ...]
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Signature:
    """For what a kernel is asked: layouts in, layouts out, attributes.

    Attributes
    ----------
    inputs : tuple of Layout or None
        One per input; None for an optional input that was left out. Inputs of elementwise
        operators have equal dtypes but their own shapes, to be broadcast as NumPy broadcasts.
    outputs : tuple of Layout
        One per output.
    attributes : mapping of str to object
        The operator's attributes in canonical form (axes non-negative, defaults filled in).
    """

    inputs: tuple[Layout | None, ...]
    outputs: tuple[Layout, ...]
    attributes: Mapping[str, Any]


class Kernel:
    """Runs one operator for one signature.

    A backend either passes functions or overrides the methods.

    Parameters
    ----------
    into : callable
        ``into(stream, outputs, inputs)`` enqueues the work that writes the given output arrays.
        Arrays are what :meth:`Runtime.view` returned; an absent optional input is None. No output
        overlaps an input, with one exception: for an operator of the elementwise family an output
        may be the memory of an input of equal layout.
    bind : callable, optional
        ``bind(stream)`` returns a function of the input arrays that enqueues the work and returns
        a new array (a tuple of them for several outputs), C-contiguous, of the signature's output
        layout. Give it where the vendor's library allocates more cheaply itself; without it hal
        allocates and calls ``into``.
    prepare : callable, optional
        ``prepare(inputs)`` returns another kernel for calls in which some inputs never change, or
        None where that is no help. It is given an array for each of those and None for the others,
        and may keep what they hold, which is there by then, in a form of its own, such as packed
        weights. A program asks once for each call that reads constants; the arrays stay as they
        are as long as the program lives, and the other kernel gets them too, except those that it
        has ``released``.
    place : callable, optional
        ``place(outputs, inputs)`` returns another ``into`` for calls that are all given these very
        arrays, or None where that is no help. What depends on them alone, such as the addresses
        of their memory, is found once. A program asks for the calls whose arrays are its own; it
        keeps the arrays as long as it uses the new ``into``, from one thread at a time.
    released : sequence of int, optional
        Of a kernel that ``prepare`` returned: the numbers of inputs among those it was given that
        it looks at no more. It gets None for them. When no other call reads it, hal gives such a
        constant's memory back, so what ``prepare`` reads it must have read when it returns.
    """

    __slots__ = ("bind", "into", "place", "prepare", "released")

    def __init__(
        self,
        into: Callable[[Any, Sequence[Any], Sequence[Any]], None],
        bind: Callable[[Any], Callable[..., Any]] | None = None,
        prepare: Callable[[Sequence[Any]], Kernel | None] | None = None,
        place: Callable[[Sequence[Any], Sequence[Any]], Callable[..., None] | None] | None = None,
        released: Sequence[int] = (),
    ) -> None:
        self.into = into
        self.bind = bind
        self.prepare = prepare
        self.place = place
        self.released = released


@dataclass(frozen=True)
class MemoryStats:
    """Memory of one device in bytes.

    Attributes
    ----------
    allocated : int
        Held by live buffers.
    reserved : int
        Held from the system, the pool's free blocks included.
    peak : int
        The most that was ever allocated.
    total : int
        What the device has.
    allocations : int
        Live buffers.
    """

    allocated: int
    reserved: int
    peak: int
    total: int
    allocations: int


@dataclass(frozen=True)
class Shared:
    """Memory that another library's array shares by a protocol of the vendor's own.

    Attributes
    ----------
    address : int
        Of the element at index 0.
    device : tuple of int
        DLPack's device type and number of the memory.
    dtype : DType
    shape, strides : tuple of int
        Strides in elements.
    read_only : bool
        Whether the owner forbids writing.
    stream : int or None
        The stream that the owner's work is on, as :meth:`Runtime.foreign_stream` takes it; None
        where there is nothing to wait for.
    owner : object
        What keeps the memory.
    """

    address: int
    device: tuple[int, int]
    dtype: DType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    read_only: bool
    stream: int | None
    owner: Any


class HostEvent:
    """The event of a synchronous backend: complete as soon as it is recorded."""

    __slots__ = ("nanoseconds",)

    def __init__(self) -> None:
        self.nanoseconds: int | None = None
