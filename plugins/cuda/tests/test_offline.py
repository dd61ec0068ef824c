"""The plugin says without a GPU which kernels one would have, and whose they are."""

from __future__ import annotations

import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout, Signature, backends


def offered(name, *layouts, architecture="sm_90", **attributes):
    op = operators[name]
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(d, s) for d, s in inference.outputs)
    asked = Signature(tuple(layouts), outputs, inference.attributes)
    return backends()["cuda"].offers(architecture, op, asked)


def matrix(*shape, dtype=hal.float16):
    return Layout(dtype, shape)


def test_each_kernel_is_said_to_be_the_librarys_or_the_plugins_own():
    heads = matrix(2, 8, 32, 64)
    assert offered("matmul", matrix(3, 4), matrix(4, 5)).detail == "cuBLASLt"
    assert offered("attention", heads, heads, heads).detail == "cuDNN"
    assert offered("attention", heads, heads, heads, matrix(32, 32)).detail == "cuDNN"
    assert "own kernel" in offered("attention", *[matrix(8, 32, 64)] * 3).detail
    assert "own kernel" in offered("softmax", matrix(3, 4), axis=1).detail


@pytest.mark.parametrize("name", ["fft", "rfft"])
def test_fourier_transforms_are_the_librarys(name):
    assert offered(name, matrix(3, 8, dtype=hal.float32), axis=1).detail == "cuFFT"
    assert not offered(name, Layout(hal.float32, (3, 8), (1, 3)), axis=1).native


@pytest.mark.parametrize("name", ["cholesky", "eig", "eigh", "inv", "qr", "slogdet", "svd"])
def test_linear_algebra_is_the_librarys(name):
    assert offered(name, matrix(2, 4, 4, dtype=hal.complex64)).detail == "cuSOLVER"


def test_float8_is_multiplied_by_the_chips_that_can():
    one = matrix(dtype=hal.float32)
    given = [matrix(3, 32, dtype=hal.float8_e4m3fn), matrix(16, 32, dtype=hal.float8_e4m3fn)]
    for architecture, served in (("sm_80", None), ("sm_89", "cuBLASLt"), ("sm_100", "cuBLASLt")):
        found = offered("scaled_linear", *given, one, one, architecture=architecture)
        assert found.native == (served is not None)
        assert served is None or found.detail == served


def test_what_the_plugin_has_no_kernel_for_is_said_to_be_missing():
    found = offered("tril", matrix(4, 4, dtype=hal.float32))
    assert not found.native
    assert "tril" in found.detail
    copied = offered("copy", matrix(4, dtype=hal.dtypes.float4_e2m1fn))
    assert not copied.native
    assert "float4_e2m1fn" in copied.detail


@pytest.mark.parametrize("architecture", ["sm_75", "ascend910b", "sm_"])
def test_nothing_is_said_of_an_architecture_that_is_too_old_or_not_the_vendors(architecture):
    assert offered("add", matrix(3), matrix(3), architecture=architecture) is None


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100", "sm_120"])
def test_every_supported_architecture_is_known(architecture):
    assert offered("add", matrix(3), matrix(3), architecture=architecture).native
