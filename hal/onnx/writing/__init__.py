"""Writes hal's programs as ONNX models."""

from hal.onnx.writing import elementwise, layers, movement
from hal.onnx.writing.export import export, to_model

__all__ = ["elementwise", "export", "layers", "movement", "to_model"]
