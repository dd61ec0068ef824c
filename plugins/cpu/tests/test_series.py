"""Kernels in one call from Python do what they do one by one."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

import hal
from hal.errors import DeviceError
from hal_cpu.placed import MOST_ARGUMENTS, Placed, native
from hal_cpu.series import join

WHOLE = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_int64] * MOST_ARGUMENTS)
PLAIN = ctypes.CFUNCTYPE(None, ctypes.c_int64)
STATUS = ctypes.CFUNCTYPE(ctypes.c_int)


def step(*calls, run=lambda: None):
    return Placed(run, lambda: list(calls), held=calls)


def test_calls_are_made_in_order_with_all_their_arguments():
    seen = []
    whole = WHOLE(lambda *given: seen.append(given) or 7)
    plain = PLAIN(seen.append)
    given = tuple(range(-3, MOST_ARGUMENTS - 3))
    run = join([step(native(plain, 1)), step(native(whole, *given), native(plain, 1 << 40))])
    run(None, [], [])
    assert seen == [1, given, 1 << 40]


def test_a_status_ends_it_with_an_error():
    seen = []
    plain, bad = PLAIN(seen.append), STATUS(lambda: 2)
    run = join([step(native(plain, 1), native(bad, status=True)), step(native(plain, 2))])
    with pytest.raises(DeviceError, match="invalid arguments"):
        run(None, [], [])
    assert seen == [1]


def test_what_is_no_native_call_keeps_its_place_in_between():
    seen = []
    plain = PLAIN(seen.append)
    steps = [step(native(plain, n)) for n in range(4)]
    steps.insert(2, lambda stream, outputs, inputs: seen.append("python"))
    join(steps)(None, [], [])
    assert seen == [0, 1, "python", 2, 3]
    assert join([steps[0], steps[2], steps[1]]) is None


def layers(x, weights):
    for weight in weights:
        y = hal.nn.gelu(hal.nn.linear(x, weight))
        x = hal.nn.layer_norm(x + hal.nn.softmax(y, -1), (64,))
    return x.sum(axis=0)


def test_a_compiled_model_gives_the_models_results_from_every_thread():
    random = np.random.default_rng(0)
    cpu = hal.device("cpu:0")
    weights = [
        hal.asarray(random.normal(size=(64, 64)).astype(np.float32), device=cpu) for _ in range(3)
    ]
    compiled = hal.compile(lambda x: layers(x, weights))
    inputs = [
        hal.asarray(random.normal(size=(40, 64)).astype(np.float32), device=cpu) for _ in range(4)
    ]
    expected = [layers(x, weights).numpy() for x in inputs]
    found = {}

    def run(number):
        for _ in range(5):
            found[number] = compiled(inputs[number]).numpy()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, result in enumerate(expected):
        np.testing.assert_allclose(found[number], result, rtol=1e-4, atol=1e-4)
