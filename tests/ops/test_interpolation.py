"""Resampling: values by hand, PyTorch's where it is installed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops import operators
from hal.plugin.layout import Layout

LINE = np.array([[[0.0, 10.0, 20.0]]])
MODES = [
    ("nearest", False),
    ("nearest-exact", False),
    ("linear", False),
    ("linear", True),
    ("cubic", False),
    ("cubic", True),
]


def test_nearest_by_hand(reference: Any) -> None:
    found = reference("interpolate", LINE, size=6)
    assert found.tolist() == [[[0.0, 0.0, 10.0, 10.0, 20.0, 20.0]]]
    assert reference("interpolate", LINE, size=2).tolist() == [[[0.0, 10.0]]]
    exact = reference("interpolate", LINE, size=2, mode="nearest-exact")
    assert exact.tolist() == [[[0.0, 20.0]]]


def test_linear_by_hand(reference: Any) -> None:
    found = reference("interpolate", LINE, size=6, mode="linear")
    np.testing.assert_allclose(found, [[[0.0, 2.5, 7.5, 12.5, 17.5, 20.0]]])
    corners = reference("interpolate", LINE, size=5, mode="linear", align_corners=True)
    np.testing.assert_allclose(corners, [[[0.0, 5.0, 10.0, 15.0, 20.0]]])


def test_cubic_by_hand(reference: Any) -> None:
    # Half way, Keys' kernel with -0.75 weighs the neighbours -3/32, 19/32, 19/32, -3/32.
    x = np.array([[[0.0, 32.0, 64.0, 0.0]]])
    found = reference("interpolate", x, size=7, mode="cubic", align_corners=True)
    assert found[0, 0, 3] == pytest.approx(19 + 38)
    np.testing.assert_allclose(found[0, 0, ::2], x[0, 0])


def test_a_constant_stays_constant(reference: Any) -> None:
    x = np.full((1, 1, 3, 4), 7.0)
    for mode, align_corners in MODES:
        found = reference("interpolate", x, scale=1.7, mode=mode, align_corners=align_corners)
        assert found.shape == (1, 1, 5, 6)
        np.testing.assert_allclose(found, 7.0)


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact", "linear", "cubic"])
def test_the_same_size_changes_nothing(reference: Any, decompose: Any, rng: Any, mode: str) -> None:
    x = rng.normal(size=(2, 3, 4, 5))
    for run in (reference, decompose):
        np.testing.assert_allclose(run("interpolate", x, size=(4, 5), mode=mode), x)


NAMES = {
    ("linear", 1): "linear",
    ("linear", 2): "bilinear",
    ("linear", 3): "trilinear",
    ("cubic", 2): "bicubic",
}
HOW = [
    ((2, 3, 5), {"size": 8}),
    ((2, 3, 5), {"scale": 2.3}),
    ((1, 2, 5, 6), {"size": (9, 4)}),
    ((1, 2, 5, 6), {"size": (1, 1)}),
    ((1, 2, 1, 6), {"size": (3, 6)}),
    ((1, 2, 5, 6), {"scale": (0.7, 1.9)}),
    ((1, 2, 3, 4, 2), {"size": (2, 7, 3)}),
    ((1, 2, 3, 4, 2), {"scale": 1.6}),
    ((0, 2, 3), {"scale": 2}),
]


@pytest.mark.parametrize(("shape", "how"), HOW)
@pytest.mark.parametrize(("mode", "align_corners"), MODES)
def test_equals_pytorch(
    check_torch: Any, rng: Any, shape: Any, how: Any, mode: str, align_corners: bool
) -> None:
    nearest = mode.startswith("nearest")
    theirs_mode = mode if nearest else NAMES.get((mode, len(shape) - 2))
    if theirs_mode is None or 0 in shape:
        pytest.skip("PyTorch has no such resampling")

    def theirs(torch: Any, x: Any) -> Any:
        return torch.nn.functional.interpolate(
            x,
            size=how.get("size"),
            scale_factor=how.get("scale"),
            mode=theirs_mode,
            align_corners=None if nearest else align_corners,
        )

    check_torch(
        theirs, "interpolate", rng.normal(size=shape), mode=mode, align_corners=align_corners, **how
    )


@pytest.mark.parametrize("sizes", [(n, m) for n in (1, 3, 7, 10) for m in (1, 4, 9, 23, 50)])
@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_picks_the_elements_that_pytorch_picks(
    check_torch: Any, sizes: Any, mode: str
) -> None:
    x = np.arange(sizes[0], dtype=np.float64).reshape(1, 1, -1)
    check_torch(
        lambda torch, x: torch.nn.functional.interpolate(x, size=sizes[1], mode=mode),
        "interpolate", x, size=sizes[1], mode=mode,
    )  # fmt: skip


@pytest.mark.parametrize(("shape", "how"), HOW)
@pytest.mark.parametrize(("mode", "align_corners"), MODES)
def test_the_decomposition_equals_the_reference(
    check_decomposition: Any, rng: Any, shape: Any, how: Any, mode: str, align_corners: bool
) -> None:
    check_decomposition(
        "interpolate", rng.normal(size=shape), mode=mode, align_corners=align_corners, **how
    )


def test_nearest_keeps_integers_and_booleans(reference: Any, decompose: Any) -> None:
    for dtype in (np.uint8, np.int64, np.bool_, np.complex64):
        x = np.array([[[0, 1]]], dtype)
        for run in (reference, decompose):
            found = run("interpolate", x, scale=2)
            assert found.dtype == dtype
            assert found.tolist() == [[[0, 0, 1, 1]]]


def test_a_size_and_a_scale_together_say_where_the_coordinates_lie(reference: Any) -> None:
    found = reference("interpolate", LINE, size=4, scale=2.0, mode="linear")
    np.testing.assert_allclose(found, [[[0.0, 2.5, 7.5, 12.5]]])
    layout = Layout(hal.float32, (1, 1, 3))
    inference = operators["interpolate"].infer([layout], {"scale": 1.5})
    assert inference.attributes["size"] == (4,)
    assert operators["interpolate"].infer([layout], inference.attributes) == inference


@pytest.mark.parametrize(
    ("shape", "attributes", "error", "text"),
    [
        ((1, 2, 5), {}, ValueRangeError, "give size"),
        ((1, 2), {"size": 3}, ShapeError, "3 or more"),
        ((1, 2, 0), {"size": 3}, ShapeError, "empty"),
        ((1, 2, 5), {"size": 0}, ValueRangeError, "size"),
        ((1, 2, 5), {"size": (1, 2)}, ShapeError, "size"),
        ((1, 2, 5), {"size": 2.5}, DTypeError, "integers"),
        ((1, 2, 5), {"scale": 0.1}, ValueRangeError, "size"),
        ((1, 2, 5), {"scale": -1}, ValueRangeError, "scale"),
        ((1, 2, 5), {"scale": "2"}, DTypeError, "scale"),
        ((1, 2, 5), {"scale": (1.0, 2.0)}, ShapeError, "scale"),
        ((1, 2, 5), {"size": 3, "mode": "bilinear"}, ValueRangeError, "bilinear"),
        ((1, 2, 5), {"size": 3, "align_corners": True}, ValueRangeError, "align_corners"),
    ],
)
def test_wrong_calls_say_what_is_wrong(shape: Any, attributes: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=f"^interpolate.*{text}"):
        operators["interpolate"].infer([Layout(hal.float32, shape)], attributes)


def test_integers_have_no_values_in_between() -> None:
    with pytest.raises(DTypeError, match="interpolate is not defined for uint8"):
        operators["interpolate"].infer(
            [Layout(hal.uint8, (1, 1, 4))], {"size": 3, "mode": "linear"}
        )
