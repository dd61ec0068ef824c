"""Products with quantised weights: one call of CANN where it takes them, right results anywhere."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import evaluate_reference, operators

RNG = np.random.default_rng(11)
OP = "aclnnWeightQuantBatchMatmulV2"


def given(bits, codes, dtype, group, rows=6, features=64, zeros=True, bias=True):
    groups = -(-features // (group or features))
    weight = RNG.integers(0, 256, (rows, -(-features * bits // 8))).astype(np.uint8).view(codes)
    zero = RNG.integers(-4, 5, (rows, groups)) + (0 if codes is np.int8 else 2 ** (bits - 1))
    arrays = [
        RNG.standard_normal((3, features)).astype(dtype.numpy),
        weight,
        RNG.uniform(0.01, 0.1, (rows, groups)).astype(dtype.numpy),
        zero.astype(dtype.numpy) if zeros else None,
        RNG.standard_normal(rows).astype(dtype.numpy) if bias else None,
    ]
    return arrays, {"bits": bits, "group_size": group}


def run(device, control, arrays, attributes):
    from hal.dispatch import call

    tensors = [None if a is None else hal.asarray(a, device=device) for a in arrays]
    control.faults()
    found = call(operators["quantized_linear"], *tensors, **attributes).numpy()
    names = control.calls()
    expected = evaluate_reference(operators["quantized_linear"], arrays, attributes)
    size = np.abs(expected.astype(np.float64)).max() + 1
    steps = 8 if arrays[0].dtype == hal.bfloat16.numpy else 1
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64), rtol=0, atol=steps * 4e-3 * size
    )
    return names


@pytest.mark.parametrize("dtype", [hal.float16, hal.bfloat16], ids=str)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("codes", [np.int8, np.uint8])
@pytest.mark.parametrize("group", [None, 32])
def test_it_is_one_product_of_canns(ascend, control, dtype, bits, codes, group):
    names = run(ascend, control, *given(bits, codes, dtype, group))
    assert names.count(OP) == 1
    assert "aclnnMatmul" not in names
    assert ("aclnnBitwiseXorTensor" in names) is (codes is np.uint8)


def test_without_zero_points_codes_with_a_sign_are_handed_on_as_they_are(ascend, control):
    names = run(ascend, control, *given(4, np.int8, hal.float16, None, zeros=False, bias=False))
    assert [n for n in names if n.startswith("aclnn") and not n.endswith("WorkspaceSize")] == [OP]


@pytest.mark.parametrize(
    ("bits", "dtype", "group", "features"),
    [(8, hal.float32, None, 64), (8, hal.float16, 16, 64), (4, hal.float16, None, 33)],
    ids=["float32", "groups of 16", "a row of an odd size"],
)
def test_what_cann_does_not_take_is_written_out(ascend, control, bits, dtype, group, features):
    names = run(ascend, control, *given(bits, np.uint8, dtype, group, features=features))
    assert OP not in names


def test_a_weight_of_half_bytes_may_begin_at_any_byte(ascend, control):
    """A view of a weight whose address is no multiple of 32 bytes: two codes for each byte."""
    arrays, attributes = given(4, np.int8, hal.float16, None, rows=5, features=6)
    from hal.dispatch import call

    tensors = [None if a is None else hal.asarray(a, device=ascend) for a in arrays]
    whole = hal.asarray(np.concatenate([arrays[1][:1] + 1, arrays[1]]), device=ascend)
    tensors[1] = whole[1:]
    control.faults()
    found = call(operators["quantized_linear"], *tensors, **attributes).numpy()
    assert OP in control.calls()
    expected = evaluate_reference(operators["quantized_linear"], arrays, attributes)
    np.testing.assert_allclose(
        found.astype(np.float32), expected.astype(np.float32), rtol=0, atol=2e-2
    )


def test_the_310p_takes_eight_bits(in_python):
    out = in_python(
        "import hal, numpy as np\n"
        "from hal_ascend_standin.control import Control\n"
        "x = hal.asarray(np.ones((2, 64), np.float16), device='ascend:0')\n"
        "scales = hal.asarray(np.ones((4, 2), np.float16), device='ascend:0')\n"
        "control = Control.attach()\n"
        "for bits in (8, 4):\n"
        "    codes = hal.asarray(np.ones((4, 8 * bits), np.int8), device='ascend:0')\n"
        "    control.faults()\n"
        "    y = hal.nn.quantized_linear(x, codes, scales, bits=bits, group_size=32)\n"
        f"    print(bits, {OP!r} in control.calls(), y.numpy()[0, 0])\n",
        STANDIN_CHIP="310P3",
    )
    assert "8 True 64.0" in out
    assert "4 False 32.0" in out
