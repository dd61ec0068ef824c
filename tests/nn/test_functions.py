"""hal.nn: by the same name and the same arguments, the same values as torch.nn.functional."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import hal
from hal import nn

rng = np.random.default_rng(7)


def _normal(*shape: int) -> Any:
    return rng.normal(size=shape)


X, IMAGE, VOLUME = _normal(2, 4, 9), _normal(2, 4, 7, 8), _normal(2, 2, 4, 5, 3)
LINEAR = [_normal(5, 9), _normal(5)]
NORM = [np.abs(_normal(4)) + 0.5 for _ in range(4)]
HEADS = [_normal(2, 4, 5, 6), _normal(2, 2, 7, 6), _normal(2, 2, 7, 3)]
EVEN = [_normal(2, 3, 5, 6) for _ in range(3)]
WHICH = rng.random((5, 5)) > 0.3
WHICH[:, 0] = True

CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("relu", [X], {}),
    ("relu6", [X * 5], {}),
    ("hardtanh", [X], {"min_val": -0.5, "max_val": 0.25}),
    ("leaky_relu", [X], {"negative_slope": 0.3}),
    ("prelu", [X, NORM[0]], {}),
    ("elu", [X], {"alpha": 0.7}),
    ("selu", [X], {}),
    ("celu", [X], {"alpha": 1.7}),
    ("sigmoid", [X], {}),
    ("logsigmoid", [X * 9], {}),
    ("tanh", [X], {}),
    ("silu", [X], {}),
    ("gelu", [X], {}),
    ("gelu", [X], {"approximate": "tanh"}),
    ("softplus", [X], {"beta": 2.0, "threshold": 1.5}),
    ("hardsigmoid", [X * 4], {}),
    ("hardswish", [X * 4], {}),
    ("mish", [X], {}),
    ("softsign", [X], {}),
    ("softmax", [X], {"dim": 1}),
    ("log_softmax", [X], {"dim": -1}),
    ("layer_norm", [X], {"normalized_shape": [4, 9]}),
    ("layer_norm", [X, [9], _normal(9), _normal(9), 1e-3], {}),
    ("rms_norm", [X], {"normalized_shape": (9,), "weight": _normal(9)}),
    ("group_norm", [X, 2], {"weight": NORM[0], "bias": NORM[1], "eps": 1e-2}),
    ("instance_norm", [IMAGE], {"weight": NORM[0], "bias": NORM[1]}),
    ("batch_norm", [X, NORM[0], NORM[1]], {"weight": NORM[2], "bias": NORM[3], "eps": 1e-3}),
    ("batch_norm", [IMAGE, NORM[0], NORM[1]], {}),
    ("linear", [X, *LINEAR], {}),
    ("linear", [X[0, 0], LINEAR[0]], {}),
    ("embedding", [np.array([[1, 0], [3, 1]]), _normal(4, 3)], {}),
    ("scaled_dot_product_attention", EVEN, {}),
    ("scaled_dot_product_attention", EVEN, {"is_causal": True, "scale": 0.3}),
    ("scaled_dot_product_attention", [*EVEN, WHICH], {}),
    ("scaled_dot_product_attention", EVEN, {"attn_mask": _normal(3, 5, 5)}),
    ("scaled_dot_product_attention", HEADS, {"enable_gqa": True}),
    ("conv1d", [X, _normal(6, 4, 3), _normal(6), 2, 1], {}),
    ("conv1d", [X[0], _normal(6, 4, 3)], {"padding": "same"}),
    ("conv2d", [IMAGE, _normal(4, 1, 3, 3)], {"groups": 4, "padding": [1, 0], "stride": [2]}),
    ("conv2d", [IMAGE[1], _normal(3, 4, 3, 2)], {"dilation": 2}),
    ("conv3d", [VOLUME, _normal(2, 2, 2, 3, 1), _normal(2), (1, 2, 1), 1], {}),
    ("conv_transpose1d", [X, _normal(4, 3, 4), _normal(3), 3, 1, 2], {}),
    ("conv_transpose1d", [X, _normal(4, 3, 2), None, 1, 0, 0, 2, 3], {}),
    ("conv_transpose2d", [IMAGE[0], _normal(4, 2, 3, 2)], {"stride": (2, 3), "padding": 1}),
    ("conv_transpose3d", [VOLUME, _normal(2, 1, 2, 2, 2)], {"stride": 2, "groups": 2}),
    ("max_pool1d", [X, 3], {"stride": 2, "padding": 1, "ceil_mode": True}),
    ("max_pool2d", [IMAGE, [2, 3]], {"dilation": (2, 1)}),
    ("max_pool2d", [IMAGE[0], 2], {"stride": 1}),
    ("max_pool3d", [VOLUME, 2], {}),
    ("avg_pool1d", [X, 2, 3], {"ceil_mode": True}),
    ("avg_pool2d", [IMAGE, 3, 2, 1, True, False], {}),
    ("avg_pool2d", [IMAGE, 2], {"divisor_override": 3}),
    ("avg_pool3d", [VOLUME, (2, 2, 1)], {"padding": (1, 1, 0)}),
    ("adaptive_avg_pool1d", [X, 4], {}),
    ("adaptive_avg_pool2d", [IMAGE, (3, None)], {}),
    ("adaptive_avg_pool3d", [VOLUME[0], 2], {}),
    ("adaptive_max_pool1d", [X[0], 3], {}),
    ("adaptive_max_pool2d", [IMAGE, 3], {}),
    ("adaptive_max_pool3d", [VOLUME, (1, 3, 2)], {}),
    ("interpolate", [X], {"size": 12}),
    ("interpolate", [X], {"scale_factor": 1.45, "mode": "nearest-exact"}),
    ("interpolate", [X], {"scale_factor": 1.3, "mode": "linear"}),
    (
        "interpolate",
        [IMAGE],
        {"scale_factor": (1.3, 2.2), "mode": "bilinear", "recompute_scale_factor": True},
    ),
    ("interpolate", [IMAGE], {"size": (3, 11), "mode": "bicubic", "align_corners": True}),
    ("interpolate", [VOLUME], {"size": 5, "mode": "trilinear", "align_corners": False}),
]


def _mapped(function: Any, values: Any) -> Any:
    """Return arguments with each array replaced by what the function makes of it."""
    if isinstance(values, dict):
        return {k: _mapped(function, v) for k, v in values.items()}
    if isinstance(values, np.ndarray):
        return function(values)
    if isinstance(values, list) and any(isinstance(v, np.ndarray | None) for v in values):
        return [_mapped(function, v) for v in values]
    return values


def _ids(case: Any) -> str:
    return case if isinstance(case, str) else ""


@pytest.mark.parametrize(("name", "arguments", "keywords"), CASES, ids=_ids)
def test_equals_pytorch(cpu: Any, name: str, arguments: Any, keywords: Any) -> None:
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    theirs = getattr(functional, name)(
        *_mapped(torch.from_numpy, arguments), **_mapped(torch.from_numpy, keywords)
    )

    def tensor(array: Any) -> Any:
        return hal.asarray(array, device=cpu)

    ours = getattr(nn, name)(*_mapped(tensor, arguments), **_mapped(tensor, keywords))
    assert ours.shape == tuple(theirs.shape)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-11)


def _half(dtype: Any) -> Any:
    def convert(array: Any) -> Any:
        return array.astype(dtype.numpy) if array.dtype == np.float64 else array

    return convert


@pytest.mark.parametrize("dtype", [hal.float32, hal.float16, hal.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "arguments", "keywords"), CASES, ids=_ids)
def test_narrow_dtypes_come_close_to_float64(
    cpu: Any, name: str, arguments: Any, keywords: Any, dtype: Any
) -> None:
    """Work in float32 and one rounding at the end: a few steps of the dtype, at most."""

    def narrow(array: Any) -> Any:
        return hal.asarray(_half(dtype)(array), device=cpu)

    def exact(array: Any) -> Any:
        rounded = _half(dtype)(array)
        if rounded.dtype.kind != "b" and rounded.dtype.kind != "i":
            rounded = rounded.astype(np.float64)
        return hal.asarray(rounded, device=cpu)

    function = getattr(nn, name)
    found = function(*_mapped(narrow, arguments), **_mapped(narrow, keywords))
    expected = function(*_mapped(exact, arguments), **_mapped(exact, keywords)).numpy()
    assert found.dtype is dtype
    steps = {hal.float32: 64 * 2.0**-23, hal.float16: 2 * 2.0**-10, hal.bfloat16: 2 * 2.0**-7}
    size = max(1.0, float(np.max(np.abs(expected))))
    np.testing.assert_allclose(
        found.numpy().astype(np.float64), expected, rtol=0, atol=steps[dtype] * size
    )


def test_every_function_is_tried_here() -> None:
    elsewhere = {
        "gru", "lstm", "quantize_float8", "quantized_linear", "rnn", "rotary_embedding",
        "scaled_linear",
    }  # fmt: skip
    tried = {name for name, _, _ in CASES} | elsewhere
    assert tried == set(nn.__all__)


@pytest.mark.parametrize("name", nn.__all__)
def test_something_else_than_a_tensor_is_refused(cpu: Any, name: str) -> None:
    function = getattr(nn, name)
    required = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    tensor = hal.ones((2, 2, 2), device=cpu)
    others = {"normalized_shape": 2, "num_groups": 1, "kernel_size": 1, "output_size": 1}
    for wrong in (np.ones((2, 2, 2)), [1.0], 1.0):
        arguments = [wrong, *(others.get(p.name, tensor) for p in required[1:])]
        with pytest.raises(hal.DTypeError, match=r"takes hal tensors.*asarray"):
            function(*arguments)


@pytest.mark.parametrize("name", nn.__all__)
def test_every_function_says_what_it_takes_returns_and_raises(name: str) -> None:
    text = inspect.getdoc(getattr(nn, name)) or ""
    for part in ("Parameters", "Returns", "Raises", "Examples", ">>> "):
        assert part in text, f"{name} lacks {part}"
