"""Samples of recurrent layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hal.dtypes import DType
from hal.ops import Operator
from hal.ops.recurrent import GATES, NONLINEARITIES
from hal.testing.sample import Input, Sample, sampler
from hal.testing.values import unit

Shape = tuple[int, ...]


def _weight(rng: np.random.Generator, shape: Shape, dtype: DType) -> Any:
    """Return values of the size that layers start with: a state neither dies out nor explodes."""
    found = unit(rng, shape, dtype)
    return (found / np.sqrt(max(shape[-1], 1))).astype(dtype.numpy)


@sampler("rnn", "gru", "lstm")
def recurrent(op: Operator, dtype: DType) -> Iterator[Sample]:
    """Yield both directions, with and without biases and states; sizes beside those of vectors."""
    for steps, batch, features, hidden in (
        (3, 2, 4, 5), (1, 1, 1, 1), (5, 1, 3, 16), (7, 3, 33, 17), (4, 9, 8, 40), (2, 0, 3, 4),
        (0, 2, 3, 4), (3, 2, 0, 4), (2, 5, 3, 1),
    ):  # fmt: skip
        given = _given(op, steps, batch, features, hidden)
        yield Sample(given[:3])
        yield Sample(given, {"reverse": True}, "biases and states")
    given = _given(op, 4, 3, 6, 8)
    for options in _options(op):
        for reverse in (False, True):
            attributes = {"reverse": reverse, **options}
            yield Sample((*given[:4], None, *given[5:]), attributes, "bias_ih and states")
            yield Sample((*given[:3], None, given[4]), attributes, "bias_hh")
    if op.name == "lstm":
        yield Sample((*given[:5], None, given[6]), note="cell state alone")
    yield Sample(given, layouts=True)
    yield Sample(_given(op, 33, 4, 65, 96), large=True)


def _given(op: Operator, steps: int, batch: int, features: int, hidden: int) -> tuple[Input, ...]:
    rows = GATES[op.name] * hidden
    states = (Input((batch, hidden), unit),) * (2 if op.name == "lstm" else 1)
    return (
        Input((steps, batch, features)),
        Input((rows, features), _weight),
        Input((rows, hidden), _weight),
        Input((rows,), unit),
        Input((rows,), unit),
        *states,
    )


def _options(op: Operator) -> list[Mapping[str, Any]]:
    if op.name == "rnn":
        return [{"nonlinearity": name} for name in NONLINEARITIES]
    if op.name == "gru":
        return [{"linear_before_reset": first} for first in (True, False)]
    return [{}]
