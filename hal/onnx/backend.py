"""hal as a backend of ``onnx.backend``, whose published tests then run on any of its devices.

Source: https://onnx.ai/onnx/api/backend.html. The environment variable ``HAL_ONNX_DEVICE`` names
the device that ONNX's ``"CPU"`` stands for; ``cpu:0`` when it is not set.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from onnx.backend.base import Backend, BackendRep

from hal.onnx.session import Session, load
from hal.onnx.values import to_host
from hal.tensor import Tensor

__all__ = ["HalBackend", "HalRep", "prepare", "run_model", "supports_device"]


class HalRep(BackendRep):
    """A model ready to run.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model on NumPy arrays, in order or by name; return NumPy arrays."""
        if not isinstance(inputs, Mapping):
            listed = list(inputs) if isinstance(inputs, Sequence) else [inputs]
            names = [i.name for i in self.session.inputs]
            inputs = dict(zip(names, listed, strict=True))
        found = self.session.run(inputs, **kwargs)
        return tuple(_host(found[output.name]) for output in self.session.outputs)


def _host(value: Any) -> Any:
    if isinstance(value, list):
        return [_host(v) for v in value]
    return to_host(value) if isinstance(value, Tensor) else value


class HalBackend(Backend):
    """hal behind the interface of ``onnx.backend.base.Backend``."""

    @classmethod
    def prepare(cls, model: Any, device: str = "CPU", **kwargs: Any) -> HalRep:
        """Return a model ready to run."""
        return HalRep(load(model, os.environ.get("HAL_ONNX_DEVICE", "cpu:0")))

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Whether the device is the one that tests of ONNX call ``"CPU"``."""
        return device == "CPU"


prepare = HalBackend.prepare
run_model = HalBackend.run_model
supports_device = HalBackend.supports_device
