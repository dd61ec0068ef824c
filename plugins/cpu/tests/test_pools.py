"""Pooling by compiled loops: windows, padding and NaN, channels first and last."""

from __future__ import annotations

import numpy as np
import pytest

from hal.dtypes import float32, float64
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cpu.pools import find_pool


def channels_last(layout):
    turned = (layout.shape[0], *layout.shape[2:], layout.shape[1])
    batch, *spatial, channels = Layout(layout.dtype, turned).strides
    return Layout(layout.dtype, layout.shape, (batch, channels, *spatial))


def array(layout, values):
    """Return values as a NumPy array of a layout."""
    flat = np.empty(layout.size, np.float32)
    found = np.ndarray(layout.shape, np.float32, flat, 0, [4 * s for s in layout.strides])
    found[...] = values
    return found


def compared(name, values, lay, **attributes):
    """Run a kernel and compare it with its operator's reference."""
    op = operators[name]
    layout = Layout(float32, values.shape)
    inference = op.infer((layout,), attributes)
    x, out = lay(layout), lay(Layout(*inference.outputs[0]))
    kernel = find_pool(op, Signature((x,), (out,), inference.attributes))
    result = array(out, 7.0)
    kernel.into(None, [result], [array(x, values)])
    expected = op.reference(values, **inference.attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-6, atol=1e-6)


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


WINDOWS = {
    "its own stride": {"window": 2},
    "overlapping": {"window": 3, "stride": 2, "padding": 1},
    "uneven": {"window": (3, 2), "stride": (1, 2), "padding": ((0, 2), (1, 0))},
    "dilated": {"window": 2, "stride": 1, "dilation": 3},
    "with what is left over": {"window": 3, "stride": 2, "ceil_mode": True},
}


@pytest.mark.parametrize("lay", [lambda x: x, channels_last], ids=["first", "last"])
@pytest.mark.parametrize("name", ["max_pool", "average_pool"])
@pytest.mark.parametrize("window", WINDOWS)
def test_windows_of_every_kind_agree_with_the_reference(window, name, lay):
    compared(name, random(2, 5, 9, 8), lay, **WINDOWS[window])


@pytest.mark.parametrize("lay", [lambda x: x, channels_last], ids=["first", "last"])
def test_one_and_three_axes_and_single_elements(lay):
    for name in ("max_pool", "average_pool"):
        compared(name, random(2, 5, 9), lay, window=3, stride=2, padding=1)
        compared(name, random(1, 3, 5, 6, 7), lay, window=2)
        compared(name, random(1, 1, 4, 4), lay, window=4)


def test_an_average_may_leave_the_padding_out_or_have_its_own_divisor():
    given = {"window": 3, "stride": 2, "padding": 1}
    for options in ({"count_include_pad": False}, {"divisor": 5.0}, {"ceil_mode": True}):
        compared("average_pool", random(2, 5, 8, 8), channels_last, **given, **options)


def test_nan_is_larger_than_all():
    values = random(1, 2, 6, 6)
    values[0, 0, 2, 3] = np.nan
    values[0, 1] = -np.inf
    for lay in (lambda x: x, channels_last):
        compared("max_pool", values, lay, window=3, stride=1, padding=1)


def test_other_dtypes_have_no_such_kernel():
    op = operators["max_pool"]
    x, out = Layout(float64, (1, 2, 4, 4)), Layout(float64, (1, 2, 2, 2))
    attributes = op.infer((x,), {"window": 2}).attributes
    assert find_pool(op, Signature((x,), (out,), attributes)) is None
