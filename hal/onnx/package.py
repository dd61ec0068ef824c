"""Imports the ``onnx`` package when a model is first used, and says so when it is missing."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from hal.errors import Unsupported

__all__ = ["onnx_package"]


def onnx_package() -> Any:
    """Return the ``onnx`` package.

    Raises
    ------
    Unsupported
        When it is not installed.
    """
    try:
        package = import_module("onnx")
        for name in ("checker", "defs", "helper", "numpy_helper"):
            import_module(f"onnx.{name}")
    except ImportError as error:
        raise Unsupported(
            f"ONNX models need the onnx package ({error}); "
            "install it with: pip install 'hal-sdk[onnx]'"
        ) from None
    return package
