"""Huawei's Ascend processors as devices of hal, through CANN's C interface."""

from hal.plugin import Backend, hookimpl

__all__ = ["hal_backend"]


@hookimpl
def hal_backend() -> Backend:
    """Return the backend; no library is loaded yet."""
    from hal_ascend.backend import AscendBackend

    return AscendBackend()
