"""hal.nn.scaled_linear and hal.nn.quantize_float8: what they add to the operator."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import hal

X = np.linspace(-3, 5, 64, dtype=np.float32).reshape(2, 2, 16)
WEIGHT = np.sin(np.arange(48, dtype=np.float32)).reshape(3, 16)


def made(cpu: Any, *arrays: Any) -> Any:
    return [hal.asarray(a, device=cpu) for a in arrays]


@pytest.mark.parametrize("dtype", [hal.float8_e4m3fn, hal.float8_e5m2], ids=str)
@pytest.mark.parametrize("axis", [None, -1, (0, 2)])
def test_the_largest_becomes_float8s_largest(cpu: Any, axis: Any, dtype: Any) -> None:
    (x,) = made(cpu, X)
    values, scale = hal.nn.quantize_float8(x, dtype, axis=axis)
    top = float(ml_dtypes.finfo(dtype.numpy).max)
    assert values.dtype is dtype
    assert scale.dtype is hal.float32
    largest = np.max(np.abs(X), axis=axis, keepdims=axis is not None)
    np.testing.assert_allclose(scale.numpy(), largest / top, rtol=1e-6)
    meant = values.numpy().astype(np.float32) * scale.numpy()
    steps = float(ml_dtypes.finfo(dtype.numpy).eps)
    np.testing.assert_allclose(meant, X, rtol=steps, atol=float(largest.max()) * steps / 64)


@pytest.mark.parametrize("dtype", [hal.float8_e4m3fn, hal.float8_e5m2], ids=str)
def test_no_size_of_numbers_makes_another_nan(cpu: Any, dtype: Any) -> None:
    for size in (0.0, 1e-45, 3e-38, 1e-30, 1.0, 3e38):
        (x,) = made(cpu, np.float32([size, -size / 2, 0]))
        values, scale = hal.nn.quantize_float8(x, dtype)
        assert np.isfinite(values.numpy().astype(np.float32)).all(), size
        assert float(scale) > 0
    (x,) = made(cpu, np.float32([1, np.nan]))
    assert np.isnan(float(hal.nn.quantize_float8(x)[1]))


@pytest.mark.parametrize("axis", [None, -1], ids=["one scale", "rows"])
def test_a_layer_of_float8_comes_close_to_the_layer_it_stands_for(cpu: Any, axis: Any) -> None:
    x, weight = made(cpu, X, WEIGHT)
    (x8, x_scale), (weight8, weight_scale) = (
        hal.nn.quantize_float8(v, axis=axis) for v in (x, weight)
    )
    found = hal.nn.scaled_linear(x8, weight8, x_scale, weight_scale)
    wanted = X @ WEIGHT.T
    assert np.abs(found.numpy() - wanted).max() < 0.05 * np.abs(wanted).max()


def test_scales_of_rows_may_come_without_their_last_axis(cpu: Any) -> None:
    x, weight = (v.astype(hal.float8_e4m3fn) for v in made(cpu, X, WEIGHT))
    rows, columns = made(cpu, np.float32([[1, 2], [3, 4]]), np.float32([0.5, 1, 2]))
    found = hal.nn.scaled_linear(x, weight, rows, columns)
    whole = hal.nn.scaled_linear(
        x, weight, hal.reshape(rows, (2, 2, 1)), hal.reshape(columns, (3, 1))
    )
    np.testing.assert_array_equal(found.numpy(), whole.numpy())
    one = hal.nn.scaled_linear(x, weight, *made(cpu, np.float32([2]), np.float32([[0.5]])))
    plain = hal.nn.scaled_linear(x, weight, *made(cpu, np.float32(1), np.float32(1)))
    np.testing.assert_array_equal(one.numpy(), plain.numpy())


def test_a_single_row_has_a_single_scale(cpu: Any) -> None:
    x, weight = (v.astype(hal.float8_e4m3fn) for v in made(cpu, X[0, :1], WEIGHT[:1]))
    for x_scale in (2.0, [2.0], [[2.0]]):
        for weight_scale in (0.5, [0.5], [[0.5]]):
            scales = made(cpu, np.float32(x_scale), np.float32(weight_scale))
            assert hal.nn.scaled_linear(x, weight, *scales).shape == (1, 1)
    vector = hal.nn.scaled_linear(x[0], weight, *made(cpu, np.float32([2]), np.float32([1])))
    assert vector.shape == (1,)


@pytest.mark.parametrize("dtype", [hal.float32, hal.float16, hal.bfloat16], ids=str)
def test_a_compiled_layer_gives_the_layers_results(cpu: Any, dtype: Any) -> None:
    weight = hal.asarray(WEIGHT, device=cpu).astype(hal.float8_e4m3fn)
    scale, bias = made(cpu, np.float32(0.5), np.float32([1, 2, 3]))
    bias = bias.astype(dtype)

    def layer(x: Any) -> Any:
        x8, x_scale = hal.nn.quantize_float8(x, axis=-1)
        return hal.nn.scaled_linear(x8, weight, x_scale, scale, bias, dtype=dtype)

    (x,) = made(cpu, X)
    expected, found = layer(x), hal.compile(layer)(x)
    assert found.dtype is expected.dtype is dtype
    np.testing.assert_allclose(
        found.numpy().astype(np.float64), expected.numpy().astype(np.float64), rtol=1e-2, atol=1e-4
    )


def test_what_is_no_float8_is_said_to_be_none(cpu: Any) -> None:
    x, weight, one = made(cpu, X, WEIGHT, np.float32(1))
    with pytest.raises(hal.DTypeError, match="the input is not defined for float32"):
        hal.nn.scaled_linear(x, weight, one, one)
    with pytest.raises(hal.DTypeError, match="takes hal tensors"):
        hal.nn.scaled_linear(x, weight, 1.0, one)  # type: ignore[arg-type]
    with pytest.raises(hal.DTypeError, match="the result is not defined for float16"):
        hal.nn.quantize_float8(x, hal.float16)
    with pytest.raises(hal.DTypeError, match="not defined for int64"):
        hal.nn.quantize_float8(hal.arange(3, device=cpu))
