"""ONNX models on any device.

``hal.onnx.load("model.onnx", device="cpu:0")`` gives a session; call it with inputs by name. An
operator of ONNX is a Python function over hal's tensors, so it runs wherever hal's operators run.
Needs the ``onnx`` package: ``pip install 'hal-sdk[onnx]'``.
"""

from hal.onnx.describe import describe
from hal.onnx.limits import Limits
from hal.onnx.session import Session, load
from hal.onnx.types import ValueType
from hal.onnx.writing import export

__all__ = ["Limits", "Session", "ValueType", "describe", "export", "load"]
