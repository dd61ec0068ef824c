"""hal.nn.lstm, gru and rnn: what they add to the operators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal import nn

rng = np.random.default_rng(8)
STEPS, BATCH, FEATURES, HIDDEN = 4, 3, 5, 6
X = rng.normal(size=(STEPS, BATCH, FEATURES)).astype(np.float32)


def made(cpu: Any, gates: int) -> list[Any]:
    """Return two weights and two biases."""
    rows = gates * HIDDEN
    shapes = ((rows, FEATURES), (rows, HIDDEN), (rows,), (rows,))
    return [
        hal.asarray(rng.uniform(-0.4, 0.4, shape).astype(np.float32), device=cpu)
        for shape in shapes
    ]


def test_an_lstm_is_pytorchs(cpu: Any) -> None:
    torch = pytest.importorskip("torch")
    layer = torch.nn.LSTM(FEATURES, HIDDEN, batch_first=True, bidirectional=True)
    turned = np.ascontiguousarray(X.swapaxes(0, 1))
    with torch.inference_mode():
        wanted, (h, c) = layer(torch.from_numpy(turned))
    weights = [hal.asarray(p.detach().numpy(), device=cpu) for p in layer.parameters()]
    x = hal.asarray(turned, device=cpu)
    ahead = nn.lstm(x, *weights[:4], batch_first=True)
    back = nn.lstm(x, *weights[4:], batch_first=True, reverse=True)
    both = hal.concat([ahead[0], back[0]], axis=-1)
    np.testing.assert_allclose(both.numpy(), wanted.numpy(), atol=1e-6)
    for direction, (_, (last, cell)) in enumerate((ahead, back)):
        np.testing.assert_allclose(last.numpy(), h.numpy()[direction], atol=1e-6)
        np.testing.assert_allclose(cell.numpy(), c.numpy()[direction], atol=1e-6)


@pytest.mark.parametrize(("function", "gates"), [(nn.lstm, 4), (nn.gru, 3), (nn.rnn, 1)])
def test_one_sequence_needs_no_axis_for_the_batch(cpu: Any, function: Any, gates: int) -> None:
    weights, x = made(cpu, gates), hal.asarray(X, device=cpu)
    state = hal.asarray(rng.normal(size=(1, HIDDEN)).astype(np.float32), device=cpu)
    whole: Any = (state, state) if function is nn.lstm else state
    alone: Any = (state[0], state[0]) if function is nn.lstm else state[0]
    wanted, last = function(x[:, :1], *weights, whole)
    found, end = function(x[:, 0], *weights, alone)
    assert found.shape == (STEPS, HIDDEN)
    np.testing.assert_array_equal(found.numpy(), wanted.numpy()[:, 0])
    last, end = (v if function is not nn.lstm else v[1] for v in (last, end))
    assert end.shape == (HIDDEN,)
    np.testing.assert_array_equal(end.numpy(), last.numpy()[0])


@pytest.mark.parametrize(("function", "gates"), [(nn.lstm, 4), (nn.gru, 3), (nn.rnn, 1)])
def test_half_a_sequence_and_then_the_other_is_the_whole(
    cpu: Any, function: Any, gates: int
) -> None:
    weights, x = made(cpu, gates), hal.asarray(X, device=cpu)
    whole, end = function(x, *weights)
    first, state = function(x[:2], *weights)
    second, last = function(x[2:], *weights, state)
    np.testing.assert_allclose(hal.concat([first, second]).numpy(), whole.numpy(), atol=1e-6)
    end, last = (v if function is not nn.lstm else v[1] for v in (end, last))
    np.testing.assert_allclose(last.numpy(), end.numpy(), atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"linear_before_reset": False}], ids=str)
def test_a_compiled_layer_gives_the_layers_results(cpu: Any, options: Any) -> None:
    weights, x = made(cpu, 3), hal.asarray(X, device=cpu)

    def net(x: Any) -> Any:
        output, _ = nn.gru(x, *weights, **options)
        return nn.relu(output) + 1

    np.testing.assert_allclose(hal.compile(net)(x).numpy(), net(x).numpy(), atol=1e-6)


def test_what_does_not_fit_is_said(cpu: Any) -> None:
    weights, x = made(cpu, 4), hal.asarray(X, device=cpu)
    with pytest.raises(hal.DTypeError, match="a tuple of the hidden and the cell state"):
        nn.lstm(x, *weights, x)
    with pytest.raises(hal.ShapeError, match=r"must be \(batch, steps, features\)"):
        nn.lstm(x[0, 0], *weights, batch_first=True)
    with pytest.raises(hal.ShapeError, match="weight_hh has shape"):
        nn.gru(x, *weights)
    with pytest.raises(hal.DTypeError, match="takes hal tensors"):
        nn.lstm(x, *weights, (1.0, 2.0))  # type: ignore[arg-type]
    with pytest.raises(hal.ValueRangeError, match="nonlinearity is 'sin'"):
        nn.rnn(x, *made(cpu, 1), nonlinearity="sin")
