"""Products: shapes, precision, decompositions."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout

X = np.linspace(-1, 1, 24).reshape(2, 3, 4)
W = np.linspace(0, 1, 20).reshape(5, 4)


@pytest.mark.parametrize("bias", [None, np.arange(5.0)], ids=["plain", "bias"])
def test_linear_decomposes_to_a_product(check_decomposition, bias):
    check_decomposition("linear", X, W, bias)


def test_linear_is_x_times_the_transposed_weight_plus_bias(reference):
    np.testing.assert_allclose(reference("linear", X, W, np.ones(5)), X @ W.T + 1)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_accumulated_in_float32(reference, dtype):
    ones = np.ones((1, 1024)).astype(hal.dtypes.as_dtype(dtype).numpy)
    assert float(reference("matmul", ones, ones.T)[0, 0]) == 1024.0


def test_integer_products_wrap_around_as_integers_do(reference):
    x = np.array([[100, 100]], np.int8)
    assert reference("matmul", x, x.T).tolist() == [[32]]


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "message"),
    [
        ("matmul", [(2, 3), (2, 3)], {}, "3 columns meet 2 rows"),
        ("matmul", [(), (3,)], {}, "without axes"),
        ("matmul", [(2, 2, 3), (4, 3, 2)], {}, "batch axes"),
        ("matmul", [(2, 3), (3, 2)], {"precision": "exact"}, "must be one of"),
        ("linear", [(2, 3), (5, 4), None], {}, "takes 4"),
        ("linear", [(2, 4), (5, 4), (4,)], {}, "the bias has shape"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_shapes(name, shapes, attributes, message):
    layouts = [None if s is None else Layout(hal.float32, s) for s in shapes]
    with pytest.raises(hal.HalError, match=message):
        operators[name].infer(layouts, attributes)


def test_an_absent_bias_may_be_left_out(reference, decompose):
    np.testing.assert_array_equal(reference("linear", X, W), reference("linear", X, W, None))
    np.testing.assert_allclose(decompose("linear", X, W), X @ W.T)
