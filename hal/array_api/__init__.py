"""The functions of the Python Array API standard."""

from hal.array_api.creation import asarray, from_dlpack, full, ones, zeros

__all__ = ["asarray", "from_dlpack", "full", "ones", "zeros"]
