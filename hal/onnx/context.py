"""What an operator's function is given: hal's operators by name, and what it may ask of the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from hal.dispatch import evaluator
from hal.dtypes import DType
from hal.onnx.limits import Limits
from hal.onnx.values import dtype_of, is_text, to_device
from hal.ops import ReferenceEvaluator, operators
from hal.plugin import Layout
from hal.tensor import Tensor

if TYPE_CHECKING:
    from hal.device import Device
    from hal.onnx.graph import Graph, Step

__all__ = ["Context"]

_HOST = ReferenceEvaluator()

# Operators whose result can be larger than the product of their inputs' sizes.
_GROWING = frozenset(
    {"full", "broadcast_to", "pad", "repeat", "interpolate", "as_windows", "eye", "arange"}
    | {"linspace", "convolution_transpose", "adaptive_average_pool"}
)


class Context:
    """Calls hal's operators by name, as ``F.add(x, y)``, for one node of a model.

    On tensors they run on the device; on host arrays by their NumPy references. The size of every
    result is checked against the limits before memory is taken.

    Attributes
    ----------
    device : Device
        Where the model runs.
    on_device : bool
        Whether the node's operands are tensors of the device.
    step : Step
        The node.
    limits : Limits
    """

    def __init__(
        self, device: Device, on_device: bool, step: Step, limits: Limits, run: Any
    ) -> None:
        self.device = device
        self.on_device = on_device
        self.step = step
        self.limits = limits
        self.run = run
        self._evaluator: Any = evaluator(device) if on_device else _HOST

    @property
    def version(self) -> int:
        """The version of the operator."""
        return self.step.version

    @property
    def outputs(self) -> int:
        """How many results the node names, up to the last that is used."""
        return len(self.step.outputs)

    def wants(self, position: int) -> bool:
        """Whether the node names the result of that position."""
        return position < len(self.step.outputs) and bool(self.step.outputs[position])

    def place(self, array: Any) -> Any:
        """Return a value where the operands are: a host array, or a tensor on the device."""
        if self.on_device:
            return array if isinstance(array, Tensor) else to_device(np.asarray(array), self.device)
        return np.asarray(array)

    def like(self, number: Any, x: Any) -> Any:
        """Return a 0-d value of x's dtype."""
        return self.place(np.asarray(number).astype(dtype_of(x).numpy))

    def over(self, *values: Any) -> Context:
        """Return the context in which values are calculated with: the device's if one is there."""
        on_device = any(isinstance(v, Tensor) for v in values)
        if on_device == self.on_device:
            return self
        return Context(self.device, on_device, self.step, self.limits, self.run)

    def placed(self, values: Sequence[Any]) -> list[Any]:
        """Return values where this context calculates; strings, sequences and None as they are."""
        return [self.place(v) if _is_host_tensor(v) else v for v in values]

    def check(self, shape: Sequence[int], dtype: DType) -> None:
        """Raise when a result of that shape and dtype is above the limit.

        Raises
        ------
        ModelError
        """
        nbytes = prod(int(n) for n in shape) * dtype.itemsize
        self.limits.check("value_bytes", nbytes, f"the size of a result of {self.step} in bytes")

    def call(self, graph: Graph, inputs: Sequence[Any]) -> list[Any]:
        """Run a subgraph of the node on values and return its results."""
        found: list[Any] = self.run.subgraph(graph, inputs)
        return found

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        function = getattr(self._evaluator, name)
        op = operators[name]
        bound = self.limits.value_bytes // 16
        growing = name in _GROWING

        def call(*inputs: Any, **attributes: Any) -> Any:
            size = 1
            for x in inputs:
                if hasattr(x, "shape"):
                    size *= max(prod(x.shape), 1)
            if growing or size > bound:
                layouts = [_layout(x, inputs) for x in inputs]
                for dtype, shape in op.infer(layouts, attributes).outputs:
                    self.check(shape, dtype)
            return function(*inputs, **attributes)

        setattr(self, name, call)
        return call


def _is_host_tensor(value: Any) -> bool:
    return isinstance(value, np.ndarray) and not is_text(value)


def _layout(x: Any, inputs: Sequence[Any]) -> Layout | None:
    if x is None:
        return None
    if hasattr(x, "shape"):
        return Layout(dtype_of(x), tuple(x.shape))
    return Layout(dtype_of(next(i for i in inputs if hasattr(i, "shape"))), ())
