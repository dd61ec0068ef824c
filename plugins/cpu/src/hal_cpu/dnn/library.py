"""Finds oneDNN's shared library and says what its functions take.

The distribution ``onednn-cpu-gomp`` brings it. ``HAL_ONEDNN`` names another file, or is ``0`` to do
without it; then NumPy's BLAS makes the products.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_float, c_int, c_int64, c_size_t, c_void_p
from functools import cache
from importlib import metadata
from typing import Any

from hal.errors import DeviceError
from hal_cpu.threads import thread_count

__all__ = ["Argument", "engine", "failed", "library", "one_thread", "openmp", "stream", "version"]

_DISTRIBUTION = "onednn-cpu-gomp"
_MAJOR = 3
_TURNS_OF_WAITING = 5000  # About 50 microseconds: as long as there are between two calls.
_CPU = 1
_IN_ORDER = 1
_STATUS = {
    1: "out of memory",
    2: "invalid arguments",
    3: "unimplemented",
    4: "last implementation reached",
    5: "runtime error",
    6: "not required",
}


class Argument(ctypes.Structure):
    """``dnnl_exec_arg_t``: which argument of a primitive, and its memory."""

    _fields_ = (("number", c_int), ("memory", c_void_p))


class _Version(ctypes.Structure):
    _fields_ = (("major", c_int), ("minor", c_int), ("patch", c_int))


_handle = c_void_p
_made = POINTER(c_void_p)
_dims = POINTER(c_int64)

# https://github.com/oneapi-src/oneDNN/blob/v3.2/include/oneapi/dnnl/dnnl.h
PROTOTYPES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "dnnl_version": (POINTER(_Version), ()),
    "dnnl_engine_create": (c_int, (_made, c_int, c_size_t)),
    "dnnl_stream_create": (c_int, (_made, _handle, c_int)),
    "dnnl_memory_desc_create_with_strides": (c_int, (_made, c_int, _dims, c_int, _dims)),
    "dnnl_memory_desc_create_with_tag": (c_int, (_made, c_int, _dims, c_int, c_int)),
    "dnnl_memory_desc_clone": (c_int, (_made, _handle)),
    "dnnl_memory_desc_destroy": (c_int, (_handle,)),
    "dnnl_memory_desc_get_size": (c_size_t, (_handle,)),
    "dnnl_memory_desc_equal": (c_int, (_handle, _handle)),
    "dnnl_memory_create": (c_int, (_made, _handle, _handle, c_void_p)),
    "dnnl_memory_set_data_handle": (c_int, (_handle, c_void_p)),
    "dnnl_memory_destroy": (c_int, (_handle,)),
    "dnnl_primitive_attr_create": (c_int, (_made,)),
    "dnnl_primitive_attr_destroy": (c_int, (_handle,)),
    "dnnl_primitive_attr_set_scratchpad_mode": (c_int, (_handle, c_int)),
    "dnnl_primitive_attr_set_post_ops": (c_int, (_handle, _handle)),
    "dnnl_post_ops_create": (c_int, (_made,)),
    "dnnl_post_ops_destroy": (c_int, (_handle,)),
    "dnnl_post_ops_append_eltwise": (c_int, (_handle, c_int, c_float, c_float)),
    "dnnl_post_ops_append_prelu": (c_int, (_handle, c_int)),
    "dnnl_post_ops_append_binary": (c_int, (_handle, c_int, _handle)),
    "dnnl_primitive_desc_query": (c_int, (_handle, c_int, c_int, c_void_p)),
    "dnnl_primitive_desc_query_md": (c_void_p, (_handle, c_int, c_int)),
    "dnnl_primitive_desc_destroy": (c_int, (_handle,)),
    "dnnl_primitive_create": (c_int, (_made, _handle)),
    "dnnl_primitive_execute": (c_int, (_handle, _handle, c_int, POINTER(Argument))),
    "dnnl_primitive_destroy": (c_int, (_handle,)),
    "dnnl_matmul_primitive_desc_create": (
        c_int, (_made, _handle, _handle, _handle, _handle, _handle, _handle),
    ),
    "dnnl_convolution_forward_primitive_desc_create": (
        c_int,
        (_made, _handle, c_int, c_int, _handle, _handle, _handle, _handle, _dims, _dims, _dims,
         _dims, _handle),
    ),
    "dnnl_deconvolution_forward_primitive_desc_create": (
        c_int,
        (_made, _handle, c_int, c_int, _handle, _handle, _handle, _handle, _dims, _dims, _dims,
         _dims, _handle),
    ),
    "dnnl_reorder_primitive_desc_create": (
        c_int, (_made, _handle, _handle, _handle, _handle, _handle),
    ),
}  # fmt: skip


@cache
def library() -> Any | None:
    """Return oneDNN as a ctypes library whose functions raise, or None where it is not there."""
    path = _find()
    if path is None:
        return None
    try:
        found = _load(path)
        major = found.dnnl_version().contents.major
    except (OSError, AttributeError):
        return None
    if major != _MAJOR:
        return None
    for name, (result, arguments) in PROTOTYPES.items():
        function = getattr(found, name)
        function.restype, function.argtypes = result, arguments
        if result is c_int and name != "dnnl_memory_desc_equal":
            function.errcheck = _checked(name)
    return found


def _find() -> str | None:
    chosen = os.environ.get("HAL_ONEDNN", "")
    if chosen:
        return None if chosen == "0" else chosen
    try:
        files = metadata.files(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    return next((str(f.locate()) for f in files if f.name == f"libdnnl.so.{_MAJOR}"), None)


def _load(path: str) -> Any:
    """Load a library whose threads are as many as hal's and wait as hal wants them to.

    OpenMP asks the environment, once. By itself it lets a thread wait actively for milliseconds,
    and where other work keeps a processor busy, the thread it waits for does not get this one.
    """
    wanted = {"OMP_NUM_THREADS": str(thread_count())}
    if "GOMP_SPINCOUNT" not in os.environ and "OMP_WAIT_POLICY" not in os.environ:
        wanted["GOMP_SPINCOUNT"] = str(_TURNS_OF_WAITING)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        found = ctypes.CDLL(path)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    found.dnnl_version.restype = POINTER(_Version)
    return found


@cache
def openmp() -> Any:
    """Return the library of threads that oneDNN has loaded."""
    return ctypes.CDLL("libgomp.so.1")


@contextmanager
def one_thread() -> Iterator[None]:
    """Let what is described within this block run in the thread that calls it.

    oneDNN decides on threads when it describes a piece of work.
    """
    openmp().omp_set_num_threads(1)
    try:
        yield
    finally:
        openmp().omp_set_num_threads(thread_count())


def _checked(name: str) -> Any:
    def check(code: int, function: Any, arguments: Any) -> int:
        if code:
            raise failed(name, code)
        return code

    return check


def failed(name: str, code: int) -> DeviceError:
    """Return the error that says what a function's status means."""
    text = _STATUS.get(code, "unknown status")
    return DeviceError(f"oneDNN's {name} failed", code=code, text=text)


def version() -> str:
    """Return oneDNN's version, empty where it is not there."""
    found = library()
    if found is None:
        return ""
    number = found.dnnl_version().contents
    return f"{number.major}.{number.minor}.{number.patch}"


@cache
def engine() -> Any:
    """Return oneDNN's handle of the CPU."""
    made = c_void_p()
    found = library()
    assert found is not None
    found.dnnl_engine_create(ctypes.byref(made), _CPU, 0)
    return made


@cache
def stream() -> Any:
    """Return oneDNN's stream; on a CPU, all work is done when a call returns."""
    made = c_void_p()
    found = library()
    assert found is not None
    found.dnnl_stream_create(ctypes.byref(made), engine(), _IN_ORDER)
    return made
