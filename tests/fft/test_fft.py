"""Fourier transforms are NumPy's, on the CPU and where they are decomposed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal import fft

everywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
NORMS = ("backward", "ortho", "forward")


def values(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    found = rng.normal(size=shape)
    return (found + 1j * rng.normal(size=shape) if "c" in dtype else found).astype(dtype)


def arrays(*dtypes, min_side=1):
    shapes = hnp.array_shapes(min_dims=1, max_dims=3, min_side=min_side, max_side=6)
    return st.builds(values, shapes, st.sampled_from(dtypes), st.integers(0, 1000))


COMPLEX = arrays("complex64", "complex128")
REAL = arrays("float32", "float64")
HALF = arrays("complex64", "complex128", min_side=2)


def assert_like_numpy(found, expected):
    assert found.shape == expected.shape
    assert found.dtype.numpy == expected.dtype
    single = expected.dtype in (np.float32, np.complex64)
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=1e-4 if single else 1e-11)


def check_one(name, array, data, device):
    axis = data.draw(st.integers(-array.ndim, array.ndim - 1))
    wanted = {
        "n": data.draw(st.none() | st.integers(1, 9)),
        "axis": axis,
        "norm": data.draw(st.sampled_from(NORMS)),
    }
    x = hal.asarray(array, device=device)
    assert_like_numpy(getattr(fft, name)(x, **wanted), getattr(np.fft, name)(array, **wanted))


def check_several(name, array, data, device):
    axes = data.draw(st.lists(st.integers(0, array.ndim - 1), min_size=1, unique=True))
    sizes = st.none() | st.tuples(*[st.sampled_from([-1, 1, 2, 3, 7]) for _ in axes])
    wanted = {"s": data.draw(sizes), "axes": axes, "norm": data.draw(st.sampled_from(NORMS))}
    x = hal.asarray(array, device=device)
    found = getattr(fft, name)(x, **wanted)
    if wanted["s"] is not None:
        filled = [array.shape[a] if n == -1 else n for a, n in zip(axes, wanted["s"], strict=True)]
        if name == "irfftn" and wanted["s"][-1] == -1:
            filled[-1] = 2 * (array.shape[axes[-1]] - 1)
        wanted["s"] = filled
    assert_like_numpy(found, getattr(np.fft, name)(array, **wanted))


@everywhere
@given(array=COMPLEX, data=st.data(), name=st.sampled_from(["fft", "ifft"]))
def test_transforms_of_complex_numbers(anywhere, array, data, name):
    check_one(name, array, data, anywhere)


@everywhere
@given(array=REAL, data=st.data(), name=st.sampled_from(["rfft", "ihfft"]))
def test_transforms_of_real_numbers(anywhere, array, data, name):
    check_one(name, array, data, anywhere)


@everywhere
@given(array=HALF, data=st.data(), name=st.sampled_from(["irfft", "hfft"]))
def test_transforms_to_real_numbers(anywhere, array, data, name):
    check_one(name, array, data, anywhere)


@everywhere
@given(array=COMPLEX, data=st.data(), name=st.sampled_from(["fftn", "ifftn"]))
def test_transforms_along_several_axes(anywhere, array, data, name):
    check_several(name, array, data, anywhere)


@everywhere
@given(array=REAL, data=st.data())
def test_transforms_of_real_numbers_along_several_axes(anywhere, array, data):
    check_several("rfftn", array, data, anywhere)


@everywhere
@given(array=HALF, data=st.data())
def test_transforms_to_real_numbers_along_several_axes(anywhere, array, data):
    check_several("irfftn", array, data, anywhere)


def test_all_axes_are_transformed_when_none_are_named(anywhere):
    array = values((3, 4), "complex128", 0)
    x = hal.asarray(array, device=anywhere)
    assert_like_numpy(fft.fftn(x), np.fft.fftn(array))
    assert_like_numpy(fft.irfftn(fft.rfftn(hal.real(x))), array.real)
    assert_like_numpy(fft.fftn(x, axes=()), array)


def test_real_numbers_are_converted_for_a_complex_transform(anywhere):
    array = values((5,), "float32", 0)
    assert_like_numpy(fft.fft(hal.asarray(array, device=anywhere)), np.fft.fft(array))


def test_a_transform_of_an_empty_stack_is_empty(anywhere):
    x = hal.zeros((0, 4), dtype=hal.complex64, device=anywhere)
    assert fft.fft(x).shape == fft.ifft(x).shape == (0, 4)
    assert fft.irfft(x).shape == (0, 6)
    assert fft.rfft(hal.zeros((0, 4), device=anywhere)).shape == (0, 3)


@everywhere
@given(n=st.integers(1, 12), d=st.sampled_from([1, 0.5, 3.0, -2.0]))
def test_frequencies(anywhere, n, d):
    for name in ("fftfreq", "rfftfreq"):
        found = getattr(fft, name)(n, d=d, dtype=hal.float64, device=anywhere)
        assert found.device is anywhere
        np.testing.assert_array_equal(found.numpy(), getattr(np.fft, name)(n, d=d))
        assert getattr(fft, name)(n, device=anywhere).dtype is hal.float32


@everywhere
@given(array=arrays("float32", "complex64", min_side=0), data=st.data())
def test_shifts(anywhere, array, data):
    axes = data.draw(
        st.none()
        | st.integers(-array.ndim, array.ndim - 1)
        | st.lists(st.integers(0, array.ndim - 1), unique=True)
    )
    x = hal.asarray(array, device=anywhere)
    for name in ("fftshift", "ifftshift"):
        expected = getattr(np.fft, name)(array, axes)
        np.testing.assert_array_equal(getattr(fft, name)(x, axes=axes).numpy(), expected)


def test_a_shift_and_its_inverse_leave_everything_in_place(anywhere):
    x = hal.arange(7, device=anywhere)
    assert fft.ifftshift(fft.fftshift(x)).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: fft.fft(x, n=0), hal.ValueRangeError, "1 or more"),
        (lambda x: fft.fft(x, n=2.0), hal.DTypeError, "an integer"),
        (lambda x: fft.fft(x, norm="none"), hal.ValueRangeError, "must be one of"),
        (lambda x: fft.hfft(x, norm="none"), hal.ValueRangeError, "must be one of"),
        (lambda x: fft.fft(x, axis=2), hal.HalIndexError, "no axis 2"),
        (lambda x: fft.fft(x[:, :0]), hal.ShapeError, "empty"),
        (lambda x: fft.irfft(x[:, :1]), hal.ValueRangeError, "1 or more"),
        (lambda x: fft.rfft(x), hal.DTypeError, "complex64"),
        (lambda x: fft.fft(hal.real(x).astype("int64")), hal.DTypeError, "int64"),
        (lambda x: fft.fft(hal.real(x).astype("float16")), hal.DTypeError, "float16"),
        (lambda x: fft.fft([1.0]), hal.DTypeError, "hal tensors"),
        (lambda x: fft.fftn(x, s=(2, 2)), hal.ValueRangeError, "give axes too"),
        (lambda x: fft.fftn(x, s=(2,), axes=(0, 1)), hal.ShapeError, "one for each"),
        (lambda x: fft.fftn(x, s=(0, 2), axes=(0, 1)), hal.ValueRangeError, "1 or more"),
        (lambda x: fft.irfftn(x, axes=()), hal.ValueRangeError, "at least one axis"),
        (lambda x: fft.fftfreq(0), hal.ValueRangeError, "1 or more"),
        (lambda x: fft.fftfreq(3, d=0), hal.ValueRangeError, "samples lie apart"),
        (lambda x: fft.fftfreq(3, d="1"), hal.DTypeError, "a number"),
        (lambda x: fft.rfftfreq(3, dtype="int32"), hal.DTypeError, "int32"),
        (lambda x: fft.fftshift(x, axes=5), hal.HalIndexError, "no axis 5"),
    ],
)
def test_what_does_not_fit_is_refused(cpu, call, error, message):
    with pytest.raises(error, match=message):
        call(hal.ones((2, 3), dtype=hal.complex64, device=cpu))
