"""Products of float8: what cuBLASLt is asked, carried out with NumPy in the stand-in's memory."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

import hal
from hal.ops import evaluate_reference, operators
from hal_cuda.cublaslt import describe_scaled

TYPES = {
    "CUDA_R_8F_E4M3": hal.float8_e4m3fn,
    "CUDA_R_8F_E5M2": hal.float8_e5m2,
    "CUDA_R_16F": hal.float16,
    "CUDA_R_16BF": hal.bfloat16,
    "CUDA_R_32F": hal.float32,
}
OP = operators["scaled_linear"]
rng = np.random.default_rng(11)


def at(address, shape, dtype):
    """Return the memory at an address."""
    nbytes = int(np.prod(shape)) * dtype.itemsize
    return np.frombuffer((ctypes.c_uint8 * nbytes).from_address(address), dtype.numpy).reshape(
        shape
    )


class Library:
    """Does what descriptors of float8 say, as cuBLASLt's documentation has it."""

    def __init__(self, refused=()):
        self.refused = refused
        self.calls = []

    def product(self, call, alignment=16):
        self.calls.append(call)
        return None if call.scaling in self.refused else SimpleNamespace(
            start=lambda stream, *given: stream.run(self.multiply, call, *given)
        )  # fmt: skip

    def multiply(self, call, workspace, pointers, size, scales):
        out, left, right, bias = pointers
        assert not any(p % 16 for p in pointers), "tensor cores want pointers of 16 bytes"
        kinds = [TYPES[kind] for kind in call.elements]
        first, second = call.first, call.second
        assert first.transposed, "the one layout of float8 is TN"
        assert not second.transposed
        assert first.rows % 16 == first.columns % 16 == 0
        a = at(right, (first.columns, first.rows), kinds[0]).astype(np.float32)
        b = at(left, (second.columns, second.rows), kinds[1]).astype(np.float32)
        result = b @ a.T
        if call.scaling:
            rows = call.scaling == "OUTER_VEC_32F"
            result *= at(scales[0], (len(b), 1) if rows else (1,), hal.float32)
            result *= at(scales[1], (len(a),) if rows else (1,), hal.float32)
        else:
            assert not scales
        if call.bias:
            assert kinds[2] is not hal.float32, "the library adds no bias of float32 to float8"
            result += at(bias, (len(a),), kinds[2]).astype(np.float32)
        at(out, result.shape, kinds[2])[...] = result


@pytest.fixture
def multiply(carry_out):
    """Runs the kernel for some capability on arrays."""

    def run(capability, library, arrays, dtype, behind=0):
        having = {"capability": capability, "products": lambda: library}
        return carry_out("scaled_linear", arrays, {"dtype": dtype}, behind, **having)

    return run


def given(by_row, by_column, bias, dtype=hal.float32, weight=hal.float8_e5m2):
    x = (rng.normal(size=(2, 5, 32)) * 2).astype(hal.float8_e4m3fn.numpy)
    weights = rng.normal(size=(48, 32)).astype(weight.numpy)
    x_scale = rng.uniform(0.1, 2, (2, 5, 1) if by_row else ()).astype(np.float32)
    weight_scale = rng.uniform(0.1, 2, (48, 1) if by_column else ()).astype(np.float32)
    added = [rng.normal(size=48).astype(dtype.numpy)] if bias else []
    return [x, weights, np.asarray(x_scale), np.asarray(weight_scale), *added]


@pytest.mark.parametrize("behind", [0, 8], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("dtype", [hal.float32, hal.float16, hal.bfloat16], ids=str)
@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("scales", [(False, False), (True, True), (True, False), (False, True)])
@pytest.mark.parametrize("capability", [(8, 9), (9, 0), (10, 0)])
def test_every_product_is_what_the_operator_says(multiply, capability, scales, bias, dtype, behind):
    arrays = given(*scales, bias, dtype)
    found = multiply(capability, Library(), arrays, dtype, behind)
    expected = evaluate_reference(OP, arrays, {"dtype": dtype})
    steps = {hal.float32: 2.0**-20, hal.float16: 2.0**-10, hal.bfloat16: 2.0**-7}[dtype]
    np.testing.assert_allclose(
        found.astype(np.float64), expected.astype(np.float64), rtol=steps, atol=1e-5
    )


@pytest.mark.parametrize(
    ("capability", "scales", "wanted"),
    [
        ((8, 9), (False, False), "SCALAR_32F"),
        ((9, 0), (True, True), "OUTER_VEC_32F"),
        ((9, 0), (True, False), ""),
        ((10, 0), (True, True), ""),
    ],
)
def test_the_library_takes_the_scales_that_it_knows(multiply, capability, scales, wanted):
    library = Library()
    multiply(capability, library, given(*scales, False), hal.float16)
    (call,) = library.calls
    assert call.scaling == wanted
    assert call.elements[2] == ("CUDA_R_16F" if wanted else "CUDA_R_32F")


def test_scales_that_the_library_has_no_algorithm_for_are_applied_by_a_loop(multiply):
    library = Library(refused=("OUTER_VEC_32F",))
    arrays = given(True, True, True, hal.float16)
    found = multiply((9, 0), library, arrays, hal.float16)
    assert [call.scaling for call in library.calls] == ["OUTER_VEC_32F", ""]
    expected = evaluate_reference(OP, arrays, {"dtype": hal.float16})
    np.testing.assert_allclose(found, expected, rtol=2.0**-10, atol=1e-5)


def test_what_the_chip_or_the_library_lacks_is_left_to_be_decomposed(multiply):
    arrays = given(False, False, False)
    assert multiply((8, 0), Library(), arrays, hal.float16) is None
    assert multiply((8, 6), Library(), arrays, hal.float16) is None
    assert multiply((9, 0), None, arrays, hal.float16) is None
    assert multiply((9, 0), Library(refused=("SCALAR_32F", "")), arrays, hal.float16) is None
    wide = [arrays[0].astype(hal.float8_e5m2.numpy), *arrays[1:]]
    assert multiply((9, 0), Library(), wide, hal.float16) is None, "no two of float8_e5m2"
    for rows, depth in ((40, 32), (48, 24)):
        odd = [arrays[0][..., :depth], arrays[1][:rows, :depth], *arrays[2:]]
        assert multiply((9, 0), Library(), odd, hal.float16) is None, "multiples of 16"


@pytest.mark.parametrize("sizes", [(0, 16, 16), (4, 0, 16), (4, 16, 0)])
def test_an_empty_product_has_no_descriptors(sizes):
    kinds = (hal.float8_e4m3fn, hal.float8_e4m3fn, hal.float32)
    assert describe_scaled(*sizes, kinds, "SCALAR_32F", False) is None
