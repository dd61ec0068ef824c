"""OpenCL C programs: built once per source text, launched from any thread."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyopencl as cl

from hal_opencl.errors import failed
from hal_opencl.pool import Pool
from hal_opencl.queue import Queue

__all__ = ["BUFFER", "Array", "Function", "Programs"]

BUFFER = None
"""Stands for a pointer in a kernel's list of argument types; a number's place has its dtype."""

_PRELUDE = """
#pragma OPENCL FP_CONTRACT OFF

// bfloat16 is the upper half of a float; rounding is to the nearest, ties to even.
inline float bfloat16_load(ushort bits) { return as_float((uint)bits << 16); }
inline ushort bfloat16_round(float x) {
    const uint bits = as_uint(x);
    return isnan(x) ? (ushort)((bits >> 16) | 0x40)
                    : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}
"""


class Array(NamedTuple):
    """A place in device memory; ``offset`` counts elements."""

    handle: Any
    offset: int
    itemsize: int


class Function:
    """A built kernel. OpenCL keeps arguments on it, so that setting them and enqueuing is one."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self._lock = threading.Lock()

    def __call__(
        self, queue: Queue, size: Sequence[int], group: Sequence[int], arguments: Sequence[Any]
    ) -> None:
        """Enqueue the kernel."""
        try:
            with self._lock:
                event = self._kernel(queue.handle, size, group, *arguments)
        except cl.Error as error:
            raise failed("OpenCL failed to enqueue a kernel", error) from error
        queue.track(event)


class Programs:
    """Builds source text for one device and keeps what it built.

    Attributes
    ----------
    pool : Pool
        Where kernels take memory that they need only while they run.
    has_double : bool
        Whether the device calculates in float64.
    """

    def __init__(self, context: cl.Context, device: cl.Device, pool: Pool) -> None:
        self._context = context
        self.pool = pool
        # Generated text compares an integer with itself and the like: no warnings about that.
        self._options = ["-w"]
        if device.single_fp_config & cl.device_fp_config.CORRECTLY_ROUNDED_DIVIDE_SQRT:
            self._options.append("-cl-fp32-correctly-rounded-divide-sqrt")
        self.has_double = bool(device.double_fp_config)
        self._built: dict[str, Function] = {}
        self._lock = threading.Lock()

    def function(self, source: str, arguments: Sequence[Any]) -> Function:
        """Return the kernel named ``run`` in the source.

        Parameters
        ----------
        source : str
        arguments : sequence
            For each argument :data:`BUFFER` or a NumPy scalar type.
        """
        found = self._built.get(source)
        if found is None:
            with self._lock:
                found = self._built.get(source)
                if found is None:
                    found = self._built[source] = self._build(source, arguments)
        return found

    def _build(self, source: str, arguments: Sequence[Any]) -> Function:
        try:
            program = cl.Program(self._context, _PRELUDE + source).build(options=self._options)
            kernel = cl.Kernel(program, "run")
            kernel.set_arg_types([None if a is BUFFER else np.dtype(a) for a in arguments])
        except cl.Error as error:
            raise failed("OpenCL failed to build a kernel", error) from error
        return Function(kernel)
