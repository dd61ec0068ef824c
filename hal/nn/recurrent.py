"""Recurrent layers: one layer in one direction, as ``torch.nn.LSTM``, ``GRU`` and ``RNN`` have it.

Sources: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTM.html,
https://docs.pytorch.org/docs/stable/generated/torch.nn.GRU.html,
https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
"""

from __future__ import annotations

from typing import Any

from hal.errors import DTypeError, ShapeError
from hal.nn.run import check_tensor, run
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["gru", "lstm", "rnn"]


def lstm(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    hx: tuple[Tensor, Tensor] | None = None,
    *,
    batch_first: bool = False,
    reverse: bool = False,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the hidden states of a long short-term memory layer, and its last states.

    The weights are those of a :class:`torch.nn.LSTM` of one layer: the rows of the input gate,
    then those of the forget gate, the cell and the output gate. A bidirectional layer is two
    calls, whose results are concatenated.

    Parameters
    ----------
    input : Tensor, shape (steps, batch, in_features) or (steps, in_features)
    weight_ih : Tensor, shape (4 * hidden_features, in_features)
    weight_hh : Tensor, shape (4 * hidden_features, hidden_features)
    bias_ih, bias_hh : Tensor, shape (4 * hidden_features,), optional
    hx : tuple of two Tensor, shape (batch, hidden_features) or (hidden_features,), optional
        The hidden and the cell state to start with; zeros where left out.
    batch_first : bool
        Whether input and output have shape (batch, steps, features) instead.
    reverse : bool
        Whether the layer runs from the last step to the first. The output's steps stay in the
        input's order.

    Returns
    -------
    output : Tensor, shape (steps, batch, hidden_features)
    (h_n, c_n) : tuple of two Tensor, shape (batch, hidden_features)
        The states behind the last step that is calculated.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor of floating-point numbers.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((3, 1, 2), device="cpu:0")
    >>> weight_ih, weight_hh = hal.ones((4, 2), device="cpu:0"), hal.ones((4, 1), device="cpu:0")
    >>> output, (h, c) = hal.nn.lstm(x, weight_ih, weight_hh)
    >>> output.shape, h.shape, round(c.item(), 4)
    ((3, 1, 1), (1, 1), 2.561)
    """
    if hx is not None and not (isinstance(hx, tuple | list) and len(hx) == 2):
        raise DTypeError("lstm: hx is a tuple of the hidden and the cell state, or None")
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    output, *last = _layer("lstm", input, weights, hx or (None, None), batch_first, reverse)
    return output, (last[0], last[1])


def gru(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    hx: Tensor | None = None,
    *,
    batch_first: bool = False,
    reverse: bool = False,
    linear_before_reset: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return the hidden states of a gated recurrent unit layer, and the last one.

    The weights are those of a :class:`torch.nn.GRU` of one layer: the rows of the reset gate, then
    those of the update gate and the new gate.

    Parameters
    ----------
    input : Tensor, shape (steps, batch, in_features) or (steps, in_features)
    weight_ih : Tensor, shape (3 * hidden_features, in_features)
    weight_hh : Tensor, shape (3 * hidden_features, hidden_features)
    bias_ih, bias_hh : Tensor, shape (3 * hidden_features,), optional
    hx : Tensor, shape (batch, hidden_features) or (hidden_features,), optional
        The hidden state to start with; zeros where left out.
    batch_first : bool
        Whether input and output have shape (batch, steps, features) instead.
    reverse : bool
        Whether the layer runs from the last step to the first. The output's steps stay in the
        input's order.
    linear_before_reset : bool
        Whether the reset gate is multiplied by what the new gate's recurrent product gives, as in
        PyTorch, or else by the hidden state before that product, as in the paper.

    Returns
    -------
    output : Tensor, shape (steps, batch, hidden_features)
    h_n : Tensor, shape (batch, hidden_features)
        The state behind the last step that is calculated.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor of floating-point numbers.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((3, 1, 2), device="cpu:0")
    >>> weight_ih, weight_hh = hal.ones((3, 2), device="cpu:0"), hal.ones((3, 1), device="cpu:0")
    >>> output, h = hal.nn.gru(x, weight_ih, weight_hh, reverse=True)
    >>> output.shape, round(h.item(), 4)
    ((3, 1, 1), 0.2832)
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    before = bool(linear_before_reset)
    output, last = _layer(
        "gru", input, weights, (hx,), batch_first, reverse, linear_before_reset=before
    )
    return output, last


def rnn(
    input: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor | None = None,
    bias_hh: Tensor | None = None,
    hx: Tensor | None = None,
    *,
    batch_first: bool = False,
    reverse: bool = False,
    nonlinearity: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """Return the hidden states of a plain recurrent layer, and the last one.

    A step's is ``nonlinearity(input @ weight_ih.T + bias_ih + hidden @ weight_hh.T + bias_hh)``.

    Parameters
    ----------
    input : Tensor, shape (steps, batch, in_features) or (steps, in_features)
    weight_ih : Tensor, shape (hidden_features, in_features)
    weight_hh : Tensor, shape (hidden_features, hidden_features)
    bias_ih, bias_hh : Tensor, shape (hidden_features,), optional
    hx : Tensor, shape (batch, hidden_features) or (hidden_features,), optional
        The hidden state to start with; zeros where left out.
    batch_first : bool
        Whether input and output have shape (batch, steps, features) instead.
    reverse : bool
        Whether the layer runs from the last step to the first. The output's steps stay in the
        input's order.
    nonlinearity : {"tanh", "relu"}

    Returns
    -------
    output : Tensor, shape (steps, batch, hidden_features)
    h_n : Tensor, shape (batch, hidden_features)
        The state behind the last step that is calculated.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor of floating-point numbers.
    ValueRangeError
        When the nonlinearity is another.

    Examples
    --------
    >>> import hal
    >>> x, one = hal.ones((3, 1), device="cpu:0"), hal.ones((1, 1), device="cpu:0")
    >>> hal.nn.rnn(x, one, one, nonlinearity="relu")
    (Tensor([[1.],
            [2.],
            [3.]], dtype=float32, device='cpu:0'),
     Tensor([3.], dtype=float32, device='cpu:0'))
    """
    weights = weight_ih, weight_hh, bias_ih, bias_hh
    output, last = _layer(
        "rnn", input, weights, (hx,), batch_first, reverse, nonlinearity=nonlinearity
    )
    return output, last


def _layer(
    name: str, x: Tensor, weights: tuple[Tensor | None, ...], states: tuple[Tensor | None, ...],
    batch_first: bool, reverse: bool, **options: Any,
) -> list[Tensor]:  # fmt: skip
    """Run an operator; return its results, shaped as the input is."""
    check_tensor(name, x)
    alone = x.ndim == 2
    if x.ndim not in (2, 3):
        order = "(batch, steps, features)" if batch_first else "(steps, batch, features)"
        raise ShapeError(
            f"{name}: the input has shape {x.shape}; it must be {order}, or (steps, features) alone"
        )
    if alone:
        x = run("reshape", x, shape=(x.shape[0], 1, x.shape[1]))
        states = tuple([None if s is None else _row(name, s) for s in states])
    elif batch_first:
        x = run("permute", x, axes=(1, 0, 2))
    precision = current_precision()
    made: Any = run(
        name, x, *weights, *states, reverse=bool(reverse), precision=precision, **options
    )
    if alone:
        output, *lasts = made
        wide = run("reshape", output, shape=(output.shape[0], output.shape[2]))
        return [wide, *[run("reshape", s, shape=s.shape[1:]) for s in lasts]]
    return [run("permute", made[0], axes=(1, 0, 2)), *made[1:]] if batch_first else [*made]


def _row(name: str, state: Tensor) -> Tensor:
    """Return the state of a sequence that is alone as that of a batch."""
    check_tensor(name, state)
    return run("reshape", state, shape=(1, state.shape[0])) if state.ndim == 1 else state
