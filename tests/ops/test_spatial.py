"""Attributes of sliding windows become one entry per spatial axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops.spatial import check_group, padding_pairs, reach, spatial_sizes, taps, windows_along
from hal.plugin.layout import Layout


@pytest.mark.parametrize("given", [2, (2,), [2, 2], (np.int64(2), 2)], ids=repr)
def test_sizes_are_given_once_or_per_axis(given: Any) -> None:
    found = spatial_sizes("op", "stride", given, 2)
    assert found == (2, 2)
    assert all(type(n) is int for n in found)


@pytest.mark.parametrize(
    ("given", "pairs"),
    [
        (1, ((1, 1), (1, 1))),
        ((1, 2), ((1, 1), (2, 2))),
        (((1, 0), 2), ((1, 0), (2, 2))),
        ([[0, 3]], ((0, 3), (0, 3))),
    ],
)
def test_padding_is_given_once_per_axis_or_per_side(given: Any, pairs: Any) -> None:
    assert padding_pairs("op", given, 2) == pairs


@pytest.mark.parametrize(
    ("given", "error"),
    [(True, DTypeError), (1.0, DTypeError), (None, DTypeError), (0, ValueRangeError),
     ((1, 2, 3), ShapeError), ((), ShapeError)],
)  # fmt: skip
def test_wrong_sizes_are_named(given: Any, error: Any) -> None:
    with pytest.raises(error, match="op: stride"):
        spatial_sizes("op", "stride", given, 2)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("1", DTypeError),
        (-1, ValueRangeError),
        ((1, 2, 3), ShapeError),
        (((1, 2, 3), 1), ShapeError),
    ],
)
def test_wrong_padding_is_named(given: Any, error: Any) -> None:
    with pytest.raises(error, match=r"op: (the )?padding"):
        padding_pairs("op", given, 2)


def test_taps_visit_what_windows_meet() -> None:
    x = np.arange(10)
    windows = np.stack([x[where] for _, (where,) in taps((3,), (2,), (3,), (2,))], axis=1)
    assert windows.tolist() == [[0, 2, 4], [3, 5, 7]]


def test_windows_that_do_not_fit_are_refused() -> None:
    layout = Layout(hal.float32, (1, 1, 5))
    assert windows_along("op", layout, reach((3,), (2,)), (1,), ((0, 0),)) == (1,)
    with pytest.raises(ShapeError, match=r"op: .*spans 7.*axis 2.*has 5"):
        windows_along("op", layout, reach((4,), (2,)), (1,), ((0, 0),))


def test_groups_divide_every_size() -> None:
    assert check_group("op", 2, (("channels", 4), ("outputs", 6))) == 2
    with pytest.raises(ShapeError, match=r"op: groups=4.*6 outputs"):
        check_group("op", 4, (("channels", 4), ("outputs", 6)))
    with pytest.raises(ValueRangeError, match="groups"):
        check_group("op", 0, ())
