"""Products with weights of 8 and 4 bits: codes, groups, zero points."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout

X = np.linspace(-1, 1, 20).reshape(2, 10)
SIGNED = (np.arange(30).reshape(3, 10) * 7 % 256).astype(np.uint8).view(np.int8)
SCALES = np.linspace(0.01, 0.09, 9).reshape(3, 3)


def packed(codes):
    """Two codes in a byte, by arithmetic of our own: the first counts once, the second sixteen."""
    codes = np.asarray(codes) % 16
    if codes.shape[1] % 2:
        codes = np.concatenate([codes, np.full((len(codes), 1), 11)], 1)
    return (codes[:, 0::2] + 16 * codes[:, 1::2]).astype(np.uint8)


@pytest.mark.parametrize("group", [None, 4, 5, 10, 64])
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("codes", [np.int8, np.uint8])
@pytest.mark.parametrize("given", ["neither", "zero points", "bias"])
def test_it_decomposes_to_a_linear_layer(check_decomposition, group, bits, codes, given):
    weight = SIGNED.view(codes)[:, : 10 * bits // 8]
    scales = SCALES[:, : -(-10 // (group or 10))]
    zeros = np.round(scales * 100) if given == "zero points" else None
    bias = np.arange(3.0) if given == "bias" else None
    check_decomposition(
        "quantized_linear", X, weight, scales, zeros, bias, bits=bits, group_size=group
    )


@pytest.mark.parametrize("sign", [False, True], ids=["uint8", "int8"])
def test_a_byte_holds_two_codes_the_first_in_its_low_half(reference, sign):
    codes = np.array([[1, 7, 3, 2, 5], [0, 4, 6, 7, 1]]) - (5 if sign else 0)
    weight = packed(codes).view(np.int8 if sign else np.uint8)
    assert weight.shape == (2, 3)
    zeros = np.zeros((2, 1)) if sign else np.full((2, 1), 8.0)
    expected = np.arange(5.0) @ (codes - zeros).T
    for given in (None, zeros):
        found = reference(
            "quantized_linear", np.arange(5.0), weight, np.ones((2, 1)), given, bits=4
        )
        np.testing.assert_array_equal(found, expected)


def test_eight_bits_are_what_torch_quantizes_to(reference, decompose):
    torch = pytest.importorskip("torch")
    weight = np.linspace(-3, 3, 40, dtype=np.float32).reshape(4, 10)
    scales, zeros = np.float32([0.02, 0.03, 0.04, 0.05]), np.int32([3, -4, 0, 9])
    given = (torch.from_numpy(v) for v in (weight, scales, zeros))
    quantized = torch.fake_quantize_per_channel_affine(*given, 0, -128, 127).numpy()
    codes = np.clip(np.round(weight / scales[:, None]) + zeros[:, None], -128, 127)
    x = X.astype(np.float32)
    for run in (reference, decompose):
        found = run(
            "quantized_linear", x, codes.astype(np.int8), scales[:, None],
            zeros[:, None].astype(np.int8),
        )  # fmt: skip
        np.testing.assert_allclose(found, x @ quantized.T, rtol=1e-5, atol=1e-5)


def test_a_group_has_its_own_scale_and_zero_point(reference):
    found = reference(
        "quantized_linear", np.ones(5), np.int8([[1, 2, 3, 4, 5]]), np.array([[1.0, 10.0, 100.0]]),
        np.array([[0.0, 1.0, -0.5]]), group_size=2,
    )  # fmt: skip
    assert found.tolist() == [1 + 2 + 20 + 30 + 550]


@pytest.mark.parametrize(
    ("dtypes", "shapes", "attributes", "message"),
    [
        ("fif", [(2, 8), (3, 8), (3, 1)], {"bits": 2}, "bits is 2"),
        ("fif", [(2, 8), (3, 8), (3, 1)], {"bits": True}, "bits is True"),
        ("fif", [(2, 8), (3, 8), (3, 1)], {"bits": 4}, r"must be \(3, 4\); it is \(3, 8\)"),
        ("fif", [(2, 8), (3, 7), (3, 1)], {}, r"8 features, of 8 bits"),
        ("fif", [(2, 8), (3, 8), (3, 1)], {"group_size": 3}, r"groups of 3 need \(3, 3\)"),
        ("fif", [(2, 8), (3, 8), (3, 1)], {"group_size": 0}, "at least 1"),
        ("fif", [(2, 8), (3, 8), (3, 1)], {"group_size": 1.5}, "an integer or None"),
        ("fif", [(2, 8), (3, 8), (8,)], {}, "scales has shape"),
        ("fiff", [(2, 8), (3, 8), (3, 1), (3, 2)], {}, "zero_points has shape"),
        ("fif_f", [(2, 8), (3, 8), (3, 1), None, (2,)], {}, "the bias has shape"),
        ("fff", [(2, 8), (3, 8), (3, 1)], {}, "the weight is not defined for float32"),
        ("iif", [(2, 8), (3, 8), (3, 1)], {}, "the input is not defined for int8"),
        ("fif", [(), (3, 8), (3, 1)], {}, "the input has shape"),
        ("fi", [(2, 8), (3, 8)], {}, "needs 3 tensors"),
    ],
)
def test_what_does_not_fit_is_refused(dtypes, shapes, attributes, message):
    names = {"f": hal.float32, "i": hal.int8}
    layouts = [
        None if s is None else Layout(names[d], s) for d, s in zip(dtypes, shapes, strict=True)
    ]
    with pytest.raises(hal.HalError, match=message):
        operators["quantized_linear"].infer(layouts, attributes)


def test_scales_of_float32_are_not_rounded_to_the_input_s_half_precision():
    layouts = [Layout(d, s) for d, s in (
        (hal.float16, (2, 8)), (hal.int8, (3, 8)), (hal.float32, (3, 1))
    )]  # fmt: skip
    inference = operators["quantized_linear"].infer(layouts, {})
    assert inference.outputs == ((hal.float32, (2, 3)),)
    assert inference.dtypes == (hal.float32, hal.int8, hal.float32)
