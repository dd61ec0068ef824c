"""Recurrent layers: plain, GRU and LSTM, each one layer in one direction.

Weights, their gates and what these mean are PyTorch's: a weight has the rows of all gates, one gate
behind the other, for LSTM those of input, forget, cell and output, for GRU those of reset, update
and new. Steps come first: an input has shape (steps, batch, features). Results are the hidden
states of all steps and the states behind the last one that is calculated; that is the first one
where the layer runs from the last step to the first.

GRU's new gate multiplies by the reset gate what the recurrent product gives, bias included; with
``linear_before_reset=False`` it multiplies the hidden state before the product, as Cho et al. have
it. Half precision is calculated in float32 from the first step to the last, then rounded.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html,
https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html,
https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html,
https://arxiv.org/abs/1406.1078
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from hal.dtypes import FLOATING, DType, as_dtype
from hal.errors import ShapeError, ValueRangeError
from hal.ops.operator import Attributes, Evaluator, Inference, Inputs, Rule, define
from hal.ops.product import check_precision
from hal.ops.rules import check_dtype, check_ndim, present, promoted
from hal.ops.widening import narrow, wide, widen
from hal.plugin.layout import Shape

__all__ = ["GATES", "NONLINEARITIES"]

FAMILY = "recurrent"
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
"""How many gates a layer has, by operator."""
NONLINEARITIES = ("tanh", "relu")

_NAMES = ("the input", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "the hidden state",
          "the cell state")  # fmt: skip


def _rule(gates: int, states: int) -> Rule:
    """Return the rule of a layer with so many gates and states."""

    def rule(name: str, inputs: Inputs, attributes: Attributes) -> Inference:
        x, _, recurrence = present(name, inputs, 3)
        check_ndim(name, "the input", x, 3, 3)
        check_ndim(name, "weight_hh", recurrence, 2, 2)
        steps, batch, features = x.shape
        hidden = recurrence.shape[1]
        if recurrence.shape[0] != gates * hidden:
            raise ShapeError(
                f"{name}: weight_hh has shape {recurrence.shape}; for {hidden} hidden features it "
                f"must be {(gates * hidden, hidden)}"
            )
        rows: Shape = (gates * hidden,)
        wanted = ((*rows, features), recurrence.shape, rows, rows, *[(batch, hidden)] * states)
        for what, given, shape in zip(_NAMES[1:], inputs[1:], wanted, strict=False):
            if given is not None and given.shape != shape:
                raise ShapeError(
                    f"{name}: {what} has shape {given.shape}; for an input {x.shape} and {hidden} "
                    f"hidden features it must be {shape}"
                )
        dtype = promoted(name, [i for i in inputs if i is not None])
        check_dtype(name, dtype, FLOATING)
        cast: tuple[DType | None, ...] = tuple([None if i is None else dtype for i in inputs])
        outputs = ((dtype, (steps, batch, hidden)), *[(dtype, (batch, hidden))] * states)
        return Inference(cast[: 5 + states], outputs, _canonical(name, attributes))

    return rule


def _canonical(name: str, attributes: Attributes) -> Attributes:
    found = {**check_precision(name, attributes), "reverse": bool(attributes["reverse"])}
    if "linear_before_reset" in found:
        found["linear_before_reset"] = bool(found["linear_before_reset"])
    if found.get("nonlinearity", "tanh") not in NONLINEARITIES:
        raise ValueRangeError(
            f"{name}: nonlinearity is {found['nonlinearity']!r}; it must be one of {NONLINEARITIES}"
        )
    return found


# References


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


Cell = Callable[..., tuple[Any, ...]]


def _reference(
    cell: Cell, states: int, x: Any, weight: Any, recurrence: Any, *rest: Any, reverse: bool,
    precision: str, **options: Any,
) -> tuple[Any, ...]:  # fmt: skip
    given = (*rest, *[None] * (2 + states))[: 2 + states]
    bias, back, *now = map(wide, given)
    weight, recurrence = wide(weight), wide(recurrence)
    steps, batch = x.shape[:2]
    hidden = recurrence.shape[1]
    now = [np.zeros((batch, hidden), weight.dtype) if s is None else s for s in now]
    inputs = np.matmul(wide(x), weight.T)
    inputs = inputs if bias is None else inputs + bias
    back = np.zeros(len(recurrence), weight.dtype) if back is None else back
    result = np.empty((steps, batch, hidden), x.dtype)
    for step in reversed(range(steps)) if reverse else range(steps):
        now = list(cell(inputs[step], recurrence, back, *now, **options))
        result[step] = now[0]
    return (result, *[s.astype(x.dtype) for s in now])


def _rnn_cell(given: Any, recurrence: Any, bias: Any, h: Any, *, nonlinearity: str) -> Any:
    total = given + np.matmul(h, recurrence.T) + bias
    return (np.tanh(total) if nonlinearity == "tanh" else np.maximum(total, 0),)


def _gru_cell(given: Any, recurrence: Any, bias: Any, h: Any, *, linear_before_reset: bool) -> Any:
    rows = 2 * h.shape[1]
    both = given[:, :rows] + np.matmul(h, recurrence[:rows].T) + bias[:rows]
    reset, update = np.split(_sigmoid(both), 2, axis=1)
    fed = h if linear_before_reset else reset * h
    back = np.matmul(fed, recurrence[rows:].T) + bias[rows:]
    new = np.tanh(given[:, rows:] + (reset * back if linear_before_reset else back))
    return ((1 - update) * new + update * h,)


def _lstm_cell(given: Any, recurrence: Any, bias: Any, h: Any, c: Any) -> Any:
    enter, forget, fresh, leave = np.split(given + np.matmul(h, recurrence.T) + bias, 4, axis=1)
    c = _sigmoid(forget) * c + _sigmoid(enter) * np.tanh(fresh)
    return _sigmoid(leave) * np.tanh(c), c


# Decompositions: one product for the inputs of all steps, then step by step. A state that is not
# given is zero, and left out of the first step.


class _Layer:
    """What the steps of a decomposition share."""

    def __init__(self, F: Evaluator, recurrence: Any, bias: Any, precision: str) -> None:
        self.F = F
        self.recurrence, self.bias = recurrence, bias
        self.precision = precision
        self.size = recurrence.shape[1]

    def back(self, h: Any, first: int, last: int) -> Any:
        """Return what a hidden state adds to gates; None for nothing."""
        bias = self.gates(self.bias, first, last)
        if h is None:
            return bias
        weight, rows = self.recurrence, (first * self.size, last * self.size)
        if rows != (0, weight.shape[0]):
            weight = self.F.slice(
                weight, start=(rows[0], 0), stop=(rows[1], self.size), step=(1, 1)
            )
        return self.F.linear(h, weight, bias, precision=self.precision)

    def gates(self, x: Any, first: int, last: int) -> Any:
        """Return the columns of gates ``first`` to ``last - 1``; None of None."""
        start, stop = first * self.size, last * self.size
        if x is None or (start, stop) == (0, x.shape[-1]):
            return x
        lead = x.shape[:-1]
        first_of, one_of = (0,) * len(lead), (1,) * len(lead)
        return self.F.slice(x, start=(*first_of, start), stop=(*lead, stop), step=(*one_of, 1))

    def plus(self, x: Any, more: Any) -> Any:
        """Return a sum; None is nothing."""
        return x if more is None else self.F.add(x, more)


def _decompose(
    step: Callable[..., tuple[Any, ...]], states: int, F: Evaluator, x: Any, weight: Any,
    recurrence: Any, *rest: Any, reverse: bool, precision: str, **options: Any,
) -> tuple[Any, ...]:  # fmt: skip
    given = (*rest, *[None] * (2 + states))[: 2 + states]
    bias, back, *now = [widen(F, v) for v in given]
    layer = _Layer(F, widen(F, recurrence), back, precision)
    steps, batch = x.shape[:2]
    inputs = F.linear(widen(F, x), widen(F, weight), bias, precision=precision)
    shape, width = (batch, layer.size), inputs.shape[-1]
    found: list[Any] = [None] * steps
    for t in reversed(range(steps)) if reverse else range(steps):
        one = F.slice(inputs, start=(t, 0, 0), stop=(t + 1, batch, width), step=(1, 1, 1))
        now = list(step(layer, F.reshape(one, shape=(batch, width)), *now, **options))
        found[t] = F.reshape(now[0], shape=(1, *shape))
    if steps:
        lasts = [narrow(F, s, x.dtype) for s in now]
        return (narrow(F, F.concat(*found, axis=0), x.dtype), *lasts)
    lasts = [_zeros(F, shape, x) if s is None else F.copy(narrow(F, s, x.dtype)) for s in now]
    return (_zeros(F, (0, *shape), x), *lasts)


def _zeros(F: Evaluator, shape: Shape, like: Any) -> Any:
    return narrow(F, F.full(0.0, shape=shape), as_dtype(like.dtype))


def _rnn_step(layer: _Layer, given: Any, h: Any, *, nonlinearity: str) -> tuple[Any, ...]:
    total = layer.plus(given, layer.back(h, 0, 1))
    return (layer.F.tanh(total) if nonlinearity == "tanh" else layer.F.relu(total),)


def _gru_step(layer: _Layer, given: Any, h: Any, *, linear_before_reset: bool) -> tuple[Any, ...]:
    F = layer.F
    back = layer.back(h, 0, 3 if linear_before_reset else 2)
    both = F.sigmoid(layer.plus(layer.gates(given, 0, 2), layer.gates(back, 0, 2)))
    reset, update = layer.gates(both, 0, 1), layer.gates(both, 1, 2)
    if linear_before_reset:
        last = None if back is None else F.multiply(reset, layer.gates(back, 2, 3))
    else:
        last = layer.back(None if h is None else F.multiply(reset, h), 2, 3)
    new = F.tanh(layer.plus(layer.gates(given, 2, 3), last))
    old = F.negative(new) if h is None else F.subtract(h, new)
    return (F.add(new, F.multiply(update, old)),)


def _lstm_step(layer: _Layer, given: Any, h: Any, c: Any) -> tuple[Any, ...]:
    F = layer.F
    total = layer.plus(given, layer.back(h, 0, 4))
    both = F.sigmoid(layer.gates(total, 0, 2))
    enter, forget = layer.gates(both, 0, 1), layer.gates(both, 1, 2)
    fresh, leave = F.tanh(layer.gates(total, 2, 3)), F.sigmoid(layer.gates(total, 3, 4))
    cell = F.multiply(enter, fresh)
    cell = cell if c is None else F.add(F.multiply(forget, c), cell)
    return F.multiply(leave, F.tanh(cell)), cell


for _name, _cell, _step, _states, _options in (
    ("rnn", _rnn_cell, _rnn_step, 1, {"nonlinearity": "tanh"}),
    ("gru", _gru_cell, _gru_step, 1, {"linear_before_reset": True}),
    ("lstm", _lstm_cell, _lstm_step, 2, {}),
):
    define(
        _name,
        FAMILY,
        partial(_reference, _cell, _states),
        _rule(GATES[_name], _states),
        partial(_decompose, _step, _states),
        reverse=False,
        precision="highest",
        **_options,
    )
