"""Values and comparisons that the tests of the standard's functions share."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import hal


def on(device: hal.Device, array: Any) -> hal.Tensor:
    """Return a tensor with a copy of an array's values."""
    return hal.asarray(np.asarray(array), device=device, copy=True)


def assert_same(found: hal.Tensor, expected: Any, exact: bool = True) -> None:
    """Assert that a tensor has an array's dtype, shape and values, NaN equal to NaN."""
    expected = np.asarray(expected)
    assert isinstance(found, hal.Tensor)
    assert found.dtype.numpy == expected.dtype
    assert found.shape == expected.shape
    if exact:
        np.testing.assert_array_equal(found.numpy(), expected)
    else:
        size = np.finfo(expected.dtype).eps if expected.dtype.kind in "fc" else 0
        np.testing.assert_allclose(found.numpy(), expected, rtol=16 * size, atol=4 * size)


INTEGERS = [np.dtype(f"{sign}{bits}") for sign in ("int", "uint") for bits in (8, 16, 32, 64)]
REALS = [*INTEGERS, np.dtype("float32"), np.dtype("float64")]
NUMBERS = [*REALS, np.dtype("complex64"), np.dtype("complex128")]
ALL = [np.dtype("bool"), *NUMBERS]
SHAPES = npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def arrays(dtypes: Any, shape: Any = SHAPES, **elements: Any) -> st.SearchStrategy[Any]:
    """Return a strategy of arrays of one of some dtypes, or of one dtype."""
    listed = [np.dtype(d) for d in (dtypes if isinstance(dtypes, list) else [dtypes])]
    return st.sampled_from(listed).flatmap(
        lambda d: npst.arrays(d, shape, elements=_elements(d, elements))
    )


def _elements(dtype: Any, options: Any) -> Any:
    if options:
        return npst.from_dtype(dtype, **options)
    if dtype.kind in "fc":  # Few numbers, so that equal ones meet; and every special one.
        parts = [0.0, -0.0, 1.0, -1.0, 2.5, -3.0, 1e6, np.inf, -np.inf, np.nan]
        real = st.sampled_from(parts)
        return real if dtype.kind == "f" else st.builds(complex, real, real)
    return st.one_of(npst.from_dtype(dtype), st.sampled_from([dtype.type(n) for n in (0, 1)]))
