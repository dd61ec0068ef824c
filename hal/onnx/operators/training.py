"""One step of an optimizer, and gradients of parts of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import narrow, widen
from hal.onnx.operators.gradient import gradients
from hal.onnx.registry import operator

DOMAIN = "ai.onnx.preview.training"


def _number(x: Any) -> float:
    return float(x.reshape(()))


def _grouped(values: tuple[Any, ...], groups: int) -> list[tuple[Any, ...]]:
    """Return the values of each tensor that is optimized: they come sorted by kind."""
    if not values or len(values) % groups:
        raise ShapeError(f"{len(values)} tensors are not {groups} for each that is optimized")
    count = len(values) // groups
    return [tuple(values[i + k * count] for k in range(groups)) for i in range(count)]


def _flat(results: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    return tuple(r[k] for k in range(len(results[0])) for r in results)


def _each(groups: int, step: Callable[..., tuple[Any, ...]]) -> Callable[..., Any]:
    def function(F: Any, rate: Any, count: Any, *values: Any, **attributes: Any) -> Any:
        results = []
        for parts in _grouped(values, groups):
            found = step(
                F, _number(rate), int(count.reshape(())), *(widen(F, p) for p in parts),
                **attributes,
            )  # fmt: skip
            results.append(tuple(narrow(F, f, parts[0]) for f in found))
        return _flat(results)

    return function


def _adagrad(
    F: Any,
    rate: float,
    count: int,
    x: Any,
    gradient: Any,
    squares: Any,
    *,
    decay_factor: float = 0.0,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
) -> tuple[Any, ...]:
    rate = rate / (1 + count * decay_factor)
    gradient = F.add(gradient, F.multiply(x, norm_coefficient))
    squares = F.add(squares, F.multiply(gradient, gradient))
    step = F.divide(F.multiply(gradient, rate), F.add(F.sqrt(squares), epsilon))
    return F.subtract(x, step), squares


def _adam(
    F: Any,
    rate: float,
    count: int,
    x: Any,
    gradient: Any,
    first: Any,
    second: Any,
    *,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 1e-6,
    norm_coefficient: float = 0.0,
    norm_coefficient_post: float = 0.0,
) -> tuple[Any, ...]:
    gradient = F.add(gradient, F.multiply(x, norm_coefficient))
    first = F.add(F.multiply(first, alpha), F.multiply(gradient, 1 - alpha))
    square = F.multiply(gradient, gradient)
    second = F.add(F.multiply(second, beta), F.multiply(square, 1 - beta))
    if count > 0:
        rate = rate * (1 - beta**count) ** 0.5 / (1 - alpha**count)
    step = F.divide(F.multiply(first, rate), F.add(F.sqrt(second), epsilon))
    return F.multiply(F.subtract(x, step), 1 - norm_coefficient_post), first, second


def _momentum(
    F: Any,
    rate: float,
    count: int,
    x: Any,
    gradient: Any,
    speed: Any,
    *,
    alpha: float,
    beta: float,
    mode: str,
    norm_coefficient: float,
) -> tuple[Any, ...]:
    if mode not in ("standard", "nesterov"):
        raise ValueRangeError(f"mode is {mode!r}; it may be standard or nesterov")
    gradient = F.add(gradient, F.multiply(x, norm_coefficient))
    new = F.add(F.multiply(speed, alpha), F.multiply(gradient, beta if count > 0 else 1.0))
    step = F.add(gradient, F.multiply(new, alpha)) if mode == "nesterov" else new
    return F.subtract(x, F.multiply(step, rate)), new


operator("Adagrad", domain=DOMAIN, host=(0, 1))(_each(3, _adagrad))
operator("Adam", domain=DOMAIN, host=(0, 1))(_each(4, _adam))
operator("Momentum", domain=DOMAIN, host=(0, 1))(_each(3, _momentum))


@operator("Gradient", domain=DOMAIN, raw=True)
def _gradient(F: Any, *inputs: Any, xs: Any, y: str, zs: Any = ()) -> Any:
    names = (*xs, *zs)
    if len(names) != len(inputs):
        raise ShapeError(f"{len(inputs)} inputs do not fit xs and zs, which name {len(names)}")
    E = F.over(*inputs)
    given = dict(zip(names, E.placed(inputs), strict=True))
    return tuple(gradients(E, F.run.steps(), given, tuple(xs), y))
