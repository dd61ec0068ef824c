"""NVIDIA GPUs as devices of hal, through the vendor's Python stack and own kernels by NVRTC."""

from hal.plugin import Backend, hookimpl

__all__ = ["hal_backend"]


@hookimpl
def hal_backend() -> Backend:
    """Return the backend; no driver is touched yet."""
    from hal_cuda.backend import CudaBackend

    return CudaBackend()
