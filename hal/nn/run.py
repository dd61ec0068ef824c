"""Calls operators on what a user gave: checks for tensors, makes attributes hashable."""

from __future__ import annotations

from typing import Any

from hal.dispatch import call
from hal.errors import DTypeError, ShapeError
from hal.ops import operators
from hal.tensor import Tensor

__all__ = ["batched", "check_tensor", "run"]


def run(name: str, *inputs: Tensor | None, **attributes: Any) -> Tensor:
    """Run an operator; lists among the attributes become tuples."""
    for x in inputs:
        if x is not None:
            check_tensor(name, x)
    frozen = {k: _frozen(v) for k, v in attributes.items()}
    result: Tensor = call(operators[name], *inputs, **frozen)
    return result


def check_tensor(name: str, x: Any) -> None:
    """Raise when something else than a tensor is given."""
    if not isinstance(x, Tensor):
        raise DTypeError(
            f"{name} takes hal tensors, not {type(x).__name__}; make one with hal.asarray(...)"
        )


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list | tuple) else value


def batched(
    function: str, name: str, count: int, x: Tensor, *rest: Tensor | None, **attributes: Any
) -> Tensor:
    """Run an operator on (batch, channels, spatial...), or on (channels, spatial...) alone."""
    check_tensor(function, x)
    if x.ndim not in (count + 1, count + 2):
        raise ShapeError(
            f"{function}: the input has shape {x.shape}; it must be (batch, channels, spatial...) "
            f"or (channels, spatial...) with {count} spatial axes"
        )
    if x.ndim == count + 2:
        return run(name, x, *rest, **attributes)
    result = run(name, run("reshape", x, shape=(1, *x.shape)), *rest, **attributes)
    return run("reshape", result, shape=result.shape[1:])
