"""Writes hal's programs as ONNX models."""

from hal.onnx.writing import elementwise, layers, movement, recurrent
from hal.onnx.writing.export import export, to_model

__all__ = ["elementwise", "export", "layers", "movement", "recurrent", "to_model"]
