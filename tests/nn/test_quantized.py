"""hal.nn.quantized_linear: what it adds to the operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal

X = np.linspace(-1, 1, 16, dtype=np.float32).reshape(2, 8)
CODES = np.arange(24).reshape(3, 8).astype(np.int8) - 12


def test_scales_may_be_one_for_each_row(cpu: Any) -> None:
    x, codes = hal.asarray(X, device=cpu), hal.asarray(CODES, device=cpu)
    scales, zeros = np.float32([0.5, 1, 2]), np.int8([1, 0, -1])
    found = hal.nn.quantized_linear(
        x, codes, hal.asarray(scales, device=cpu), hal.asarray(zeros, device=cpu)
    )
    expected = X @ ((CODES - zeros[:, None]) * scales[:, None]).T
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [hal.float32, hal.float16], ids=str)
def test_a_compiled_layer_gives_the_layers_results(cpu: Any, dtype: Any) -> None:
    codes = hal.asarray(CODES.view(np.uint8)[:, :4], device=cpu)
    scales = hal.asarray([[0.5, 0.75], [1, 1.5], [2, 0.25]], dtype=dtype, device=cpu)
    x = hal.asarray(X, device=cpu).astype(dtype)

    def layer(x: Any) -> Any:
        return hal.nn.quantized_linear(x, codes, scales, bits=4, group_size=5)

    expected = layer(x)
    found = hal.compile(layer)(x)
    assert found.dtype is expected.dtype is dtype
    np.testing.assert_allclose(
        found.numpy().astype(np.float64), expected.numpy().astype(np.float64), rtol=1e-3, atol=0.05
    )


def test_sizes_are_checked(cpu: Any) -> None:
    x, codes = hal.asarray(X, device=cpu), hal.asarray(CODES, device=cpu)
    with pytest.raises(hal.ShapeError, match=r"groups of 4 need \(3, 2\)"):
        hal.nn.quantized_linear(x, codes, hal.ones(3, device=cpu), group_size=4)
    with pytest.raises(hal.DTypeError, match="takes hal tensors"):
        hal.nn.quantized_linear(x, codes, hal.ones(3, device=cpu), [1, 2, 3])
