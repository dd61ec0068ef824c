"""Recurrent layers: against PyTorch, their decomposition, and what does not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal.ops import ReferenceEvaluator, cost, evaluate_reference, operators
from hal.ops.recurrent import GATES
from hal.plugin import Layout, Product
from hal.testing.sample import samples_of
from hal.testing.tolerance import bound, difference

NAMES = sorted(GATES)


def given(
    name: str, steps: int = 5, batch: int = 3, features: int = 4, hidden: int = 6
) -> list[Any]:
    source = np.random.default_rng(2)
    rows = GATES[name] * hidden
    states = [(batch, hidden)] * (2 if name == "lstm" else 1)
    shapes = [(steps, batch, features), (rows, features), (rows, hidden), (rows,), (rows,)]
    return [source.normal(size=shape) for shape in shapes + states]


def torch_layer(name: str, x: Any, weights: Any, states: Any, reverse: bool) -> list[Any]:
    torch = pytest.importorskip("torch")
    kind = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[name]
    hidden = weights[1].shape[1]
    layer = kind(x.shape[2], hidden, dtype=torch.float64)
    with torch.inference_mode():
        for parameter, value in zip(layer.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(value))
        start = tuple(torch.from_numpy(s[None]) for s in states)
        steps = torch.from_numpy(np.ascontiguousarray(x[::-1] if reverse else x))
        output, last = layer(steps, start if name == "lstm" else start[0])
    found = output.numpy()
    lasts = last if name == "lstm" else (last,)
    return [found[::-1] if reverse else found, *[s.numpy()[0] for s in lasts]]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_it_is_pytorchs_layer(reference: Any, name: str, reverse: bool) -> None:
    x, *weights = given(name)
    wanted = torch_layer(name, x, weights[:4], weights[4:], reverse)
    found = reference(name, x, *weights, reverse=reverse)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_grus_reset_gate_may_act_before_the_product(reference: Any) -> None:
    x, weight, recurrence, bias, back, h = given("gru", steps=1)
    gates = x[0] @ weight.T + bias
    reset, update = (
        1 / (1 + np.exp(-(gates + h @ recurrence.T + back)[:, n : n + 6])) for n in (0, 6)
    )
    new = np.tanh(gates[:, 12:] + (reset * h) @ recurrence[12:].T + back[12:])
    found = reference("gru", x, weight, recurrence, bias, back, h, linear_before_reset=False)
    np.testing.assert_allclose(found[1], (1 - update) * new + update * h, rtol=1e-12)


@pytest.mark.parametrize("dtype", [hal.float64, hal.float32, hal.float16, hal.bfloat16], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_its_steps_give_what_it_gives(name: str, dtype: Any) -> None:
    op, source = operators[name], np.random.default_rng(4)
    for sample in samples_of(op, dtype):
        arrays = [None if i is None else i.values(source, i.shape, dtype) for i in sample.inputs]
        wanted = evaluate_reference(op, arrays, sample.attributes)
        layouts = [None if a is None else Layout(dtype, a.shape) for a in arrays]
        attributes = op.infer(layouts, sample.attributes).attributes
        assert op.decompose is not None
        found = op.decompose(ReferenceEvaluator(), *arrays, **attributes)
        for a, b in zip(found, wanted, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            allowed = bound(op, attributes, arrays, b, dtype)
            assert difference(a, b, allowed, zeros=False) is None, sample


@pytest.mark.parametrize("name", NAMES)
def test_without_steps_the_states_stay_as_they_are(reference: Any, name: str) -> None:
    x, *weights = given(name, steps=0)
    output, *lasts = reference(name, x, *weights)
    assert output.shape == (0, 3, 6)
    for last, state in zip(lasts, weights[4:], strict=True):
        np.testing.assert_array_equal(last, state)


@pytest.mark.parametrize(
    ("name", "position", "shape", "attributes", "message"),
    [
        ("lstm", 0, (5, 4), {}, "the input has shape"),
        ("lstm", 2, (18, 6), {}, r"for 6 hidden features it must be \(24, 6\)"),
        ("gru", 1, (18, 5), {}, r"weight_ih has shape \(18, 5\)"),
        ("gru", 3, (6,), {}, "bias_ih has shape"),
        ("rnn", 4, (6, 1), {}, "bias_hh has shape"),
        ("lstm", 5, (1, 3, 6), {}, "the hidden state has shape"),
        ("lstm", 6, (3, 5), {}, r"the cell state has shape \(3, 5\)"),
        ("rnn", 0, (5, 3, 4), {"nonlinearity": "sin"}, "must be one of"),
        ("gru", 0, (5, 3, 4), {"precision": "low"}, "precision"),
        ("gru", 0, (5, 3, 4), {"clip": 1.0}, "unknown attributes clip"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, position: int, shape: Any, attributes: Any, message: str
) -> None:
    layouts = [Layout(hal.float32, a.shape) for a in given(name)]
    layouts[position] = Layout(hal.float32, shape)
    with pytest.raises(hal.HalError, match=message):
        operators[name].infer(layouts, attributes)


def test_integers_and_one_state_too_many_are_refused() -> None:
    layouts = [Layout(hal.float32, a.shape) for a in given("gru")]
    with pytest.raises(hal.DTypeError, match="takes 6 tensors; got 7"):
        operators["gru"].infer([*layouts, layouts[-1]], {})
    with pytest.raises(hal.DTypeError, match="not defined for int64"):
        operators["gru"].infer([Layout(hal.int64, x.shape) for x in layouts], {})


@pytest.mark.parametrize("name", NAMES)
def test_its_work_is_one_product_and_one_of_each_step(name: str) -> None:
    arrays = given(name)
    layouts = [Layout(hal.float32, a.shape) for a in arrays]
    op = operators[name]
    inference = op.infer(layouts, {})
    found = cost(op, layouts, [Layout(*o) for o in inference.outputs], inference.attributes)
    rows = 6 * GATES[name]
    assert found.products == (Product(15, rows, 4), *[Product(3, rows, 6)] * 5)
    assert found.matrix == 2 * 15 * rows * (4 + 6)
