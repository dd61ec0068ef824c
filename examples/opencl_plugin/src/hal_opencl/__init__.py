"""OpenCL devices for hal: GPUs and, with PoCL, any processor."""

from hal.plugin import Backend, hookimpl

__all__ = ["hal_backend"]


@hookimpl
def hal_backend() -> Backend:
    """Return the backend; no OpenCL driver is loaded yet."""
    from hal_opencl.backend import OpenClBackend

    return OpenClBackend()
