"""What becomes of a program's constants: packed one by one, given back where nobody reads them."""

from __future__ import annotations

import gc
import threading

import numpy as np
import pytest

import hal
from hal.errors import HalError, Unsupported
from hal.plugin import Kernel, Released

SIZE = 1000
NBYTES = 4 * SIZE


def scales(count):
    return [np.full(SIZE, n + 2, np.float32) for n in range(count)]


def filled(value, device):
    return hal.asarray(np.full(SIZE, value, np.float32), device=device)


def scaled_by(factors, device):
    """Return a function that multiplies by arrays of the host, which its program alone holds."""

    def scale(x):
        for factor in factors:
            x = x * hal.asarray(factor, device=device)
        return x

    return scale


def released(program):
    return [c for c in program.constants.values() if isinstance(c, Released)]


def test_a_constant_that_its_kernel_has_packed_is_given_back(packing):
    x = filled(1, packing)
    before = packing.runtime.held
    compiled = hal.compile(scaled_by(scales(4), packing))
    program = compiled.executable(x).program
    assert [c.nbytes for c in released(program)] == [NBYTES] * 4
    assert packing.runtime.held - before == 4 * NBYTES
    np.testing.assert_array_equal(compiled(x).numpy(), np.full(SIZE, 2 * 3 * 4 * 5))


def test_constants_are_packed_one_after_another(packing):
    x = filled(1, packing)
    before = packing.runtime.held
    hal.compile(scaled_by(scales(8), packing)).executable(x)
    assert packing.runtime.most - before == 9 * NBYTES


def test_a_constant_that_many_calls_read_alike_is_packed_once(packing):
    x, factor = filled(1, packing), np.full(SIZE, 2, np.float32)
    before = packing.runtime.held

    def scale(x):
        once = hal.asarray(factor, device=packing)
        for _ in range(5):
            x = hal.exp(x * once)
        return x

    compiled = hal.compile(scale)
    assert len(released(compiled.executable(x).program)) == 1
    assert packing.runtime.held - before == NBYTES


def test_a_constant_that_another_call_reads_stays(packing):
    factor = scales(1)[0]

    def scale(x):
        given = hal.asarray(factor, device=packing)
        return hal.exp(x * given) + given

    compiled = hal.compile(scale)
    x = filled(0, packing)
    assert not released(compiled.executable(x).program)
    np.testing.assert_array_equal(compiled(x).numpy(), np.full(SIZE, 3))


def test_a_constant_that_two_kernels_pack_goes_with_the_second(packing):
    factor = scales(1)[0]

    def scale(x):
        given = hal.asarray(factor, device=packing)
        return hal.exp(x * given) * given

    compiled = hal.compile(scale)
    x = filled(0, packing)
    assert len(released(compiled.executable(x).program)) == 1
    np.testing.assert_array_equal(compiled(x).numpy(), np.full(SIZE, 2))


def test_a_tensor_that_the_user_holds_stays_what_it_is(packing):
    factor = hal.asarray(scales(1)[0], device=packing)
    compiled = hal.compile(lambda x: x * factor)
    x = filled(1, packing)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(x).numpy(), factor.numpy())
    assert len(released(compiled.executable(x).program)) == 1


def test_runs_at_the_same_time_go_without_it_too(packing):
    compiled = hal.compile(scaled_by(scales(3), packing))
    x = filled(1, packing)
    found = []
    threads = [threading.Thread(target=lambda: found.append(compiled(x).numpy())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all((one == 24).all() for one in found)


def test_a_profile_sees_every_call(packing):
    compiled = hal.compile(scaled_by(scales(3), packing))
    x = filled(1, packing)
    compiled(x)
    with hal.profile() as profile:
        compiled(x)
    assert sum(row.calls for row in profile.rows("operator") if row.operator == "multiply") == 3


def test_the_program_of_a_function_has_all_its_constants(packing):
    compiled = hal.compile(scaled_by(scales(2), packing))
    x = filled(1, packing)
    compiled(x)
    assert not released(compiled.program(x))
    assert str(compiled.program(x)) == str(compiled.executable(x).program)


def test_a_program_without_its_constants_is_not_exported(packing):
    pytest.importorskip("onnx", reason="the onnx package is not installed")
    compiled = hal.compile(scaled_by(scales(2), packing))
    x = filled(1, packing)
    assert compiled.program(x).to_onnx().graph.node
    with pytest.raises(Unsupported, match="export the function"):
        compiled.executable(x).program.to_onnx()


def test_a_kernel_releases_nothing_but_what_it_was_given(packing, monkeypatch):
    wrong = Kernel(lambda stream, outs, ins: None, released=(0,))
    monkeypatch.setattr(type(packing.runtime), "_prepare", lambda self, known: wrong)
    with pytest.raises(HalError, match="released input 0, which is no constant"):
        hal.compile(scaled_by(scales(1), packing))(filled(1, packing))


def test_what_a_program_holds_goes_with_it_at_once(packing):
    x = filled(1, packing)
    before = packing.runtime.held
    compiled = hal.compile(scaled_by(scales(3), packing))
    compiled(x)
    gc.disable()
    try:
        del compiled
        assert packing.runtime.held == before
    finally:
        gc.enable()
