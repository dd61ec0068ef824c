"""Operators on each element: what NumPy alone does not settle."""

from __future__ import annotations

import numpy as np
import pytest

from hal.dtypes import ALL


@pytest.mark.parametrize("target", [d for d in ALL if d.kind != "bool"], ids=str)
@pytest.mark.parametrize("source", [d for d in ALL if d.kind != "complex"], ids=str)
def test_every_real_dtype_converts_to_every_other(reference, source, target):
    found = reference("cast", np.ones(3, np.float32).astype(source.numpy), dtype=target)
    assert found.dtype == target.numpy
    np.testing.assert_array_equal(found.astype(np.complex64), np.ones(3))
