"""Puts the plugin on cuda.core and cuda.bindings as they are, above the tests' own libcuda.

A plugin of pytest for a process that finds that library in LD_LIBRARY_PATH. Each program is
compiled by NVRTC, as on a GPU; its kernel is then started as the host's compiler made it.
"""

from __future__ import annotations

import ctypes

from hal_cuda import driver
from hal_cuda.standin import build

library = None
"""The tests' libcuda, in a process that was started with this plugin."""


def pytest_configure():
    """Put host kernels under what the plugin compiles."""
    global library
    library = ctypes.CDLL("libcuda.so.1")
    really_compiled = driver.compiled

    def compiled(source, capability, cache=None):
        (start,) = build([source])
        library.standin_kernel(ctypes.cast(start, ctypes.c_void_p))
        return really_compiled(source, capability, cache)

    driver.compiled = compiled


def misuses():
    """Return how often the driver was misused, and how at first."""
    text = ctypes.create_string_buffer(200)
    return library.standin_misuses(text), text.value.decode()


def lose(code):
    """Have the device fail from now on; 0 ends it."""
    library.standin_lose(code)


def pytest_sessionfinish(session):
    """Make a run fail that misused the driver."""
    count, first = misuses()
    if count:
        print(f"\nthe driver was misused {count} times; first: {first}")
        session.exitstatus = 1
