"""An asynchronous device over NumPy, with a thread per stream, and bugs that can be switched on.

Without bugs it is correct, but no kinder than it must be: a stream starts its work only when
somebody waits for it or a while has passed, freed memory is overwritten at once, and memory that
was never written holds garbage. So whatever relies on more than the contract promises shows.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque

import numpy as np

from hal import dtypes
from hal.dtypes import ALL
from hal.errors import DeviceError, OutOfMemory
from hal.plugin import Backend, DeviceInfo, Devices, Kernel, MemoryStats, Runtime, hookimpl

MEMORY = 64 << 20
ALIGNMENT = 64
IDLE = 0.5

BUGS = {
    # What kernels calculate
    "wrong stride": "a transposed array is read as if it were contiguous",
    "negative stride ignored": "a reversed array is read forwards",
    "offset ignored": "a view is read from the start of its buffer",
    "wrong broadcast": "an axis of size 1 is stretched by repeating memory, not elements",
    "off-by-one reduction": "sum leaves out the last of more than 16 elements",
    "ignored NaN": "max and maximum prefer numbers to NaN",
    "wrong rounding": "cast to a narrower float cuts off instead of rounding",
    "signed zero lost": "multiply gives 0 for -0",
    "overflow saturates": "integers stay at the end of their range instead of wrapping around",
    "silent downcast": "float64 is calculated in float32",
    "integers as floats": "int64 is summed in float64",
    "dropped chunk": "of an odd number of elements, the last ones are not written",
    "naive softmax": "softmax does not take off the largest value",
    "last of equal": "argmax gives the last of the largest elements",
    "unstable sort": "argsort exchanges equal elements",
    "negative index": "take counts no index from the end",
    "alias in place": "negative works in its input's memory",
    "writes beyond": "a kernel writes one element behind its result",
    "adds to the result": "a kernel adds to what the result's memory holds",
    "nondeterministic": "sum adds up in another order each time",
    "attributes forgotten": "a kernel is cached without its attributes",
    # Order
    "missing wait": "wait does nothing",
    "early event": "an event is complete as soon as it is recorded",
    "early synchronize": "synchronize does not wait",
    "early download": "download does not wait",
    "late upload": "upload reads the host array when its turn comes",
    "elapsed in seconds": "elapsed gives seconds",
    "streams are mixed up": "every second stream runs its work in the opposite order",
    # Memory
    "early reuse": "a buffer freed on one stream is given to another at once",
    "free at once": "free does not wait for the stream",
    "leak": "every fourth buffer is never given back",
    "pool grows": "freed buffers are never used again",
    "out of memory counted": "a refused allocation is counted as allocated",
    "misaligned": "buffers start 8 bytes off",
    "stale peak": "the peak is that of the first allocation",
    # Errors, threads, descriptions
    "swallowed error": "failed work is never reported",
    "sticky error": "failed work is reported again and again",
    "error everywhere": "failed work is reported on every stream",
    "not thread-safe": "kernels share scratch memory",
    "dishonest dtypes": "float64 is listed but held as float32",
    "raising kernel": "kernel raises for what it does not know",
    "raising devices": "devices raises",
}  # fmt: skip


class Ticket:
    """One record of an event."""

    def __init__(self, stream):
        self.stream = stream
        self.done = threading.Event()
        self.time = None

    def complete(self):
        self.time = time.perf_counter()
        self.done.set()

    def wait(self):
        self.stream.urge()
        self.done.wait()


class FaultyEvent:
    """An event: its last record."""

    def __init__(self):
        self.ticket = None


class FaultyStream:
    """A queue of work and the thread that does it."""

    def __init__(self, latency, backwards=False):
        self.latency = latency
        self.backwards = backwards
        self.error = None
        self._items = deque()
        self._changed = threading.Condition()
        self._urged = False
        self._running = False

    def enqueue(self, work):
        with self._changed:
            self._items.append(work)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True).start()
            self._changed.notify_all()

    def urge(self):
        """Make the thread start at once: somebody waits."""
        with self._changed:
            self._urged = True
            self._changed.notify_all()

    def finish(self):
        """Wait until everything enqueued so far is done."""
        ticket = Ticket(self)
        self.enqueue(ticket.complete)
        ticket.wait()

    def _run(self):
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._items, IDLE):
                    self._running = False
                    return
                self._changed.wait_for(lambda: self._urged, self.latency)
                batch = list(self._items)
                self._items.clear()
                self._urged = False
            if self.backwards:
                batch = batch[-2::-1] + batch[-1:]
            for work in batch:
                try:
                    work()
                except Exception as error:
                    self.error = self.error or error


class Buffer:
    """A block of bytes; ``freed`` is the record behind which it may be used again."""

    def __init__(self, size, shift):
        raw = np.full(size + 2 * ALIGNMENT, 0xFF, np.uint8)
        start = -raw.ctypes.data % ALIGNMENT + shift
        self.bytes = raw[start : start + size + ALIGNMENT]
        self.size = size
        self.freed = None


class FaultyRuntime(Runtime):
    """The device; ``bugs`` is the set of those that are switched on.

    ``latency`` is how long a new stream keeps its work back while nobody waits for it, in seconds;
    ``declined`` names operators for which there is no kernel.
    """

    synchronous = False
    alignment = ALIGNMENT

    def __init__(self):
        self.bugs = set()
        self.declined = set()
        self.latency = 0.003
        self.error = None
        self._lock = threading.RLock()
        self._blocks = {}
        self._cached = {}
        self._allocated = self._reserved = self._peak = self._live = self._count = 0
        self._streams = 0

    # memory

    def allocate(self, nbytes, stream):
        size = max(ALIGNMENT, 1 << max(nbytes - 1, 0).bit_length())
        with self._lock:
            refused = self._allocated + size > MEMORY
            if not refused or "out of memory counted" in self.bugs:
                self._allocated += size
            if refused:
                raise OutOfMemory(f"{nbytes} bytes were asked for, {MEMORY} is all there is")
            self._live += 1
            self._count += 1
            if "stale peak" not in self.bugs or self._peak == 0:
                self._peak = max(self._peak, self._allocated)
            found = self._blocks.get(size)
            block = found.pop() if found else None
            if block is None:
                self._trim(size)
                self._reserved += size
        if block is None:
            return Buffer(size, 8 if "misaligned" in self.bugs else 0)
        ticket, block.freed = block.freed, None
        if ticket is not None and ticket.stream is not stream and "early reuse" not in self.bugs:
            stream.enqueue(ticket.wait)
        return block

    def _trim(self, size):
        """Give kept blocks back to the system until a new one has room."""
        for kept in self._blocks.values():
            while kept and self._reserved + size > MEMORY:
                self._reserved -= kept.pop().size

    def free(self, buffer, stream):
        with self._lock:
            if "leak" in self.bugs and self._count % 4 == 0:
                return
            self._allocated -= buffer.size
            self._live -= 1
        ticket = Ticket(stream)

        def spoil():
            buffer.bytes[: buffer.size] = 0xEE

        if "free at once" in self.bugs:
            spoil()
            ticket.complete()
        else:
            stream.enqueue(spoil)
            stream.enqueue(ticket.complete)
        if "pool grows" in self.bugs:
            return
        with self._lock:
            buffer.freed = ticket
            self._blocks.setdefault(buffer.size, []).append(buffer)

    def memory_stats(self):
        with self._lock:
            return MemoryStats(self._allocated, self._reserved, self._peak, MEMORY, self._live)

    def view(self, buffer, dtype, shape, strides, offset):
        size, numpy = dtype.itemsize, dtype.numpy
        memory = buffer.bytes if isinstance(buffer, Buffer) else buffer
        strides = list(strides)
        if "offset ignored" in self.bugs and min(strides, default=0) >= 0:
            offset = 0
        if "wrong stride" in self.bugs and len(shape) == 2 and 0 < strides[0] < strides[1]:
            strides = [shape[1], 1]
        if "negative stride ignored" in self.bugs:
            for axis, (n, step) in enumerate(zip(shape, strides, strict=True)):
                if step < 0:
                    offset += (n - 1) * step
                    strides[axis] = -step
        return np.ndarray(shape, numpy, memory, offset * size, [s * size for s in strides])

    def upload(self, array, host, stream):
        kept = host if "late upload" in self.bugs else host.copy()
        if "dishonest dtypes" in self.bugs and host.dtype == np.float64:
            kept = kept.astype(np.float32)
        stream.enqueue(lambda: np.copyto(array, kept))

    def download(self, array, host, stream):
        stream.enqueue(lambda: np.copyto(host, array))
        if "early download" not in self.bugs:
            self.synchronize(stream)

    def owner(self, array):
        return array.reshape(-1).view(np.uint8)

    def expose(self, array):
        return array

    def address(self, array):
        return array.ctypes.data

    # order

    def stream(self):
        self._streams += 1
        mixed = "streams are mixed up" in self.bugs and self._streams % 2
        return FaultyStream(self.latency, backwards=bool(mixed))

    def event(self):
        return FaultyEvent()

    def record(self, event, stream):
        event.ticket = Ticket(stream)
        if "early event" in self.bugs:
            event.ticket.complete()
        else:
            stream.enqueue(event.ticket.complete)

    def wait(self, event, stream):
        if "missing wait" not in self.bugs and event.ticket.stream is not stream:
            stream.enqueue(event.ticket.wait)

    def query(self, event):
        return event.ticket.done.is_set()

    def elapsed(self, start, end):
        seconds = end.ticket.time - start.ticket.time
        return seconds if "elapsed in seconds" in self.bugs else seconds * 1e3

    def synchronize(self, stream):
        if "early synchronize" not in self.bugs:
            stream.finish()
        holder = self if "error everywhere" in self.bugs else stream
        error = holder.error
        if error is None or "swallowed error" in self.bugs:
            return
        if "sticky error" not in self.bugs:
            holder.error = None
        if isinstance(error, DeviceError):
            raise error
        text = f"{type(error).__name__}: {error}"
        raise DeviceError("work on the stream failed", code=13, text=text)

    def synchronize_event(self, event):
        event.ticket.wait()

    def fail(self, stream):
        def work():
            error = DeviceError("an illegal instruction", code=4, text="no such opcode")
            if "error everywhere" in self.bugs:
                self.error = error
            raise error

        stream.enqueue(work)

    # work

    def kernel(self, op, signature):
        if op.name.startswith("conformance"):
            if "raising kernel" in self.bugs:
                raise KeyError(op.name)
            return None
        if op.name in self.declined:
            return None
        if op.name == "matmul" and not all(x.contiguous for x in signature.inputs):
            return None
        return Kernel(*self._functions(op, signature))

    def _functions(self, op, signature):
        compute = self._compute(op, signature)
        in_place = "alias in place" in self.bugs and op.name == "negative"

        def into(stream, outputs, inputs):
            outputs, inputs = list(outputs), list(inputs)

            def work():
                found = compute(*inputs)
                for out, array in zip(
                    outputs, found if isinstance(found, tuple) else (found,), strict=True
                ):
                    self._store(op, out, array)
                if in_place and signature.inputs[0].contiguous:
                    np.copyto(inputs[0], outputs[0])

            stream.enqueue(work)

        def bind(stream):
            def new(*inputs):
                out = signature.outputs[0]
                array = np.full(math.prod(out.shape) * out.dtype.itemsize, 0xFF, np.uint8)
                array = array.view(out.dtype.numpy).reshape(out.shape)
                into(stream, [array], inputs)
                return array

            return new

        own = op.name == "maximum" and "not thread-safe" not in self.bugs
        return into, (bind if own else None)

    def _compute(self, op, signature):
        bugs = self.bugs
        attributes = dict(signature.attributes)
        if "attributes forgotten" in bugs and op.name in ("sum", "softmax", "cumulative_sum"):
            attributes = self._cached.setdefault((op.name, signature.outputs[0].shape), attributes)
        special = ARITHMETIC.get(op.name)
        changed = special(bugs, signature, attributes) if special is not None else None
        scratch = self._cached.setdefault("scratch", {})

        def compute(*inputs):
            given = inputs
            if "silent downcast" in bugs:
                given = [
                    x.astype(np.float32).astype(np.float64)
                    if x is not None and x.dtype == np.float64
                    else x
                    for x in inputs
                ]
            if "wrong broadcast" in bugs and op.family == "elementwise":
                shape = signature.outputs[0].shape
                given = [
                    np.resize(x, shape) if x is not None and x.ndim == len(shape) > 1 else x
                    for x in given
                ]
            if "not thread-safe" in bugs and op.name == "maximum":
                scratch["inputs"] = given
                time.sleep(0.0002)
                given = scratch["inputs"]
            with np.errstate(all="ignore"):
                found = None if changed is None else changed(*given)
                return op.reference(*given, **attributes) if found is None else found

        return compute

    def _store(self, op, out, array):
        array = np.asarray(array)
        if "adds to the result" in self.bugs and op.name == "matmul" and out.dtype.kind == "f":
            out += array
            return
        if "dropped chunk" in self.bugs and out.ndim and out.size > 8 and op.name != "copy":
            whole = out.size // 8 * 8
            out.reshape(-1)[:whole] = np.asarray(array, out.dtype).reshape(-1)[:whole]
            return
        np.copyto(out, array, casting="unsafe")
        if "writes beyond" in self.bugs and out.size % 2 and out.flags.c_contiguous and out.ndim:
            one_more = np.lib.stride_tricks.as_strided(
                out.reshape(-1), (out.size + 1,), (out.itemsize,)
            )
            one_more[-1:] = one_more[:1]


# Wrong arithmetic: each returns a function that replaces the reference, or None for no change.


def _sum(bugs, signature, attributes):
    axis = attributes["axis"]

    def run(x):
        dtype = attributes["dtype"].numpy
        if "off-by-one reduction" in bugs and len(axis) == 1 and x.shape[axis[0]] > 16:
            x = np.delete(x, -1, axis[0])
            return np.sum(x, axis, dtype, keepdims=attributes["keepdims"])
        if "integers as floats" in bugs and dtype.kind in "iu":
            return np.sum(x.astype(np.float64), axis, keepdims=attributes["keepdims"])
        if "nondeterministic" in bugs and dtype == np.float32 and len(axis) == 1:
            order = np.random.default_rng().permutation(x.shape[axis[0]])
            shuffled = np.take(x, order, axis[0])
            return np.sum(shuffled, axis, dtype, keepdims=attributes["keepdims"])
        return None

    return run


def _extreme(bugs, signature, attributes):
    def run(*inputs):
        if "ignored NaN" not in bugs or inputs[0].dtype.kind != "f":
            return None
        if len(inputs) == 2:
            return np.fmax(*inputs)
        return np.fmax.reduce(inputs[0], axis=attributes["axis"], keepdims=attributes["keepdims"])

    return run


def _cast(bugs, signature, attributes):
    target = attributes["dtype"]

    def run(x):
        narrower = target.kind == "float" and target.bits == 16 and x.dtype == np.float32
        if "wrong rounding" not in bugs or not narrower:
            return None
        lost = np.uint32(0xFFFF if target is dtypes.bfloat16 else 0x1FFF)
        cut = (np.ascontiguousarray(x).view(np.uint32) & ~lost).view(np.float32).reshape(x.shape)
        return cut.astype(target.numpy)

    return run


def _multiply(bugs, signature, attributes):
    def run(x, y):
        if "signed zero lost" in bugs and x.dtype.kind == "f":
            return np.multiply(x, y) + x.dtype.type(0)
        return None

    return run


def _add(bugs, signature, attributes):
    def run(x, y):
        if "overflow saturates" not in bugs or x.dtype not in (np.int8, np.int16, np.int32):
            return None
        limits = np.iinfo(x.dtype)
        return np.clip(x.astype(np.int64) + y, limits.min, limits.max).astype(x.dtype)

    return run


def _softmax(bugs, signature, attributes):
    def run(x):
        if "naive softmax" not in bugs or x.dtype != np.float32:
            return None
        grown = np.exp(x)
        return grown / grown.sum(attributes["axis"], keepdims=True)

    return run


def _argmax(bugs, signature, attributes):
    axis = attributes["axis"]

    def run(x):
        if "last of equal" not in bugs or len(axis) != 1:
            return None
        found = np.argmax(np.flip(x, axis[0]), axis[0], keepdims=attributes["keepdims"])
        return x.shape[axis[0]] - 1 - found

    return run


def _argsort(bugs, signature, attributes):
    def run(x):
        if "unstable sort" not in bugs or attributes["descending"]:
            return None
        axis = attributes["axis"]
        # A stable sort of the mirror image: equal elements come out in the opposite order.
        mirrored = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        return x.shape[axis] - 1 - mirrored

    return run


def _take(bugs, signature, attributes):
    def run(x, indices):
        if "negative index" not in bugs:
            return None
        return np.take(x, np.maximum(indices, 0), attributes["axis"])

    return run


ARITHMETIC = {
    "sum": _sum,
    "max": _extreme,
    "maximum": _extreme,
    "cast": _cast,
    "multiply": _multiply,
    "add": _add,
    "softmax": _softmax,
    "argmax": _argmax,
    "argsort": _argsort,
    "take": _take,
}


class FaultyBackend(Backend):
    """One device named ``faulty:0``."""

    name = "faulty"
    contract = (1, 0)

    def __init__(self):
        self.runtime = FaultyRuntime()

    def devices(self):
        if "raising devices" in self.runtime.bugs:
            raise RuntimeError("the driver does not answer")
        info = DeviceInfo(0, "NumPy behind queues", "python", MEMORY, ALL, emulated="all of it")
        return Devices((info,))

    def open(self, index):
        return self.runtime


class Plugin:
    """What is registered with hal."""

    def __init__(self):
        self.backend = FaultyBackend()

    @hookimpl
    def hal_backend(self):
        return self.backend
