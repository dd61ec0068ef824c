"""The device's runtime: blocks of host memory, and kernels that are queued on streams."""

from __future__ import annotations

import math
import threading
import time

import numpy as np

from faulty.arithmetic import ARITHMETIC
from faulty.stream import FaultyEvent, FaultyStream, Ticket
from hal.errors import DeviceError, OutOfMemory
from hal.plugin import Kernel, MemoryStats, Runtime

MEMORY = 64 << 20
ALIGNMENT = 64


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
            alone = "error stays behind" in self.bugs
            stream.enqueue(event.ticket.wait if alone else event.ticket.follow)

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
        into, bind = self._functions(op, signature)

        def prepare(known):
            if op.name != "matmul" or known[1] is None:
                return None
            kept = known[1] if "packs nothing" in self.bugs else known[1].copy()
            return Kernel(
                lambda stream, outs, ins: into(stream, outs, [ins[0], kept]), released=(1,)
            )

        return Kernel(into, bind, prepare)

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
