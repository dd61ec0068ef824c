"""oneDNN's primitives: arrays described, an operation made for them once, run on addresses."""

from __future__ import annotations

import ctypes
import weakref
from collections import deque
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from hal.dtypes import DType, bfloat16, float16, float32
from hal_cpu.dnn.library import Argument, engine, library, one_thread, stream
from hal_cpu.dnn.turn import together
from hal_cpu.placed import NativeCall, Placed, native
from hal_cpu.pool import Kept, aligned
from hal_cpu.sharing import held_once

__all__ = [
    "BINARY",
    "DTYPES",
    "Descriptor",
    "PostOp",
    "Primitive",
    "describe",
    "matmul",
    "packed",
    "reorder",
    "scratch_memory",
]

DTYPES: dict[DType, int] = {float16: 1, bfloat16: 2, float32: 3}
"""oneDNN's numbers of the dtypes whose products it makes."""

SOURCE, DESTINATION, WEIGHTS, BIAS, SCRATCHPAD = 1, 17, 33, 41, 80
_POST_OPERAND = 32768
_ANY = 1
_USER_SCRATCHPAD = 1
_QUERY_NAME, _QUERY_SOURCE, _QUERY_WEIGHTS, _QUERY_RESULT, _QUERY_SCRATCHPAD = 8, 129, 131, 133, 136

ELTWISE = {
    "leaky_relu": 0x20,
    "tanh": 0x21,
    "sigmoid": 0x29,
    "gelu_tanh": 0x2B,
    "silu": 0x2C,
    "gelu": 0x31,
    "hard_swish": 0x34,
}
_ZERO = np.zeros(16, np.float32)
BINARY = {"add": 0x1FFF0, "multiply": 0x1FFF1, "divide": 0x1FFF4, "subtract": 0x1FFF5}


class PostOp(NamedTuple):
    """What happens to a result before it is stored: a function, or one with another operand.

    Attributes
    ----------
    name : str
        A key of ``ELTWISE`` or ``BINARY``, or ``"relu"``.
    operand : Descriptor or None
        The other operand of a binary one, with as many axes as the result; for relu that of one
        number.
    alpha, beta : float
        What leaky_relu multiplies negative values by; silu's factor within the sigmoid; the factor
        and the summand within hard_swish's.
    """

    name: str
    operand: Descriptor | None = None
    alpha: float = 0.0
    beta: float = 0.0


class Descriptor:
    """A handle of oneDNN's that says how an array lies in memory; freed with this object."""

    __slots__ = ("__weakref__", "handle")

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        _freed_with(self, _library().dnnl_memory_desc_destroy, handle)

    @property
    def nbytes(self) -> int:
        """Return how much memory such an array takes."""
        return int(_library().dnnl_memory_desc_get_size(self.handle))


def describe(dtype: DType, shape: Sequence[int], strides: Sequence[int] | None) -> Descriptor:
    """Describe an array; without strides oneDNN chooses how it wants it to lie."""
    handle = ctypes.c_void_p()
    dims = (ctypes.c_int64 * len(shape))(*shape)
    number = DTYPES[dtype]
    if strides is None:
        _library().dnnl_memory_desc_create_with_tag(
            ctypes.byref(handle), len(shape), dims, number, _ANY
        )
    else:
        steps = (ctypes.c_int64 * len(shape))(*strides)
        _library().dnnl_memory_desc_create_with_strides(
            ctypes.byref(handle), len(shape), dims, number, steps
        )
    return Descriptor(handle)


class Primitive:
    """One operation for arrays of one description; any thread may run it.

    Parameters
    ----------
    description : ctypes.c_void_p
        oneDNN's primitive descriptor, which this object takes over.
    arguments : sequence of (int, Descriptor)
        oneDNN's number of each argument, in the order of :meth:`run`'s addresses.
    zeros : sequence of (int, Descriptor)
        Those of further arguments, each of them one zero.
    """

    def __init__(
        self,
        description: Any,
        arguments: Sequence[tuple[int, Descriptor]],
        zeros: Sequence[tuple[int, Descriptor]] = (),
    ) -> None:
        self._description = description
        self._arguments = tuple(arguments)
        self._zeros = tuple(zeros)
        self._ready: deque[_Ready] = deque()
        self.handle = ctypes.c_void_p()
        _freed_with(self, _destroy, self.handle, description)

    @property
    def name(self) -> str:
        """Return what oneDNN calls the implementation it chose."""
        found = ctypes.c_char_p()
        place = ctypes.byref(found)
        _library().dnnl_primitive_desc_query(self._description, _QUERY_NAME, 0, place)
        return (found.value or b"").decode()

    @property
    def source(self) -> Descriptor:
        """Return how the input has to lie."""
        return self.asked(_QUERY_SOURCE)

    def asked(self, query: int) -> Descriptor:
        """Return a description that oneDNN chose."""
        return _chosen(self._description, query)

    def run(self, *addresses: int) -> None:
        """Run on arrays that start at these addresses; done when it returns."""
        try:
            ready = self._ready.pop()
        except IndexError:
            ready = _Ready(self._arguments, self._zeros, self.asked(_QUERY_SCRATCHPAD))
        ready.place(addresses)
        together(self._run, ready)
        self._ready.append(ready)

    def placed(self, *addresses: int, held: Any = None) -> Placed:
        """Return what runs on arrays that stay at these addresses, one call at a time.

        It keeps what is ``held``, such as the weights' memory.
        """
        ready = _Ready(self._arguments, self._zeros, self.asked(_QUERY_SCRATCHPAD))
        ready.place(addresses)

        def calls() -> list[NativeCall]:
            execute, array = _library().dnnl_primitive_execute, ctypes.addressof(ready.array)
            given = (self._made().value or 0, stream().value, ready.count, array)
            return [native(execute, *given, status=True)]

        scratch = ready if ready.room else None
        return Placed(partial(together, self._run, ready), calls, scratch, (self, held))

    def _run(self, ready: _Ready) -> None:
        if ready.scratch:
            ready.pointed(scratch_memory(ready.room))
        _library().dnnl_primitive_execute(self._made(), stream(), ready.count, ready.array)

    def _made(self) -> Any:
        """Return the handle of the primitive itself."""
        if not self.handle:
            # Many are described and never run; making one may mean writing its code.
            _library().dnnl_primitive_create(ctypes.byref(self.handle), self._description)
        return self.handle


class _Ready:
    """The arguments of one run at a time: memories whose addresses are set, and scratch."""

    def __init__(
        self,
        arguments: Sequence[tuple[int, Descriptor]],
        zeros: Sequence[tuple[int, Descriptor]],
        scratchpad: Descriptor,
    ) -> None:
        self.room = scratchpad.nbytes
        self.scratch = None
        self.start = 0
        self.memories = [_memory(what) for _, what in arguments]
        listed = [
            Argument(number, memory)
            for (number, _), memory in zip(arguments, self.memories, strict=True)
        ]
        own = [*self.memories]
        for number, what in zeros:
            own.append(_memory(what))
            _library().dnnl_memory_set_data_handle(own[-1], _ZERO.ctypes.data)
            listed.append(Argument(number, own[-1]))
        if self.room:
            self.scratch = _memory(scratchpad)
            own.append(self.scratch)
            listed.append(Argument(SCRATCHPAD, self.scratch))
        self.count = len(listed)
        self.array = (Argument * self.count)(*listed)
        for memory in own:
            _freed_with(self, _library().dnnl_memory_destroy, memory)

    def pointed(self, start: int) -> None:
        """Say where the scratch memory starts."""
        if start != self.start:
            _library().dnnl_memory_set_data_handle(self.scratch, start)
            self.start = start

    def place(self, addresses: Sequence[int]) -> None:
        """Say where the arrays start."""
        place = _library().dnnl_memory_set_data_handle
        for memory, address in zip(self.memories, addresses, strict=True):
            place(memory, address)


def matmul(
    source: Descriptor,
    weights: Descriptor,
    result: Descriptor,
    bias: Descriptor | None = None,
    post_ops: Sequence[PostOp] = (),
    alone: bool = False,
) -> Primitive:
    """Return the product of two arrays of equally many axes, plus bias, through the post-ops.

    Its addresses are those of source, weights, result, bias if any, and the post-ops' operands.
    ``alone`` keeps it in the thread that calls it.

    Raises
    ------
    hal.errors.DeviceError
        When oneDNN has none for these; the caller finds another way.
    """
    found = _library()
    description = ctypes.c_void_p()
    attributes = attributes_of(post_ops)
    try:
        with one_thread() if alone else nullcontext():
            found.dnnl_matmul_primitive_desc_create(
                ctypes.byref(description),
                engine(),
                source.handle,
                weights.handle,
                None if bias is None else bias.handle,
                result.handle,
                attributes,
            )
    finally:
        found.dnnl_primitive_attr_destroy(attributes)
    return layer(description, bias, post_ops)


def layer(description: Any, bias: Descriptor | None, post_ops: Sequence[PostOp]) -> Primitive:
    """Return the primitive of a layer with weights, with oneDNN's choice of how arrays lie."""
    arguments = [
        (SOURCE, _chosen(description, _QUERY_SOURCE)),
        (WEIGHTS, _chosen(description, _QUERY_WEIGHTS)),
        (DESTINATION, _chosen(description, _QUERY_RESULT)),
    ]
    if bias is not None:
        arguments.append((BIAS, bias))
    slopes = []
    for place, step in enumerate(post_ops):
        which = _POST_OPERAND * (place + 1)
        if step.name == "relu" and step.operand is not None:
            slopes.append((which | WEIGHTS, step.operand))
        elif step.operand is not None:
            arguments.append((which | SOURCE + 1, step.operand))
    return Primitive(description, arguments, slopes)


def packed(primitive: Primitive, given: Descriptor, address: int, lasting: bool = True) -> Kept:
    """Return weights laid out as a primitive wants them; those that last are held once."""
    wanted = primitive.asked(_QUERY_WEIGHTS)
    result = Kept(wanted.nbytes, lasting)
    reorder(given, wanted).run(address, result.address)
    return held_once(result, wanted.nbytes) if lasting else result


def reorder(given: Descriptor, wanted: Descriptor) -> Primitive:
    """Return what copies an array into another layout; its addresses are those of the two."""
    description = ctypes.c_void_p()
    _library().dnnl_reorder_primitive_desc_create(
        ctypes.byref(description), given.handle, engine(), wanted.handle, engine(), None
    )
    return Primitive(description, [(SOURCE, given), (DESTINATION, wanted)])


_shared: list[tuple[Any, int]] = []


def scratch_memory(nbytes: int) -> int:
    """Return where scratch for a run is; one run at a time needs it."""
    if not _shared or _shared[0][0].nbytes < nbytes:
        bytes_ = aligned(nbytes)
        _shared[:] = [(bytes_, bytes_.ctypes.data)]
    return _shared[0][1]


def _library() -> Any:
    found = library()
    assert found is not None
    return found


def _freed_with(owner: Any, free: Any, *handles: Any) -> None:
    """Free handles once their owner is gone; at the process's end, the system does."""
    weakref.finalize(owner, free, *handles).atexit = False


def _destroy(primitive: Any, description: Any) -> None:
    if primitive:
        _library().dnnl_primitive_destroy(primitive)
    _library().dnnl_primitive_desc_destroy(description)


def _memory(what: Descriptor) -> Any:
    made = ctypes.c_void_p()
    _library().dnnl_memory_create(ctypes.byref(made), what.handle, engine(), None)
    return made


def _chosen(description: Any, query: int) -> Descriptor:
    # What is queried belongs to the primitive; a description of ours is its copy.
    found = _library()
    made = ctypes.c_void_p()
    asked = found.dnnl_primitive_desc_query_md(description, query, 0)
    found.dnnl_memory_desc_clone(ctypes.byref(made), asked)
    return Descriptor(made)


def attributes_of(post_ops: Sequence[PostOp]) -> Any:
    found = _library()
    attributes = ctypes.c_void_p()
    found.dnnl_primitive_attr_create(ctypes.byref(attributes))
    found.dnnl_primitive_attr_set_scratchpad_mode(attributes, _USER_SCRATCHPAD)
    if post_ops:
        steps = ctypes.c_void_p()
        found.dnnl_post_ops_create(ctypes.byref(steps))
        for step in post_ops:
            if step.name == "relu":
                # oneDNN's own takes NaN for zero; a slope of zero that is read keeps it.
                found.dnnl_post_ops_append_prelu(steps, 0)
            elif step.operand is None:
                found.dnnl_post_ops_append_eltwise(steps, ELTWISE[step.name], step.alpha, step.beta)
            else:
                handle = step.operand.handle
                found.dnnl_post_ops_append_binary(steps, BINARY[step.name], handle)
        found.dnnl_primitive_attr_set_post_ops(attributes, steps)
        found.dnnl_post_ops_destroy(steps)
    return attributes
