"""Movement operators: references against NumPy, decompositions against references."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal.dtypes import STORAGE
from hal.ops import operators
from hal.plugin import Layout

VIEWS = [op for op in operators.values() if op.view is not None]


@st.composite
def calls(draw):
    """Draw a view operator, an array, and attributes that fit."""
    shape = draw(hnp.array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4))
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    name = draw(st.sampled_from(sorted(op.name for op in VIEWS)))
    if name in ("real", "imag"):
        return name, array.astype(np.complex64) * (1 + 2j), {}
    attributes = {
        "reshape": {"shape": (array.shape[0], -1)},
        "permute": {"axes": tuple(draw(st.permutations(range(array.ndim))))},
        "broadcast_to": {"shape": (2, *array.shape)},
        "bitcast": {"dtype": hal.float32},
        "diagonal": {"offset": draw(st.integers(-2, 2))},
    }
    if name == "slice":
        parts = [draw(st.slices(n)).indices(n) for n in shape]
        parts = [p if len(range(*p)) else (0, 0, 1) for p in parts]
        start, stop, step = zip(*parts, strict=True)
        attributes["slice"] = {"start": start, "stop": stop, "step": step}
    if name == "as_windows":
        axes = tuple(sorted(draw(st.sets(st.integers(0, array.ndim - 1), min_size=1))))
        sizes = tuple(draw(st.integers(1, shape[a])) for a in axes)
        attributes["as_windows"] = {
            "axes": axes,
            "sizes": sizes,
            "steps": tuple(draw(st.integers(1, 3)) for _ in axes),
            "dilations": tuple(
                draw(st.integers(1, max(1, (shape[a] - 1) // max(n - 1, 1))))
                for a, n in zip(axes, sizes, strict=True)
            ),
        }
    return name, array, attributes[name]


@given(calls())
def test_views_see_in_place_what_their_reference_copies(case):
    name, array, attributes = case
    op = operators[name]
    inference = op.infer([Layout(hal.dtypes.as_dtype(array.dtype), array.shape)], attributes)
    expected = op.reference(array, **inference.attributes)
    x = hal.asarray(array, copy=True, device="cpu:0")
    view = hal.dispatch.call(op, x, **attributes)
    assert view.shape == expected.shape == inference.outputs[0][1]
    np.testing.assert_array_equal(view.numpy(), expected)
    x *= 2
    np.testing.assert_array_equal(view.numpy(), expected * 2)


@pytest.mark.parametrize(
    ("name", "inputs", "attributes"),
    [
        ("pad", [np.ones((2, 3)), np.asarray(5.0)], {"before": (1, 0), "after": (2, 1)}),
        ("pad", [np.ones((2, 3)), np.asarray(5.0)], {"before": (0, 0), "after": (0, 0)}),
        ("repeat", [np.arange(6.0).reshape(2, 3)], {"repeats": 3, "axis": 1}),
        ("repeat", [np.arange(6.0).reshape(2, 3)], {"repeats": 0, "axis": 0}),
        ("roll", [np.arange(6.0).reshape(2, 3)], {"shifts": (1, -2), "axes": (0, 1)}),
        ("roll", [np.arange(3.0)], {"shifts": (3,), "axes": (0,)}),
        ("roll", [np.ones((0, 3))], {"shifts": (1,), "axes": (0,)}),
        ("tril", [np.ones((2, 4, 3))], {"k": -1}),
        ("triu", [np.ones((2, 4, 3))], {"k": 1}),
    ],
)
def test_decompositions_move_the_same_elements(name, inputs, attributes, reference, decompose):
    expected = reference(name, *inputs, **attributes)
    np.testing.assert_array_equal(decompose(name, *inputs, **attributes), expected)


@pytest.mark.parametrize(
    ("name", "shapes", "attributes", "error"),
    [
        ("reshape", [(2, 3)], {"shape": (4,)}, hal.ShapeError),
        ("reshape", [(2, 3)], {"shape": (-1, -1)}, hal.ShapeError),
        ("reshape", [(0, 3)], {"shape": (0, -1)}, hal.ShapeError),
        ("reshape", [(2, 3)], {"shape": (2.0, 3)}, hal.DTypeError),
        ("permute", [(2, 3)], {"axes": (0, 0)}, hal.ShapeError),
        ("permute", [(2, 3)], {"axes": (0, 2)}, hal.HalIndexError),
        ("broadcast_to", [(2, 3)], {"shape": (3,)}, hal.ShapeError),
        ("slice", [(3,)], {"start": (0,), "stop": (4,), "step": (1,)}, hal.HalIndexError),
        ("slice", [(3,)], {"start": (0,), "stop": (3,), "step": (0,)}, hal.ValueRangeError),
        ("concat", [(2, 3), (3, 2)], {"axis": 0}, hal.ShapeError),
        ("concat", [()], {"axis": 0}, hal.ShapeError),
        ("pad", [(2,), ()], {"before": (-1,), "after": (0,)}, hal.ShapeError),
        ("pad", [(2,), (2,)], {"before": (1,), "after": (0,)}, hal.ShapeError),
        ("repeat", [(2,)], {"repeats": -1, "axis": 0}, hal.ValueRangeError),
        ("diagonal", [(2,)], {}, hal.ShapeError),
        ("real", [(2,)], {}, hal.DTypeError),
        ("tril", [(2,)], {}, hal.ShapeError),
        (
            "as_windows",
            [(2,)],
            {"axes": (0,), "sizes": (3,), "steps": (1,), "dilations": (1,)},
            hal.ShapeError,
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name(name, shapes, attributes, error):
    layouts = [Layout(hal.float32, shape) for shape in shapes]
    with pytest.raises(error, match=name):
        operators[name].infer(layouts, attributes)


@pytest.mark.parametrize("dtype", STORAGE, ids=str)
def test_windows_may_hold_a_dtype_that_numpy_does_not_stride(dtype):
    x = np.arange(6).astype(np.float32).astype(dtype.numpy)
    attributes = {"axes": (0,), "sizes": (2,), "steps": (2,), "dilations": (1,)}
    windows = operators["as_windows"].reference(x, **attributes)
    assert windows.dtype == dtype.numpy
    assert windows.tobytes() == x.tobytes()
