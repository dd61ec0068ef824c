"""Brings what a user gave to the operators: checks for tensors, numbers beside tensors."""

from __future__ import annotations

from operator import index
from typing import Any

from hal.dispatch import call, constant
from hal.errors import DTypeError
from hal.ops import operators
from hal.ops.rules import as_shape
from hal.tensor import Tensor

__all__ = ["as_integer", "as_shape", "binary", "check_tensor", "number_or_tensor", "run", "unary"]


def unary(name: str, x: Tensor) -> Tensor:
    """Run an operator on one tensor."""
    check_tensor(name, x)
    result: Tensor = call(operators[name], x)
    return result


def binary(name: str, x1: Any, x2: Any) -> Tensor:
    """Run an operator on two tensors, or on a tensor and a Python number."""
    if not (isinstance(x1, Tensor) and isinstance(x2, Tensor)):
        x1, x2 = _paired(name, x1, x2)
    result: Tensor = call(operators[name], x1, x2)
    return result


def run(name: str, *inputs: Tensor | None, **attributes: Any) -> Tensor:
    """Run an operator on tensors; lists among the attributes become tuples."""
    for x in inputs:
        if x is not None:
            check_tensor(name, x)
    for key, value in attributes.items():
        if isinstance(value, list):
            attributes[key] = tuple(value)
    result: Tensor = call(operators[name], *inputs, **attributes)
    return result


def check_tensor(name: str, x: Any) -> None:
    """Raise when something else than a tensor is given."""
    if not isinstance(x, Tensor):
        raise DTypeError(
            f"{name} takes hal tensors, not {type(x).__name__}; make one with hal.asarray(...)"
        )


def number_or_tensor(name: str, x: Any, like: Tensor) -> Tensor:
    """Return a tensor itself, and a Python number as a tensor of the dtype in which it meets."""
    if isinstance(x, bool | int | float | complex):
        return constant(like.device, x, like.dtype)  # type: ignore[return-value]
    check_tensor(name, x)
    found: Tensor = x
    return found


def as_integer(name: str, what: str, value: Any) -> int:
    """Return an argument as an integer.

    Raises
    ------
    DTypeError
        When it is none.
    """
    try:
        return index(value)
    except TypeError:
        raise DTypeError(f"{name}: {what} must be an integer, not {value!r}") from None


def _paired(name: str, x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    if isinstance(x1, Tensor):
        return x1, number_or_tensor(name, x2, x1)
    if isinstance(x2, Tensor):
        return number_or_tensor(name, x1, x2), x2
    raise DTypeError(
        f"{name} takes at least one hal tensor, not {type(x1).__name__} and {type(x2).__name__}; "
        "make one with hal.asarray(...)"
    )
