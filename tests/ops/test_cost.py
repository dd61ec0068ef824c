import math

import pytest

import hal
from hal.ops import cost, operators
from hal.plugin import Layout, Product
from hal.testing.sample import covered, samples_of


def counted(name, *inputs, dtype=hal.float32, **attributes):
    op = operators[name]
    layouts = [Layout(dtype, x) if isinstance(x, tuple) else x for x in inputs]
    inference = op.infer(layouts, attributes)
    return cost(op, layouts, [Layout(*o) for o in inference.outputs], inference.attributes)


@pytest.mark.parametrize("name", sorted(operators))
def test_every_operator_has_a_cost(name):
    op = operators[name]
    dtype = next(iter(covered(op)))
    for sample in samples_of(op, dtype):
        layouts = [None if x is None else Layout(x.of(dtype), x.shape) for x in sample.inputs]
        inference = op.infer(layouts, sample.attributes)
        outputs = [Layout(*o) for o in inference.outputs]
        found = cost(op, layouts, outputs, inference.attributes)
        assert all(math.isfinite(x) and x >= 0 for x in found[:3]), (sample, found)


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "matrix", "vector"),
    [
        ("add", [(4, 1), (5,)], {}, 0, 20),
        ("sum", [(4, 5)], {"axis": 1}, 0, 20),
        ("reshape", [(4, 5)], {"shape": (20,)}, 0, 0),
        ("matmul", [(7, 4, 5), (5, 6)], {}, 2 * 7 * 4 * 5 * 6, 0),
        ("matmul", [(5,), (5,)], {}, 10, 0),
        ("linear", [(4, 5), (6, 5), (6,)], {}, 2 * 4 * 5 * 6, 24),
        ("convolution", [(1, 4, 8, 8), (6, 2, 3, 3)], {"groups": 2}, 2 * 6 * 36 * 2 * 9, 0),
        ("convolution_transpose", [(1, 4, 8, 8), (4, 6, 3, 3)], {}, 2 * 256 * 6 * 9, 0),
        ("attention", [(1, 2, 8, 4)] * 3, {}, 2 * 2 * (2 * 8 * 8 * 4), None),
        ("cholesky", [(3, 6, 6)], {}, 0, 3 * 72),
        ("fft", [(4, 8)], {"dtype": hal.complex64}, 0, 5 * 32 * 3),
    ],
)
def test_work_is_counted_as_the_field_counts_it(name, shapes, attributes, matrix, vector):
    attributes = dict(attributes)
    found = counted(name, *shapes, dtype=attributes.pop("dtype", hal.float32), **attributes)
    assert found.matrix == pytest.approx(matrix)
    assert vector is None or found.vector == pytest.approx(vector)


def test_an_operator_that_is_not_primitive_is_the_sum_of_its_parts():
    # The maximum, the difference, the exponential, the sum, and the quotient.
    assert counted("softmax", (4, 5), axis=-1).vector == 5 * 20


@pytest.mark.parametrize("name", ["linear", "convolution"])
def test_a_direct_count_agrees_with_the_decomposition(name, monkeypatch):
    shapes = {"linear": [(4, 5), (6, 5)], "convolution": [(2, 4, 8, 8), (6, 4, 3, 3)]}[name]
    direct = counted(name, *shapes)
    monkeypatch.delitem(hal.ops.cost.__globals__["_COUNTED"], name)
    assert counted(name, *shapes).matrix == direct.matrix


def test_the_cores_share_the_queries_of_attention_and_not_its_keys():
    found = counted("attention", (1, 2, 8, 4), (1, 2, 16, 4), (1, 2, 16, 4))
    assert found.products == (Product(8, 4, 16, 2),) * 2
    assert found.matrix == sum(p.operations for p in found.products)


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "product"),
    [
        ("matmul", [(7, 4, 5), (5, 6)], {}, Product(28, 6, 5)),
        ("matmul", [(7, 4, 5), (7, 5, 6)], {}, Product(4, 6, 5, 7)),
        ("matmul", [(7, 4, 5), (5,)], {}, Product(28, 1, 5)),
        ("matmul", [(5,), (3, 5, 6)], {}, Product(1, 6, 5, 3)),
        ("linear", [(2, 4, 5), (6, 5)], {}, Product(8, 6, 5)),
        ("convolution", [(1, 4, 8, 8), (6, 2, 3, 3)], {"groups": 2}, Product(36, 3, 18, 2)),
    ],
)
def test_a_product_says_its_rows_columns_depth_and_batch(name, shapes, attributes, product):
    assert counted(name, *shapes, **attributes).products == (product,)


def test_complex_products_count_four_times_the_real_ones():
    real = counted("matmul", (4, 5), (5, 6))
    assert counted("matmul", (4, 5), (5, 6), dtype=hal.complex64).matrix == 4 * real.matrix


def test_bytes_are_read_and_written_once():
    assert counted("add", (4, 5), (5,)).nbytes == 4 * (20 + 5 + 20)


def test_a_broadcast_axis_is_read_once():
    wide = Layout(hal.float32, (4, 5), (0, 1))
    assert counted("exp", wide).nbytes == 4 * (5 + 20)


def test_a_view_moves_no_bytes():
    assert counted("permute", (4, 5), axes=(1, 0)).nbytes == 0


def test_a_gather_reads_what_it_writes():
    table, rows = Layout(hal.float32, (1000, 8)), Layout(hal.int64, (3,))
    assert counted("take", table, rows, axis=0).nbytes == 2 * 4 * 24 + 8 * 3
