"""``hal.profile()``: what is recorded, for how long, under which names, and that it ends."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plans import plans


def calls(profile, *kinds):
    wanted = kinds or ("native", "host")
    return [e.operator for e in profile.events if e.kind in wanted]


def test_each_call_has_operator_shapes_dtypes_device_and_route(cpu):
    x, y = hal.ones((2, 3), device=cpu), hal.ones(3, dtype=hal.float64, device=cpu)
    with hal.profile() as profile:
        hal.multiply(hal.astype(x, hal.float64), y)
    cast, product = profile.events
    assert (cast.operator, product.operator) == ("cast", "multiply")
    assert [str(v) for v in product.inputs] == ["float64[2, 3]", "float64[3]"]
    assert (product.outputs[0].shape, product.outputs[0].dtype) == ((2, 3), hal.float64)
    assert (product.kind, product.device, product.stream) == ("native", "cpu:0", 0)
    assert cast.start + cast.duration <= product.start
    assert product.duration > 0
    assert cast.attributes == {"dtype": hal.float64}


def test_nothing_is_recorded_outside_of_the_block(cpu):
    x = hal.ones(3, device=cpu)
    x + 1
    with hal.profile() as profile:
        x + 1
    x + 1
    x + x
    assert calls(profile) == ["add"]


def test_after_a_profile_plans_are_the_ones_that_were_there_before(cpu):
    x = hal.ones(7, device=cpu)
    x + x
    key = (x._spec, x._spec)
    before = plans(operators["add"])[key]
    with hal.profile():
        assert plans(operators["add"])[key] is not before
    assert plans(operators["add"])[key] is before


def test_a_plan_made_while_a_profile_ran_is_no_longer_watched_afterwards(cpu):
    x = hal.ones((1, 13), device=cpu)
    with hal.profile() as profile:
        x + x
        x + 2
        x + 2
    assert calls(profile) == ["add"] * 3
    x + 2
    assert not hasattr(plans(operators["add"])[x._spec, x._spec], "__wrapped__")
    assert calls(profile) == ["add"] * 3


def test_a_decomposed_operator_encloses_the_calls_it_was_decomposed_into(primitives):
    x = hal.ones(4, device=primitives)
    with hal.profile() as profile:
        hal.nn.silu(x)
    (outer,) = [e for e in profile.events if e.operator == "silu"]
    inner = [e for e in profile.events if e.kind == "native"]
    assert outer.kind == "decomposed"
    assert inner
    assert all(
        outer.start <= e.start and e.start + e.duration <= outer.start + outer.duration
        for e in inner
    )
    assert profile.seconds == pytest.approx(sum(e.duration for e in inner))


def test_what_the_host_runs_says_so_and_shows_the_copies_both_ways(clocked):
    x = hal.asarray([3.0, 1.0], device=clocked)
    with hal.fallback("allow"), hal.profile() as profile:
        hal.argsort(x)
    assert calls(profile, "host") == ["argsort"]
    assert calls(profile, "copy") == ["download", "upload"]


def test_time_on_an_asynchronous_device_is_its_own(clocked):
    x = hal.ones(4, device=clocked)
    with hal.profile() as profile:
        y = x + x
        y * x
    first, second = profile.events
    assert (first.duration, second.duration) == (pytest.approx(1e-3), pytest.approx(1e-3))
    assert second.start - first.start == pytest.approx(1e-3)


def test_streams_are_told_apart(clocked):
    x = hal.ones(4, device=clocked)
    with hal.profile() as profile:
        x + x
        with hal.Stream(clocked):
            x * x
    assert [(e.operator, e.stream) for e in profile.events] == [("add", 0), ("multiply", 1)]


def test_memory_grows_with_each_result_and_shrinks_when_it_goes(clocked):
    x = hal.ones(256, device=clocked)
    with hal.profile() as profile:
        y = x + x
        z = y + x
        del y, z
        x + x
    assert [e.allocated for e in profile.events] == [1024, 1024, 1024]
    start = profile.memory[0].allocated
    assert [m.allocated - start for m in profile.memory] == [0, 1024, 2048, 0, 1024]


def test_scopes_name_what_runs_in_them_as_blocks_and_as_decorators(cpu):
    x = hal.ones(3, device=cpu)

    @hal.profile.scope("inner")
    def twice(x):
        return x + x

    with hal.profile() as profile, hal.profile.scope("outer"):
        twice(x)
        x * x
    found = {e.operator: e.scopes for e in profile.events if e.kind == "native"}
    assert found == {"add": ("outer", "inner"), "multiply": ("outer",)}
    rows = {r.name: r for r in profile.rows("name")}
    assert rows["outer"].seconds >= rows["inner"].seconds > 0


def test_a_compiled_program_is_recorded_call_by_call_under_the_names_it_was_traced_with(cpu):
    @hal.compile
    def block(x):
        with hal.profile.scope("product"):
            y = x @ x
        with hal.profile.scope("norm"):
            return hal.nn.softmax(y)

    x = hal.ones((4, 4), device=cpu)
    with hal.profile.scope("not this one"):
        block(x)
    with hal.profile() as profile, hal.profile.scope("step"):
        result = block(x)
    found = {e.operator: e.scopes for e in profile.events if e.kind == "native"}
    assert found == {"matmul": ("step", "product"), "softmax": ("step", "norm")}
    np.testing.assert_allclose(result.numpy(), np.full((4, 4), 0.25))


def test_work_of_other_threads_is_recorded_as_theirs(cpu):
    x = hal.ones(3, device=cpu)
    with hal.profile() as profile:
        x + x
        thread = threading.Thread(target=lambda: x * x)
        thread.start()
        thread.join()
    assert [(e.operator, e.thread) for e in profile.events] == [("add", 0), ("multiply", 1)]


def test_a_write_into_a_tensor_is_a_copy_kernel(cpu):
    x, y = hal.zeros((2, 3), device=cpu), hal.ones(3, device=cpu)
    with hal.profile() as profile:
        x[0] = y
    assert calls(profile) == ["copy"]


def test_profiles_do_not_nest(cpu):
    with hal.profile(), pytest.raises(hal.ValueRangeError, match="running already"):
        hal.profile().__enter__()
    with hal.profile() as profile:
        hal.ones(2, device=cpu)
    assert profile.events


def test_an_error_inside_ends_the_profile_and_passes_through(cpu, clocked):
    x, y = hal.ones(3, device=cpu), hal.ones(3, device=clocked)
    profile = hal.profile()

    def fail():
        with profile:
            x + x
            y + y
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(e.operator, e.device) for e in profile.events] == [("add", "cpu:0")]
    with hal.profile():
        pass


def test_a_call_tells_its_work_and_a_scope_has_none(cpu):
    x = hal.ones((8, 8), device=cpu)
    with hal.profile() as profile, hal.profile.scope("a"):
        x @ x
    scope, product = sorted(profile.events, key=lambda e: e.operator)
    assert product.cost.matrix == 2 * 8**3
    assert product.cost.nbytes == 3 * 8 * 8 * 4
    assert scope.cost is None


def test_a_table_has_a_row_for_each_operator_and_route(cpu):
    x = hal.ones(3, device=cpu)
    with hal.profile() as profile:
        x + x
        x + 1
        x * x
    rows = {r.operator: r for r in profile.rows()}
    assert (rows["add"].calls, rows["multiply"].calls) == (2, 1)
    assert profile.seconds == pytest.approx(sum(r.seconds for r in rows.values()))
    assert str(profile).splitlines()[0].split()[:3] == ["operator", "kind", "device"]
    with pytest.raises(hal.ValueRangeError, match="by 'operator' or by 'name'"):
        profile.table("shape")


def test_a_scope_needs_a_string():
    with pytest.raises(hal.DTypeError, match="is a string, not int"), hal.profile.scope(3):
        pass
