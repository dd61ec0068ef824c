"""The decompositions of neural-network operators run on a device, by other operators of hal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal.dispatch import evaluator
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout

rng = np.random.default_rng(3)


def _normal(*shape: int) -> Any:
    return rng.normal(size=shape)


X, IMAGE = _normal(2, 4, 6), _normal(2, 4, 6, 7)
PARAMETERS = [np.abs(_normal(4)) + 0.5 for _ in range(4)]
ACTIVATIONS = [name for name, op in operators.items() if op.family == "activation"]
CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    *((name, [X], {}) for name in ACTIVATIONS if name != "prelu"),
    ("prelu", [X, PARAMETERS[0]], {}),
    ("gelu", [X], {"approximate": "tanh"}),
    ("softplus", [X], {"beta": 2.0}),
    ("softmax", [X], {"axis": 1}),
    ("log_softmax", [X], {}),
    ("layer_norm", [X, _normal(6), _normal(6)], {}),
    ("layer_norm", [X], {"axes": (0, 2)}),
    ("rms_norm", [X, _normal(6)], {}),
    ("group_norm", [X, *PARAMETERS[:2]], {"groups": 2}),
    ("instance_norm", [IMAGE], {}),
    ("batch_norm", [IMAGE, *PARAMETERS], {}),
    ("attention", [IMAGE, IMAGE[:, :2], IMAGE[:, 2:]], {"causal": True}),
    ("attention", [X, X, X, rng.random((4, 4)) > 0.5], {}),
    ("attention", [IMAGE, IMAGE, IMAGE, _normal(4, 1, 6)], {"scale": 0.5}),
    ("rotary_embedding", [X, _normal(4, 2), _normal(4, 2)], {}),
    ("rotary_embedding", [X, _normal(4, 3), _normal(4, 3)], {"interleaved": True}),
    (
        "convolution",
        [IMAGE, _normal(6, 2, 3, 2), _normal(6)],
        {"groups": 2, "stride": (2, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 2)},
    ),
    (
        "convolution_fused",
        [IMAGE, _normal(6, 4, 3, 2), _normal(6)],
        {"steps": (("relu", (0,), ()), ("square", (1,), ())), "results": (2,)},
    ),
    (
        "convolution_transpose",
        [IMAGE, _normal(4, 3, 3, 2), _normal(6)],
        {"groups": 2, "stride": (2, 3), "padding": ((1, 0), (2, 1)), "output_padding": 1},
    ),
    (
        "convolution_transpose_fused",
        [IMAGE, _normal(4, 3, 3, 2), _normal(6)],
        {"groups": 2, "steps": (("relu", (0,), ()), ("square", (1,), ())), "results": (2,)},
    ),
    ("max_pool", [IMAGE], {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("lp_pool", [X], {"window": 2}),
    ("average_pool", [IMAGE], {"window": 2}),
    ("average_pool", [IMAGE], {"window": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("average_pool", [X], {"window": 2, "padding": 1, "count_include_pad": False}),
    ("adaptive_average_pool", [IMAGE], {"output_size": (4, 3)}),
    ("adaptive_average_pool", [X], {"output_size": 3}),
    ("adaptive_max_pool", [IMAGE], {"output_size": (4, 3)}),
    ("interpolate", [IMAGE], {"size": (3, 9)}),
    ("interpolate", [IMAGE], {"scale": 1.3, "mode": "linear"}),
    ("interpolate", [IMAGE], {"size": (3, 9), "mode": "cubic", "align_corners": True}),
]


@pytest.mark.parametrize("dtype", [hal.float64, hal.float32, hal.float16, hal.bfloat16], ids=str)
@pytest.mark.parametrize(("name", "inputs", "attributes"), CASES)
def test_a_decomposition_on_a_device_equals_the_reference(
    cpu: Any, name: str, inputs: Any, attributes: Any, dtype: Any
) -> None:
    op = operators[name]
    arrays = [x.astype(dtype.numpy) if x.dtype.kind == "f" else x for x in inputs]
    expected = evaluate_reference(op, arrays, attributes)
    inference = op.infer(
        [Layout(hal.dtypes.as_dtype(x.dtype), x.shape) for x in arrays], attributes
    )
    assert op.decompose is not None
    found = op.decompose(
        evaluator(cpu),
        *[
            hal.asarray(x, dtype=d, device=cpu)
            for x, d in zip(arrays, inference.dtypes, strict=True)
        ],
        **inference.attributes,
    )
    assert (found.dtype, found.shape) == inference.outputs[0]
    eps = {hal.float64: 2.0**-48, hal.float32: 2.0**-19, hal.float16: 2.0**-10}
    size = max(1.0, float(np.max(np.abs(expected.astype(np.float64)))))
    np.testing.assert_allclose(
        found.numpy().astype(np.float64),
        expected.astype(np.float64),
        rtol=0,
        atol=eps.get(dtype, 2.0**-7) * size,
    )


def test_every_operator_with_a_decomposition_is_tried() -> None:
    families = ("activation", "normalization", "attention", "convolution", "pooling")
    families = (*families, "interpolation")
    defined = {name for name, op in operators.items() if op.family in families}
    assert defined == {name for name, _, _ in CASES}
