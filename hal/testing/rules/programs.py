"""Compiled programs: what a device makes of a whole function means what its calls mean."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from hal.device import Device
from hal.dtypes import float32
from hal.memory import from_host, to_host
from hal.program import compile
from hal.report import fallback
from hal.testing.bench import Bench
from hal.testing.rule import rule

_SHAPE = (6, 33)


def _chain(F: Any, x: Any, y: Any) -> Any:
    return F("multiply", F("add", x, y), F("subtract", x, y))


def _views(F: Any, x: Any, y: Any) -> Any:
    turned = F("permute", F("slice", x, start=(5, 0), stop=(-1, 33), step=(-1, 3)), axes=(1, 0))
    return F("matmul", turned, y)


def _reduced(F: Any, x: Any, y: Any) -> Any:
    centred = F("subtract", x, F("mean", x, axis=1, keepdims=True))
    return F("sum", F("multiply", centred, y), axis=0)


def _layers(F: Any, x: Any, y: Any) -> Any:
    return F("softmax", F("gelu", F("layer_norm", F("add", x, y))), axis=-1)


def _unused(F: Any, x: Any, y: Any) -> Any:
    F("exp", y)
    return F("add", x, x)


_PROGRAMS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "a chain": _chain,
    "views and a product": _views,
    "reductions": _reduced,
    "layers": _layers,
    "a result nobody reads": _unused,
}


def _names(device: Device) -> Iterable[str]:
    return _PROGRAMS if float32 in device.info.dtypes else ()


class _Compiled:
    """A program as a function of tensors, eager and compiled."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.function = _PROGRAMS[name]
        self.compiled = compile(self.eager)

    def eager(self, x: Any, y: Any) -> Any:
        """Run the program call by call."""
        return self.function(self.bench.call, x, y)

    def inputs(self, seed: int) -> list[Any]:
        """Return two tensors of random values."""
        rng = np.random.default_rng(seed)
        made = [rng.standard_normal(_SHAPE).astype(np.float32) for _ in range(2)]
        return [from_host(host, self.bench.device) for host in made]

    def __call__(self, inputs: list[Any]) -> Any:
        with fallback("allow"):
            return self.compiled(*inputs)

    def check(self, found: Any, inputs: list[Any], what: str) -> None:
        """Assert that a result is the eager one, but for rounding in another order."""
        expected = to_host(self.eager(*inputs))
        array = to_host(found)
        assert array.dtype == expected.dtype, f"{what} is {array.dtype}, not {expected.dtype}"
        assert array.shape == expected.shape, f"{what} has shape {array.shape}"
        error = float(np.abs(array - expected).max(initial=0))
        most = 64 * float(np.finfo(np.float32).eps) * max(1.0, float(np.abs(expected).max()))
        assert error <= most, f"{what} differs by {error:.3g} from the eager result"


@rule(over=_names)
def a_compiled_function_means_what_its_calls_mean(bench: Bench, name: str) -> None:
    """At its first call and at later ones, with other values."""
    program = _Compiled(bench, name)
    for seed in range(4):
        inputs = program.inputs(seed)
        program.check(program(inputs), inputs, f"call {seed}")


@rule(over=_names)
def results_of_a_program_outlive_its_next_call(bench: Bench, name: str) -> None:
    """Each call gives new results, though the memory between is planned once."""
    program = _Compiled(bench, name)
    inputs = [program.inputs(seed) for seed in range(4)]
    results = [program(given) for given in inputs]
    for seed, (found, given) in enumerate(zip(results, inputs, strict=True)):
        program.check(found, given, f"the result of call {seed}, after later calls")


@rule(over=_names)
def a_program_leaves_its_inputs_as_they_are(bench: Bench, name: str) -> None:
    """However its memory is planned."""
    program = _Compiled(bench, name)
    inputs = program.inputs(7)
    before = [to_host(x) for x in inputs]
    for _ in range(3):
        program(inputs)
    for number, (x, host) in enumerate(zip(inputs, before, strict=True)):
        bench.equal(to_host(x), host, f"input {number} after the program ran")


@rule(over=_names)
def a_program_runs_in_the_order_of_streams(bench: Bench, name: str) -> None:
    """Behind what writes its inputs on one stream, and before what reads its result on another."""
    program, load = _Compiled(bench, name), bench.busy()
    program(program.inputs(0))
    zero = from_host(np.zeros(1, np.float32), bench.device)
    for seed in range(3):
        given = program.inputs(seed)
        first, second, third = bench.stream(), bench.stream(), bench.stream()
        load(first)
        with first:
            inputs = [bench.call("add", x, zero) for x in given]
        with second:
            found = program(inputs)
        del inputs
        with third:
            read = bench.call("add", found, zero)
        del found
        program.check(read, given, "a result that was read on another stream")


@rule(over=_names)
def a_program_leaves_no_memory_behind(bench: Bench, name: str) -> None:
    """Statistics after many calls are those after a few."""
    program = _Compiled(bench, name)
    inputs = program.inputs(3)
    for _ in range(5):
        program(inputs)
    before = bench.stats()
    for _ in range(40):
        program(inputs)
    after = bench.stats()
    grown = after.allocated - before.allocated
    assert grown == 0, f"{grown} bytes are still allocated after 40 calls"
