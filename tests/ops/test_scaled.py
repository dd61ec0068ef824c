"""Products of float8 with scales."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

import hal
from hal.ops import cost, operators
from hal.ops.scaled import FLOAT8, RESULTS
from hal.plugin import Layout

rng = np.random.default_rng(5)
X, WEIGHT, BIAS = rng.normal(size=(4, 32)) * 3, rng.normal(size=(16, 32)), rng.normal(size=16)
ROWS = rng.uniform(0.1, 2, (4, 1)).astype(np.float32)
COLUMNS = rng.uniform(0.1, 2, (16, 1)).astype(np.float32)
ONE = np.float32(0.125)


@pytest.mark.parametrize("dtype", RESULTS, ids=str)
@pytest.mark.parametrize("scales", [(ONE, ONE), (ROWS, COLUMNS), (ROWS, ONE)])
@pytest.mark.parametrize("bias", [None, BIAS], ids=["", "bias"])
@pytest.mark.parametrize("first", FLOAT8, ids=str)
def test_it_is_the_product_of_the_numbers_that_are_meant(
    reference, decompose, first, bias, scales, dtype
):
    x, weight = X.astype(first.numpy), WEIGHT.astype(ml_dtypes.float8_e4m3fn)
    bias = None if bias is None else bias.astype(dtype.numpy)
    meant = (x.astype(float) * scales[0]) @ (weight.astype(float) * scales[1]).T
    meant += 0 if bias is None else bias.astype(float)
    for run in (reference, decompose):
        found = run("scaled_linear", x, weight, *map(np.asarray, scales), bias, dtype=dtype)
        assert found.dtype == dtype.numpy
        steps = {hal.float32: 2.0**-20, hal.float16: 2.0**-10, hal.bfloat16: 2.0**-7}[dtype]
        np.testing.assert_allclose(found.astype(float), meant, rtol=steps, atol=1e-5)


@pytest.mark.parametrize("dtype", [hal.float32, hal.bfloat16], ids=str)
@pytest.mark.parametrize("by_row", [False, True], ids=["one scale", "rows"])
def test_it_is_what_torch_gives(reference, dtype, by_row):
    torch = pytest.importorskip("torch")
    scales = (ROWS, COLUMNS) if by_row else (ONE, ONE)
    x, weight = (v.astype(ml_dtypes.float8_e4m3fn) for v in (X, WEIGHT))
    theirs = [torch.from_numpy(v.view(np.uint8)).view(torch.float8_e4m3fn) for v in (x, weight)]
    given = [torch.from_numpy(np.asarray(s)) for s in scales]
    out = {hal.float32: torch.float32, hal.bfloat16: torch.bfloat16}[dtype]
    try:
        wanted = torch._scaled_mm(
            theirs[0], theirs[1].T, given[0], given[1].T if by_row else given[1], out_dtype=out
        )
    except (RuntimeError, NotImplementedError) as error:
        pytest.skip(f"torch has no such product on this machine: {error}")
    found = reference("scaled_linear", x, weight, *map(np.asarray, scales), dtype=dtype)
    np.testing.assert_allclose(
        found.astype(np.float32), wanted.float().numpy(), rtol=2.0**-7, atol=1e-4
    )


def layouts(*changed):
    given = {
        "x": Layout(hal.float8_e4m3fn, (2, 8)),
        "weight": Layout(hal.float8_e5m2, (3, 8)),
        "x_scale": Layout(hal.float32, ()),
        "weight_scale": Layout(hal.float32, (3, 1)),
        "bias": Layout(hal.float32, (3,)),
    }
    return list({**given, **dict(changed)}.values())


def test_scales_of_half_precision_are_widened_and_a_narrower_bias_too():
    given = layouts(("x_scale", Layout(hal.float16, (2, 1))), ("bias", Layout(hal.bfloat16, (3,))))
    inference = operators["scaled_linear"].infer(given, {})
    assert inference.dtypes[2:] == (hal.float32, hal.float32, hal.float32)
    assert inference.outputs == ((hal.float32, (2, 3)),)


@pytest.mark.parametrize(
    ("changed", "dtype", "message"),
    [
        (("x", Layout(hal.float32, (2, 8))), "float32", "the input is not defined for float32"),
        (("weight", Layout(hal.int8, (3, 8))), "float32", "the weight is not defined for int8"),
        (("weight", Layout(hal.float8_e5m2, (3, 7))), "float32", "8 features, the weight"),
        (("weight", Layout(hal.float8_e5m2, (8,))), "float32", "the weight has shape"),
        (("x_scale", Layout(hal.float32, (2,))), "float32", r"one scale, or \(2, 1\) for one of"),
        (("x_scale", Layout(hal.float64, ())), "float32", "scale is not defined for float64"),
        (("weight_scale", Layout(hal.float32, (1, 3))), "float32", r"must be \(\) .* or \(3, 1\)"),
        (("bias", Layout(hal.float32, (3,))), "float16", "a bias of float32 would be rounded"),
        (("bias", Layout(hal.float16, (3,))), "bfloat16", "ask for dtype=hal.float32"),
        (("bias", Layout(hal.float32, (2,))), "float32", "the bias has shape"),
        (("x_scale", None), "float32", "needs 4 tensors"),
        (("x", Layout(hal.float8_e4m3fn, ())), "float32", "the input has shape"),
        (("bias", None), "float64", "the result is not defined for float64"),
        (("bias", None), 3, "3 is not a dtype of hal"),
    ],
)
def test_what_does_not_fit_is_refused(changed, dtype, message):
    with pytest.raises(hal.HalError, match=message):
        operators["scaled_linear"].infer(layouts(changed), {"dtype": dtype})


def test_its_work_is_a_product_of_float8():
    given = layouts()
    found = cost(
        operators["scaled_linear"], given, [Layout(hal.float32, (2, 3))], {"dtype": hal.float32}
    )
    assert (found.matrix, found.vector) == (2 * 2 * 3 * 8, 3 * 2 * 3)
    assert found.dtype is hal.float8_e4m3fn
