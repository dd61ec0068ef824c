"""Whatever is passed to an operator: a result, or an error of hal's, never anything else."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal.dispatch import call
from hal.dtypes import ALL
from hal.ops import operators

shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
huge = st.sampled_from([2**31, 2**62, 2**63, -(2**63), 10**30])
numbers = st.one_of(
    st.integers(-3, 5),
    st.floats(-2, 2),
    st.sampled_from([float("nan"), float("inf"), 1e300, None, True, "same", "none", b"x", 1j]),
    huge,
    st.sampled_from(ALL),
    st.sampled_from(["linear", "nearest", "left", "add", "valid", "tanh", "highest"]),
)
attributes = st.one_of(
    numbers,
    st.lists(numbers, max_size=4).map(tuple),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
    st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), max_size=3).map(tuple),
)


@st.composite
def tensors(draw):
    if draw(st.integers(0, 9)) == 0:
        return None
    dtype = draw(st.sampled_from(ALL))
    host = (np.arange(256) % 5).astype(dtype.numpy)
    shape = draw(shapes)
    x = hal.asarray(host[: int(np.prod(shape))].reshape(shape), copy=True, device="cpu:0")
    if draw(st.booleans()) and x.ndim:
        x = x[::-1]
    return x


@pytest.mark.parametrize("op", operators.values(), ids=lambda op: op.name)
@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_an_operator_gives_a_result_or_an_error_of_hals(op, data):
    inputs = data.draw(st.lists(tensors(), max_size=4))
    chosen = {
        name: data.draw(attributes) for name in op.defaults if data.draw(st.integers(0, 3)) > 0
    }
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        try:
            result = call(op, *inputs, device="cpu:0", **chosen)
        except hal.HalError:
            return
    for x in result if isinstance(result, tuple) else (result,):
        assert x.numpy().dtype == x.dtype.numpy
        assert x.numpy().shape == x.shape


@pytest.mark.parametrize("size", [0, 1, 3])
def test_differences_taken_more_often_than_there_are_elements_are_none(cpu, size):
    x = hal.ones(size, device=cpu)
    assert hal.diff(x, n=2**62).shape == (0,)
    assert hal.diff(x, n=size).shape == (0,)
