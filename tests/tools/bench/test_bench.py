"""``bench``: what it measures, against what, and what it refuses."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from onnx import parser

import hal
from hal.plugin import Layout
from hal.profiling import ProfileEvent
from hal.tools.bench import Limits, bench, measure_limits
from hal.tools.bench.rows import operator_rows

HEADER = '<ir_version: 10, opset_import: ["" : 22]>'
WEIGHT = f"<float[64, 32] w = {{{', '.join('1' * 64 * 32)}}}>"
PRODUCT = HEADER + (
    f"net (float[n, 64] x) => (float[n, 32] y) {WEIGHT} {{ h = MatMul(x, w) y = Softmax(h) }}"
)
VALUES = HEADER + "net (float[n] x) => (int64[a, b] y) { y = NonZero(x) }"


def event(operator, shape_in, shape_out, seconds, kind="native", attributes=None):
    layouts = tuple(Layout(hal.float32, s) for s in shape_in)
    return ProfileEvent(
        kind, operator, (), "cpu:0", 0, 0, 0.0, seconds, layouts,
        (Layout(hal.float32, shape_out),), attributes or {}, 0,
    )  # fmt: skip


def test_a_run_has_latencies_rows_and_limits():
    found = bench(parser.parse_model(PRODUCT), "cpu:0", batch=8, iterations=5, warmup=1)
    assert len(found.seconds) == 5
    assert found.percentile(50) <= found.percentile(90) <= found.percentile(99)
    assert found.throughput == pytest.approx(8 / found.percentile(50))
    rows = {row.operator: row for row in found.rows}
    product = rows.get("linear") or rows["matmul"]
    assert product.flop == 2 * 8 * 64 * 32
    assert product.calls == 1
    assert rows["softmax"].nbytes == 2 * 8 * 32 * 4
    assert found.limits.matrix[hal.float32] > 0
    assert found.inputs == {"x": "float32[8, 64]"}
    assert found.mode == "compiled"


def test_the_same_seed_draws_the_same_model_run_eagerly_when_asked():
    found = bench(parser.parse_model(PRODUCT), "cpu:0", batch=2, iterations=1, compile=False)
    assert found.mode == "eager: asked for"


def test_a_model_that_decides_by_values_runs_eagerly_and_says_why():
    found = bench(parser.parse_model(VALUES), "cpu:0", batch=4, iterations=1)
    assert found.mode.startswith("eager: ")
    assert "reads the values" in found.mode


def test_open_axes_need_sizes():
    with pytest.raises(hal.ShapeError, match="--batch N"):
        bench(parser.parse_model(PRODUCT), "cpu:0")


def test_at_least_one_run_is_measured():
    with pytest.raises(hal.ValueRangeError, match="at least 1 is measured"):
        bench(parser.parse_model(PRODUCT), "cpu:0", batch=1, iterations=0)


def test_a_product_at_half_of_the_matrix_rate_has_half_of_the_limit():
    limits = Limits(1e12, {hal.float32: 1e9})
    product = event(
        "matmul", [(100, 100), (100, 100)], (100, 100), 4e-3, attributes={"precision": "highest"}
    )
    (row,) = operator_rows([product, product], limits, 2)
    assert (row.calls, row.flop, row.bound) == (1, 2e6, "matrix")
    assert row.share == pytest.approx(0.5)
    assert row.seconds == pytest.approx(4e-3)


def test_what_moves_bytes_is_held_against_the_bandwidth():
    limits = Limits(1e9, {})
    (row,) = operator_rows([event("exp", [(1000,)], (1000,), 16e-6)], limits, 1)
    assert (row.nbytes, row.flop, row.bound) == (8000, 1000, "memory")
    assert row.share == pytest.approx(0.5)


def test_copies_have_time_but_no_share():
    (row,) = operator_rows([event("upload", [(4,)], (4,), 1e-6, "copy")], Limits(1e9, {}), 1)
    assert (row.share, row.bound, row.route) == (None, "", "copy")


def test_limits_are_those_of_the_dtypes_asked_for(cpu):
    found = measure_limits(cpu, [hal.float64])
    assert set(found.matrix) == {hal.float64}
    assert found.bandwidth > 1e6
