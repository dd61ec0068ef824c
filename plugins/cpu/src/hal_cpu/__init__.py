"""The CPU as a device of hal: NumPy, its BLAS, and SciPy's special functions."""

from hal.plugin import Backend, hookimpl

__all__ = ["hal_backend"]


@hookimpl
def hal_backend() -> Backend:
    """Return the backend; nothing is opened yet."""
    from hal_cpu.backend import CpuBackend

    return CpuBackend()
