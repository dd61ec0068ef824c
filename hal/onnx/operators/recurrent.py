"""Recurrent layers: RNN, GRU and LSTM, by hal's operators for one layer in one direction.

What those do not have, such as peepholes, other activations, a bound on what goes into the gates
and sequences of several lengths, is calculated step by step over one product for all inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cast, cut, narrow, transpose, unsqueeze, widen
from hal.onnx.registry import operator
from hal.ops.recurrent import NONLINEARITIES
from hal.precision import current_precision

Activation = Callable[[Any], Any]

# Defaults of alpha and beta, source: https://onnx.ai/onnx/operators/onnx__LSTM.html
_DEFAULTS = {
    "affine": (1.0, 0.0),
    "elu": (1.0, 0.0),
    "hardsigmoid": (0.2, 0.5),
    "leakyrelu": (0.01, 0.0),
    "scaledtanh": (1.0, 1.0),
    "thresholdedrelu": (1.0, 0.0),
}


# The gates of hal's operators, by their places among ONNX's.
_GATES = {"rnn": (0,), "gru": (1, 0, 2), "lstm": (0, 2, 3, 1)}


def _listed(names: Any, default: tuple[str, ...], directions: int) -> list[str]:
    """Return the names of the activation functions of all directions."""
    listed = [n.lower() for n in (names or default * directions)]
    if default == ("tanh",):
        # The schema of RNN names two, whatever the number of directions.
        listed = listed[:directions]
    if len(listed) != len(default) * directions:
        raise ValueRangeError(f"{len(listed)} activations do not fit {directions} directions")
    return listed


def _activations(
    F: Any, listed: list[str], alphas: Any, betas: Any, directions: int
) -> list[list[Activation]]:
    """Return the activation functions of each direction."""
    alpha, beta = list(alphas or ()), list(betas or ())
    found = []
    for name in listed:
        first, second = _DEFAULTS.get(name, (0.0, 0.0))
        if name in _DEFAULTS and alpha:
            first = alpha.pop(0)
        if name in ("affine", "hardsigmoid", "scaledtanh") and beta:
            second = beta.pop(0)
        found.append(_activation(F, name, first, second))
    width = len(found) // directions
    return [found[d * width : (d + 1) * width] for d in range(directions)]


def _activation(F: Any, name: str, alpha: float, beta: float) -> Activation:
    functions: dict[str, Activation] = {
        "relu": F.relu,
        "tanh": F.tanh,
        "sigmoid": F.sigmoid,
        "softsign": F.softsign,
        "softplus": lambda x: F.logaddexp(x, F.like(0, x)),
        "affine": lambda x: F.add(F.multiply(x, alpha), beta),
        "elu": lambda x: F.elu(x, alpha=alpha),
        "hardsigmoid": lambda x: F.minimum(F.maximum(F.add(F.multiply(x, alpha), beta), 0.0), 1.0),
        "leakyrelu": lambda x: F.leaky_relu(x, negative_slope=alpha),
        "scaledtanh": lambda x: F.multiply(F.tanh(F.multiply(x, beta)), alpha),
        "thresholdedrelu": lambda x: F.where(F.greater_equal(x, alpha), x, F.like(0, x)),
    }
    if name not in functions:
        raise ValueRangeError(f"the activation {name!r} is unknown; known: {', '.join(functions)}")
    return functions[name]


class _Layer:
    """Attributes and inputs that all recurrent layers share, in layout 0."""

    def __init__(
        self, F: Any, x: Any, weight: Any, recurrence: Any, bias: Any, lengths: Any,
        initial: list[Any], direction: str, layout: int, clip: float | None, gates: int,
    ) -> None:  # fmt: skip
        self.F = F
        self.layout = layout
        self.like = x
        if direction not in ("forward", "reverse", "bidirectional"):
            raise ValueRangeError(f"direction is {direction!r}")
        self.directions = 2 if direction == "bidirectional" else 1
        self.backwards = [direction == "reverse", True]
        if len(x.shape) != 3 or len(recurrence.shape) != 3:
            raise ShapeError(f"the input {tuple(x.shape)} needs three axes, so do the weights")
        if layout:
            x = transpose(F, x, (1, 0, 2))
            initial = [None if v is None else transpose(F, v, (1, 0, 2)) for v in initial]
        self.x = x
        self.length, self.batch = x.shape[:2]
        self.hidden = recurrence.shape[2]
        wanted = (self.directions, gates * self.hidden, self.hidden)
        if tuple(recurrence.shape) != wanted:
            raise ShapeError(f"the recurrence {tuple(recurrence.shape)} must be {wanted}")
        self.weight, self.recurrence, self.bias = weight, recurrence, bias
        self.initial = initial
        self.clip = clip
        self.gates = gates
        self.lengths = None
        if lengths is not None:
            self.lengths = F.reshape(cast(F, lengths, dtypes.int64), shape=(self.batch, 1))

    @property
    def plain(self) -> bool:
        """Whether sequences are of one length, and nothing bounds what goes into the gates."""
        return self.lengths is None and self.clip is None

    def part(self, x: Any, d: int) -> Any:
        """Return a tensor's part for one direction."""
        return self.F.reshape(cut(self.F, x, {0: (d, d + 1)}), shape=tuple(x.shape[1:]))

    def start(self, n: int, d: int) -> Any:
        """Return the initial state of that number."""
        if self.initial[n] is not None:
            return self.part(self.initial[n], d)
        return self.F.full(self.F.like(0, self.x), shape=(self.batch, self.hidden))

    def gate(self, x: Any, n: int) -> Any:
        """Return one gate's columns."""
        return cut(self.F, x, {-1: (n * self.hidden, (n + 1) * self.hidden)})

    def clipped(self, x: Any) -> Any:
        """Return a gate's input within the bounds of the attribute clip."""
        if self.clip is None:
            return x
        return self.F.minimum(self.F.maximum(x, -self.clip), self.clip)

    def times(self, x: Any, weight: Any) -> Any:
        """Return x times the transpose of a weight."""
        return self.F.linear(x, weight, None, precision=current_precision())

    def whole(self, name: str, **options: Any) -> tuple[Any, ...]:
        """Run hal's operator in each direction; return Y and the last states.

        Of an option there is a list, with a value for each direction.
        """
        found = []
        for d in range(self.directions):
            weights = [self.ordered(self.part(w, d), name) for w in (self.weight, self.recurrence)]
            biases = [None if b is None else self.ordered(b, name) for b in self.biases(d)]
            states = [None if v is None else self.part(v, d) for v in self.initial]
            chosen = {key: values[d] for key, values in options.items()}
            operator = getattr(self.F, name)
            precision, reverse = current_precision(), self.backwards[d]
            found.append(
                operator(
                    self.x, *weights, *biases, *states, reverse=reverse, precision=precision,
                    **chosen,
                )
            )  # fmt: skip
        ys, *lasts = zip(*found, strict=True)
        return self.joined(list(ys), [list(parts) for parts in lasts])

    def ordered(self, x: Any, name: str) -> Any:
        """Return a weight or a bias with its gates in the order of hal's operator."""
        if _GATES[name] == (0,):
            return x
        size = self.hidden
        parts = [cut(self.F, x, {0: (n * size, (n + 1) * size)}) for n in _GATES[name]]
        return self.F.concat(*parts, axis=0)

    def joined(self, ys: list[Any], lasts: list[list[Any]]) -> tuple[Any, ...]:
        """Return Y and the last states, made of what each direction gives."""
        F = self.F

        def along(axis: int, values: list[Any]) -> Any:
            wide = [unsqueeze(F, v, (axis,)) for v in values]
            return wide[0] if len(wide) == 1 else F.concat(*wide, axis=axis)

        whole, ends = along(1, ys), [along(0, parts) for parts in lasts]
        if self.layout:
            whole = transpose(F, whole, (2, 0, 1, 3))
            ends = [transpose(F, e, (1, 0, 2)) for e in ends]
        return whole, *ends

    def run(self, step: Callable[..., list[Any]], states: int) -> tuple[Any, ...]:
        """Run ``step(direction, inputs, states)`` over time; return Y and the last states."""
        F = self.F
        self.x, self.weight, self.recurrence, self.bias, *self.initial = [
            widen(F, v) for v in (self.x, self.weight, self.recurrence, self.bias, *self.initial)
        ]
        ys, lasts = [], [[] for _ in range(states)]  # type: ignore[var-annotated]
        for d in range(self.directions):
            now = [self.start(n, d) for n in range(states)]
            inputs = self.times(self.x, self.part(self.weight, d))
            found: list[Any] = [None] * self.length
            order = range(self.length)
            for t in reversed(order) if self.backwards[d] else order:
                given = F.reshape(cut(F, inputs, {0: (t, t + 1)}), shape=tuple(inputs.shape[1:]))
                new = step(d, given, now)
                shown = new[0]
                if self.lengths is not None:
                    runs = F.greater(self.lengths, t)
                    shown = F.where(runs, new[0], F.like(0, new[0]))
                    new = [F.where(runs, a, b) for a, b in zip(new, now, strict=True)]
                now, found[t] = new, unsqueeze(F, shown, (0,))
            y = F.concat(*found, axis=0) if found else F.full(
                F.like(0, self.x), shape=(0, self.batch, self.hidden)
            )  # fmt: skip
            ys.append(y)
            for n, state in enumerate(now):
                lasts[n].append(state)
        return tuple(F.copy(narrow(F, v, self.like)) for v in self.joined(ys, lasts))

    def biases(self, d: int) -> tuple[Any, Any]:
        """Return the bias of the inputs and of the recurrence; None for none."""
        if self.bias is None:
            return None, None
        both, width = self.part(self.bias, d), self.gates * self.hidden
        return cut(self.F, both, {0: (0, width)}), cut(self.F, both, {0: (width, 2 * width)})


def _added(F: Any, x: Any, *more: Any) -> Any:
    for value in more:
        x = x if value is None else F.add(x, value)
    return x


@operator("RNN")
def _rnn(
    F: Any, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, initial_h: Any = None, *,
    activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int = 0, layout: int = 0,
) -> Any:  # fmt: skip
    layer = _Layer(F, x, w, r, b, lengths, [initial_h], direction, layout, clip, 1)
    listed = _listed(activations, ("tanh",), layer.directions)
    if layer.plain and {*listed} <= {*NONLINEARITIES}:
        return layer.whole("rnn", nonlinearity=listed)
    functions = _activations(F, listed, activation_alpha, activation_beta, layer.directions)

    def step(d: int, given: Any, now: list[Any]) -> list[Any]:
        total = F.add(given, layer.times(now[0], layer.part(layer.recurrence, d)))
        return [functions[d][0](layer.clipped(_added(F, total, *layer.biases(d))))]

    return layer.run(step, 1)


@operator("GRU")
def _gru(
    F: Any, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, initial_h: Any = None, *,
    activation_alpha: Any = None, activation_beta: Any = None, activations: Any = None,
    clip: float | None = None, direction: str = "forward", hidden_size: int = 0, layout: int = 0,
    linear_before_reset: int = 0,
) -> Any:  # fmt: skip
    layer = _Layer(F, x, w, r, b, lengths, [initial_h], direction, layout, clip, 3)
    default = ("sigmoid", "tanh")
    listed = _listed(activations, default, layer.directions)
    if layer.plain and listed == [*default] * layer.directions:
        return layer.whole("gru", linear_before_reset=[bool(linear_before_reset)] * 2)
    functions = _activations(F, listed, activation_alpha, activation_beta, layer.directions)
    size = layer.hidden

    def step(d: int, given: Any, now: list[Any]) -> list[Any]:
        f, g = functions[d]
        (h,) = now
        recurrence = layer.part(layer.recurrence, d)
        wb, rb = layer.biases(d)
        given = _added(F, given, wb)
        both = layer.times(h, cut(F, recurrence, {0: (0, 2 * size)}))
        both = _added(F, both, None if rb is None else cut(F, rb, {0: (0, 2 * size)}))
        update, reset = (
            f(layer.clipped(F.add(layer.gate(given, n), layer.gate(both, n)))) for n in range(2)
        )
        last = cut(F, recurrence, {0: (2 * size, 3 * size)})
        last_bias = None if rb is None else cut(F, rb, {0: (2 * size, 3 * size)})
        if linear_before_reset:
            back = F.multiply(reset, _added(F, layer.times(h, last), last_bias))
        else:
            back = _added(F, layer.times(F.multiply(reset, h), last), last_bias)
        new = g(layer.clipped(F.add(layer.gate(given, 2), back)))
        return [F.add(new, F.multiply(update, F.subtract(h, new)))]

    return layer.run(step, 1)


@operator("LSTM")
def _lstm(
    F: Any, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, initial_h: Any = None,
    initial_c: Any = None, peepholes: Any = None, *, activation_alpha: Any = None,
    activation_beta: Any = None, activations: Any = None, clip: float | None = None,
    direction: str = "forward", hidden_size: int = 0, input_forget: int = 0, layout: int = 0,
) -> Any:  # fmt: skip
    layer = _Layer(F, x, w, r, b, lengths, [initial_h, initial_c], direction, layout, clip, 4)
    default = ("sigmoid", "tanh", "tanh")
    listed = _listed(activations, default, layer.directions)
    usual = listed == [*default] * layer.directions and peepholes is None and not input_forget
    if layer.plain and usual:
        return layer.whole("lstm")
    functions = _activations(F, listed, activation_alpha, activation_beta, layer.directions)
    holes = widen(F, peepholes)

    def step(d: int, given: Any, now: list[Any]) -> list[Any]:
        f, g, last = functions[d]
        h, c = now
        total = F.add(given, layer.times(h, layer.part(layer.recurrence, d)))
        total = _added(F, total, *layer.biases(d))
        gates = [layer.gate(total, n) for n in range(4)]

        def seen(n: int, cell: Any) -> Any:
            return None if holes is None else F.multiply(layer.gate(layer.part(holes, d), n), cell)

        enter = f(layer.clipped(_added(F, gates[0], seen(0, c))))
        if input_forget:
            forget = F.subtract(F.like(1, enter), enter)
        else:
            forget = f(layer.clipped(_added(F, gates[2], seen(2, c))))
        fresh = g(layer.clipped(gates[3]))
        cell = F.add(F.multiply(forget, c), F.multiply(enter, fresh))
        leave = f(layer.clipped(_added(F, gates[1], seen(1, cell))))
        return [F.multiply(leave, last(cell)), cell]

    return layer.run(step, 2)
