"""Gradients by the chain rule, backwards through the nodes of a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hal.errors import Unsupported
from hal.onnx.operators.common import transpose, unsqueeze
from hal.onnx.values import dtype_of

if TYPE_CHECKING:
    from hal.onnx.graph import Step

__all__ = ["gradients"]

Back = Callable[..., list[Any]]


def _shrunk(F: Any, g: Any, x: Any) -> Any:
    """Return a gradient summed over the axes along which x was broadcast."""
    lead = len(g.shape) - len(x.shape)
    axes = tuple(range(lead)) + tuple(
        lead + a for a, n in enumerate(x.shape) if n == 1 and g.shape[lead + a] != 1
    )
    if not axes:
        return g
    total = F.sum(g, axis=axes, keepdims=False, dtype=dtype_of(x))
    return F.reshape(total, shape=tuple(x.shape))


def _matmul(F: Any, g: Any, y: Any, a: Any, b: Any) -> list[Any]:
    if len(a.shape) < 2 or len(b.shape) < 2:
        raise Unsupported("the gradient of MatMul needs matrices")

    def turned(x: Any) -> Any:
        ndim = len(x.shape)
        return transpose(F, x, (*range(ndim - 2), ndim - 1, ndim - 2))

    return [F.matmul(g, turned(b)), F.matmul(turned(a), g)]


def _reduced(mean: bool) -> Back:
    def back(F: Any, g: Any, y: Any, x: Any, *rest: Any) -> list[Any]:
        if len(g.shape) != len(x.shape):
            axes = [a for a in range(len(x.shape)) if len(g.shape) == 0 or a >= len(g.shape)]
            if len(g.shape):
                raise Unsupported("the gradient of a reduction needs keepdims or all axes")
            g = unsqueeze(F, g, axes)
        spread = F.broadcast_to(g, shape=tuple(x.shape))
        share = 1.0
        for n, m in zip(x.shape, g.shape, strict=True):
            share *= m / max(n, 1)
        return [F.multiply(spread, share) if mean else F.copy(spread), *[None for _ in rest]]

    return back


_BACK: dict[str, Back] = {
    "Identity": lambda F, g, y, x: [g],
    "Add": lambda F, g, y, a, b: [g, g],
    "Sub": lambda F, g, y, a, b: [g, F.negative(g)],
    "Mul": lambda F, g, y, a, b: [F.multiply(g, b), F.multiply(g, a)],
    "Div": lambda F, g, y, a, b: [
        F.divide(g, b), F.negative(F.divide(F.multiply(g, y), b))
    ],
    "Sum": lambda F, g, y, *xs: [g for _ in xs],
    "Neg": lambda F, g, y, x: [F.negative(g)],
    "Exp": lambda F, g, y, x: [F.multiply(g, y)],
    "Log": lambda F, g, y, x: [F.divide(g, x)],
    "Sqrt": lambda F, g, y, x: [F.divide(F.multiply(g, 0.5), y)],
    "Sin": lambda F, g, y, x: [F.multiply(g, F.cos(x))],
    "Cos": lambda F, g, y, x: [F.negative(F.multiply(g, F.sin(x)))],
    "Relu": lambda F, g, y, x: [F.where(F.greater(x, F.like(0, x)), g, F.like(0, g))],
    "Tanh": lambda F, g, y, x: [F.multiply(g, F.subtract(F.like(1, y), F.multiply(y, y)))],
    "Sigmoid": lambda F, g, y, x: [
        F.multiply(g, F.multiply(y, F.subtract(F.like(1, y), y)))
    ],
    "Pow": lambda F, g, y, x, p: [
        F.multiply(g, F.multiply(p, F.power(x, F.subtract(p, F.like(1, p))))),
        F.multiply(g, F.multiply(y, F.log(x))),
    ],
    "MatMul": _matmul,
    "ReduceSum": _reduced(mean=False),
    "ReduceMean": _reduced(mean=True),
}  # fmt: skip


def gradients(
    F: Any, steps: Sequence[Step], given: dict[str, Any], xs: tuple[str, ...], y: str
) -> list[Any]:
    """Return the gradient of ``y`` with respect to each of ``xs``.

    Parameters
    ----------
    F : Context
    steps : sequence of Step
        The graph around the node that asks.
    given : dict
        The values at which the gradient is taken, by name; what depends on them is run anew.
    xs : tuple of str
    y : str

    Raises
    ------
    Unsupported
        When there is a node in between whose gradient hal does not know.
    """
    values, path = dict(given), []
    for step in steps:
        if y in values:
            break
        if not any(n in values for n in step.inputs) or any(n in values for n in step.outputs):
            continue
        values.update(zip(step.outputs, F.run.replay(step, values), strict=True))
        path.append(step)
    if y not in values:
        raise Unsupported(f"{y!r} does not depend on {', '.join(xs)}")
    slopes = {y: F.full(F.like(1, values[y]), shape=tuple(values[y].shape))}
    for step in reversed(path):
        slope = slopes.get(step.outputs[0])
        if slope is None:
            continue
        if step.operator not in _BACK or step.domain:
            raise Unsupported(
                f"hal has no gradient of {step.operator}; it has those of: {', '.join(_BACK)}"
            )
        inputs = [F.place(F.run.value(n, values)) for n in step.inputs]
        result = F.place(values[step.outputs[0]])
        back = _BACK[step.operator](F, slope, result, *inputs)
        for name, x, part in zip(step.inputs, inputs, back, strict=True):
            if part is None or name not in values:
                continue
            part = _shrunk(F, part, x)
            slopes[name] = part if name not in slopes else F.add(slopes[name], part)
    return [slopes.get(x, F.full(F.like(0, given[x]), shape=tuple(given[x].shape))) for x in xs]
