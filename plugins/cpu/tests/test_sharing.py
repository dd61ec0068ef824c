"""Packed weights are held once: by their bytes, and as long as somebody uses them."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

import hal
from hal_cpu.dnn import library
from hal_cpu.pool import Kept, host_pool
from hal_cpu.sharing import held_once

NBYTES = (3 << 20) + 8


def filled(value, last=None):
    kept = Kept(NBYTES)
    kept.content[:NBYTES] = value
    if last is not None:
        kept.content[NBYTES - 3] = last
    return kept


def test_equal_bytes_are_held_once():
    first = held_once(filled(7), NBYTES)
    assert held_once(filled(7), NBYTES) is first
    assert held_once(filled(8), NBYTES) is not first


def test_one_byte_that_differs_is_enough():
    first = held_once(filled(9), NBYTES)
    other = filled(9, last=1)
    assert held_once(other, NBYTES) is other
    assert held_once(filled(9), NBYTES) is first


def test_what_nobody_uses_is_let_go():
    first = weakref.ref(held_once(filled(10), NBYTES))
    gc.collect()
    assert first() is None
    assert held_once(filled(10), NBYTES).content[0] == 10


@pytest.mark.skipif(library() is None, reason="oneDNN is not installed")
def test_programs_for_other_shapes_take_no_more_memory_for_weights():
    generator = np.random.default_rng(0)
    weights = generator.normal(size=(512, 512)).astype(np.float32)
    compiled = hal.compile(lambda x: hal.nn.linear(x, hal.asarray(weights)))
    xs = [hal.asarray(generator.normal(size=(n, 512)).astype(np.float32)) for n in (16, 17, 33)]
    held = []
    for x in xs:
        compiled(x)
        gc.collect()
        held.append(host_pool().stats().allocated)
    assert held[2] - held[0] < weights.nbytes // 2
    for x in xs:
        np.testing.assert_allclose(compiled(x).numpy(), x.numpy() @ weights.T, rtol=1e-4, atol=1e-3)
