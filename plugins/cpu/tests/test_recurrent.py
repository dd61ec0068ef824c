"""Recurrent layers by a compiled loop give what their references give, however work is shared."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

import hal
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Signature
from hal_cpu import recurrent
from hal_cpu.recurrent import find_recurrent

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
LAYERS = [
    ("rnn", {}),
    ("rnn", {"nonlinearity": "relu"}),
    ("gru", {}),
    ("gru", {"linear_before_reset": False}),
    ("lstm", {}),
]


def drawn(name, steps, batch, features, hidden):
    source = np.random.default_rng(hidden)
    rows, bound = GATES[name] * hidden, hidden**-0.5
    states = [(batch, hidden)] * (2 if name == "lstm" else 1)
    shapes = [(rows, features), (rows, hidden), (rows,), (rows,), *states]
    weights = [source.uniform(-bound, bound, s).astype(np.float32) for s in shapes]
    return [source.standard_normal((steps, batch, features)).astype(np.float32), *weights]


def kernel_of(name, arrays, attributes):
    op = operators[name]
    layouts = [None if a is None else Layout(hal.dtypes.as_dtype(a.dtype), a.shape) for a in arrays]
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(*o) for o in inference.outputs)
    made = [np.empty(o.shape, o.dtype.numpy) for o in outputs]
    return find_recurrent(op, Signature(tuple(layouts), outputs, inference.attributes)), made


def check(name, arrays, attributes, prepared=False):
    """Run a layer's kernel, with weights packed beforehand or not, and compare."""
    kernel, outputs = kernel_of(name, arrays, attributes)
    given = list(arrays)
    if prepared:
        known = [None if n in (0, 5, 6) else a for n, a in enumerate(arrays)]
        kernel = kernel.prepare(known)
        given = [None if n in kernel.released else a for n, a in enumerate(arrays)]
    kernel.into(None, outputs, given)
    exact = [None if a is None else a.astype(np.float64) for a in arrays]
    wanted = evaluate_reference(operators[name], exact, attributes)
    for found, value in zip(outputs, wanted, strict=True):
        np.testing.assert_allclose(found, value, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [(3, 1, 5, 7), (40, 2, 3, 64), (6, 5, 33, 40), (4, 9, 16, 257)])
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
def test_a_layer_is_its_reference(name, options, sizes):
    arrays = drawn(name, *sizes)
    check(name, arrays, options)
    check(name, arrays, {**options, "reverse": True}, prepared=True)
    check(name, [*arrays[:3], None, arrays[4], *[None] * (len(arrays) - 5)], options, prepared=True)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("shared", ["rows", "blocks"])
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
def test_work_is_shared_in_either_way(monkeypatch, name, options, shared, threads):
    monkeypatch.setattr(recurrent, "thread_count", lambda: threads)
    monkeypatch.setattr(recurrent, "_FEW_WEIGHTS", 1 << 30 if shared == "rows" else 0)
    monkeypatch.setattr(recurrent, "_WORTH_WAITING", 0)
    check(name, drawn(name, 9, 5, 20, 130), options, prepared=True)


@pytest.mark.parametrize("lanes", [8, 16])
@pytest.mark.parametrize(("name", "options"), LAYERS, ids=str)
def test_vectors_may_be_of_either_length(monkeypatch, name, options, lanes):
    monkeypatch.setattr(recurrent, "vector_lanes", lambda: lanes)
    check(name, drawn(name, 5, 1, 9, 50), options)
    check(name, drawn(name, 5, 6, 9, 50), options)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_inputs_of_a_long_sequence_are_multiplied_chunk_by_chunk(monkeypatch, reverse, batch):
    monkeypatch.setattr(recurrent, "_INPUTS", 7 * 4 * 32 * batch)
    check("lstm", drawn("lstm", 23, batch, 6, 32), {"reverse": reverse})


def test_arrays_may_lie_in_memory_in_any_way():
    x, *weights = drawn("lstm", 6, 3, 4, 10)
    wanted = evaluate_reference(operators["lstm"], [x, *weights], {})
    tensors = [hal.asarray(w, device="cpu:0") for w in weights]
    turned = hal.asarray(np.ascontiguousarray(x.transpose(2, 1, 0)), device="cpu:0")
    views = [hal.permute_dims(turned, (2, 1, 0)), hal.asarray(x[::-1].copy(), device="cpu:0")[::-1]]
    for view in views:
        output, (_, cell) = hal.nn.lstm(view, *tensors[:4], tuple(tensors[4:]))
        np.testing.assert_allclose(output.numpy(), wanted[0], atol=1e-5)
        np.testing.assert_allclose(cell.numpy(), wanted[2], atol=1e-5)


@pytest.mark.parametrize("dtype", [hal.float16, hal.bfloat16], ids=str)
def test_half_precision_is_rounded_once(dtype):
    arrays = [a.astype(dtype.numpy) for a in drawn("lstm", 12, 3, 8, 20)]
    kernel, outputs = kernel_of("lstm", arrays, {})
    kernel.into(None, outputs, arrays)
    wanted = evaluate_reference(operators["lstm"], [a.astype(np.float32) for a in arrays], {})
    step = {hal.float16: 2.0**-10, hal.bfloat16: 2.0**-7}[dtype]
    for found, value in zip(outputs, wanted, strict=True):
        assert found.dtype == dtype.numpy
        np.testing.assert_allclose(found.astype(np.float32), value, rtol=step, atol=1e-6)


def test_a_program_calls_a_layer_once_and_keeps_its_weights_packed():
    x, *weights = (hal.asarray(a, device="cpu:0") for a in drawn("gru", 400, 1, 8, 16)[:5])
    compiled = hal.compile(lambda x: hal.nn.gru(x, *weights)[0])
    np.testing.assert_allclose(
        compiled(x).numpy(), hal.nn.gru(x, *weights)[0].numpy(), rtol=0, atol=1e-6
    )
    calls = [c.op.name for c in compiled.program(x).calls if not c.view]
    assert calls == ["gru"]


@pytest.mark.parametrize("chosen", ["0", ""], ids=["alone", "team"])
def test_a_layer_is_the_same_without_the_library_and_in_a_child(chosen):
    code = """
import os, sys, numpy as np, hal
def layer():
    shapes = (30, 2, 8), (512, 8), (512, 128)
    x, w, r = (np.sin(np.arange(np.prod(s), dtype=np.float32)).reshape(s) / 8 for s in shapes)
    return hal.nn.lstm(*[hal.asarray(a, device="cpu:0") for a in (x, w, r)])[0].numpy()
print(f"{layer().sum():.3f}", flush=True)
child = os.fork()
if not child:
    print(f"{layer().sum():.3f}", flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
    environment = {**os.environ, "HAL_ONEDNN": chosen, "HAL_NUM_THREADS": "2"}
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], env=environment, capture_output=True,
        text=True, check=True, timeout=120,
    ).stdout.split()  # fmt: skip
    x, w, r = (
        np.sin(np.arange(np.prod(s), dtype=np.float32)).reshape(s) / 8
        for s in ((30, 2, 8), (512, 8), (512, 128))
    )
    (output, *_) = evaluate_reference(operators["lstm"], [x, w, r], {})
    assert found == [f"{output.sum():.3f}"] * 2
