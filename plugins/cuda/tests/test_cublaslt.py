"""Descriptors of cuBLASLt describe the product that was asked for; shown without the library."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import replace
from enum import IntEnum
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cuda.cublaslt import CublasLt, describe, load
from hal_cuda.kernels.product import product
from hal_cuda.problem import problem


def layout(array):
    steps = tuple(s // array.itemsize for s in array.strides)
    return Layout(hal.dtypes.as_dtype(array.dtype), array.shape, steps)


def asked(name, *arrays, precision="highest"):
    """Return the descriptors for a call on arrays laid out as they are."""
    op = operators[name]
    layouts = tuple(map(layout, arrays))
    inference = op.infer(layouts, {"precision": precision})
    outputs = tuple(Layout(d, s) for d, s in inference.outputs)
    signature = Signature(layouts, outputs, inference.attributes)
    call = describe(problem(op, signature), layouts[0].dtype, precision, len(arrays) > 2)
    return call, outputs[0]


def column_major(memory, start, operand):
    """Return a matrix of column-major memory, as the library would take it."""
    size = memory.itemsize
    strides = (size, operand.leading * size)
    end = start + operand.rows + (operand.columns - 1) * operand.leading
    assert start >= 0
    assert end <= memory.size, "the descriptor reaches beyond the memory"
    found = np.ndarray((operand.rows, operand.columns), memory.dtype, memory, start * size, strides)
    return found.T if operand.transposed else found


def multiplied(call, out, left, right, bias=None):
    """Do with NumPy what the library is told to do, on flat memory."""
    for to, a, b in call.offsets:
        for n in range(call.batch):
            first = column_major(right, b + n * call.first.step, call.first)
            second = column_major(left, a + n * call.second.step, call.second)
            result = column_major(out, to + n * call.result.step, call.result)
            result[...] = first @ second
            if bias is not None:
                result += bias[:, None]


def flat(array):
    """Return the memory under a view, from the view's first element on."""
    low = array.__array_interface__["data"][0]
    whole = array if array.base is None else array.base
    start = (low - whole.__array_interface__["data"][0]) // array.itemsize
    return whole.reshape(-1)[start:]


def numbers(*shape):
    return np.random.default_rng(sum(shape)).random(shape)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (numbers(3, 4), numbers(4, 5)),
        (numbers(4, 3).T, numbers(5, 4).T),
        (numbers(6, 8)[:3, :4], numbers(4, 9)[:, 2:7]),
        (numbers(1, 4), numbers(4, 1)),
        (numbers(4), numbers(4, 5)),
        (numbers(3, 4), numbers(4)),
        (numbers(7, 3, 4), numbers(7, 4, 5)),
        (numbers(7, 3, 4), numbers(4, 5)),
        (numbers(2, 7, 3, 4), numbers(7, 4, 5)),
        (numbers(2, 3, 7, 4).transpose(0, 2, 1, 3), numbers(2, 5, 7, 4).transpose(0, 2, 3, 1)),
    ],
)
def test_descriptors_give_the_product(a, b):
    call, layout = asked("matmul", a, b)
    out = np.full(layout.size, np.nan)
    multiplied(call, out, flat(a), flat(b))
    np.testing.assert_allclose(out.reshape(layout.shape), np.matmul(a, b))


@pytest.mark.parametrize("x", [numbers(3, 4), numbers(2, 3, 4), numbers(4), numbers(5, 3, 4)[::2]])
def test_a_linear_layer_takes_its_weight_as_it_lies_and_adds_its_bias(x):
    weight, bias = numbers(5, 4), numbers(5)
    call, layout = asked("linear", x, weight, bias)
    assert call.bias
    assert call.first.transposed
    out = np.full(layout.size, np.nan)
    multiplied(call, out, flat(x), flat(weight), bias)
    np.testing.assert_allclose(out.reshape(layout.shape), x @ weight.T + bias)


def test_a_layout_the_library_does_not_know_has_no_descriptors():
    assert asked("matmul", numbers(3, 8)[:, ::2], numbers(4, 5))[0] is None
    assert asked("matmul", numbers(3, 4)[:, ::-1], numbers(4, 5))[0] is None
    assert asked("matmul", np.ones((3, 4), np.int32), np.ones((4, 5), np.int32))[0] is None


def test_float32_is_rounded_to_tf32_only_where_the_user_allowed_it():
    a, b = np.ones((3, 4), np.float32), np.ones((4, 5), np.float32)
    found = {p: asked("matmul", a, b, precision=p)[0].compute for p in hal.ops.product.PRECISIONS}
    assert found == {
        "highest": "COMPUTE_32F",
        "high": "COMPUTE_32F_FAST_TF32",
        "medium": "COMPUTE_32F_FAST_16BF",
    }
    wide = [asked("matmul", np.ones((3, 4)), np.ones((4, 5)), precision="high")[0]]
    assert wide[0].compute == "COMPUTE_64F"


class Names:
    """Any name, as a number of its own."""

    def __init__(self):
        self.found = {}

    def __getattr__(self, name):
        return self.found.setdefault(name, IntEnum("Name", {name: len(self.found) + 1})(
            len(self.found) + 1))  # fmt: skip


class RecordingLibrary:
    """Keeps what the library would be told."""

    matmul_heuristic_result_dtype = np.dtype([("algo", np.uint64, 8)])

    def __init__(self, algorithms=1):
        self.algorithms = algorithms
        self.MatmulDescAttribute = Names()
        self.MatrixLayoutAttribute = Names()
        self.MatmulPreferenceAttribute = Names()
        self.Epilogue = SimpleNamespace(DEFAULT=1, BIAS=4, RELU=2, RELU_BIAS=6, GELU_BIAS=36)
        self.set = {}
        self.layouts = []
        self.started = []

    def create(self):
        return 1

    def matmul_desc_create(self, compute, scale):
        return 2

    def matrix_layout_create(self, element, rows, columns, leading):
        self.layouts.append((rows, columns, leading))
        return len(self.layouts)

    def matmul_preference_create(self):
        return 3

    def matmul_preference_destroy(self, preference):
        pass

    def _keep(self, group, names, attribute, address, size):
        kind = {4: ctypes.c_int32, 8: ctypes.c_int64}[size]
        (name,) = (n for n, number in names.found.items() if number == attribute)
        self.set.setdefault((group, name), []).append(kind.from_address(address).value)

    def matmul_desc_set_attribute(self, description, attribute, address, size):
        self._keep("product", self.MatmulDescAttribute, attribute, address, size)

    def matrix_layout_set_attribute(self, layout, attribute, address, size):
        self._keep("layout", self.MatrixLayoutAttribute, attribute, address, size)

    def matmul_preference_set_attribute(self, preference, attribute, address, size):
        self._keep("preference", self.MatmulPreferenceAttribute, attribute, address, size)

    def matmul_algo_get_heuristic(self, *arguments):
        ctypes.c_int32.from_address(arguments[-1]).value = self.algorithms

    def matmul(self, *arguments):
        self.started.append(arguments)


def test_the_library_is_told_what_the_descriptors_say():
    api = RecordingLibrary()
    call, _ = asked("linear", np.ones((3, 4), np.float16), np.ones((5, 4), np.float16),
                    np.ones(5, np.float16))  # fmt: skip
    made = CublasLt(api, Names(), Names()).product(call)
    assert api.layouts == [(4, 5, 4), (4, 3, 4), (5, 3, 5)]
    assert api.set["product", "TRANSA"] == [1]
    assert api.set["product", "TRANSB"] == [0]
    assert api.set["product", "EPILOGUE"] == [4]
    assert api.set["layout", "BATCH_COUNT"] == [1, 1, 1]
    assert api.set["preference", "MIN_ALIGNMENT_A_BYTES"] == [16]
    made.start(SimpleNamespace(handle=7), 0x9000, (0x100, 0x200, 0x300, 0x400), 2)
    (started,) = api.started
    assert api.set["product", "BIAS_POINTER"][-1] == 0x400
    assert started[3] == 0x300, "the weight comes first"
    assert started[5] == 0x200
    assert started[8] == started[10] == 0x100
    assert started[-3:] == (0x9000, 32 << 20, 7)


def test_a_product_without_an_algorithm_is_left_to_others():
    call, _ = asked("matmul", np.ones((3, 4)), np.ones((4, 5)))
    assert CublasLt(RecordingLibrary(algorithms=0), Names(), Names()).product(call) is None


def kernel_by(library):
    """Return the kernel for a product of float16 on a device that has the library."""
    a, b = Layout(hal.float16, (3, 4)), Layout(hal.float16, (4, 5))
    signature = Signature((a, b), (Layout(hal.float16, (3, 5)),), {"precision": "highest"})
    driver = MagicMock()
    driver.products.return_value = library
    driver.workspace.return_value = 0x9000
    return product(driver, operators["matmul"], signature), driver


def start(kernel, *pointers):
    out, *given = [SimpleNamespace(pointer=p) for p in pointers]
    kernel.into(SimpleNamespace(handle=7), [out], given)


def test_an_algorithm_for_aligned_memory_never_gets_other_memory():
    api = RecordingLibrary()
    kernel, _ = kernel_by(CublasLt(api, Names(), Names()))
    start(kernel, 0x100, 0x200, 0x300)
    assert api.set["preference", "MIN_ALIGNMENT_A_BYTES"] == [16]
    start(kernel, 0x100, 0x202, 0x300)
    assert api.set["preference", "MIN_ALIGNMENT_A_BYTES"] == [16, 2]
    assert len(api.started) == 2


def test_an_own_kernel_takes_what_the_library_has_no_algorithm_for():
    api = RecordingLibrary()
    kernel, driver = kernel_by(CublasLt(api, Names(), Names()))
    api.algorithms = 0
    start(kernel, 0x100, 0x202, 0x300)
    assert not api.started
    assert driver.launch.called


def behind(step, *options, bias=True, others=()):
    """Return a product with an activation behind it, as a program's fusion asks for it."""
    x, weight = Layout(hal.float16, (3, 4)), Layout(hal.float16, (5, 4))
    inputs = (x, weight, Layout(hal.float16, (5,)) if bias else None, *others)
    chain = {"steps": ((step, (0,), options),), "results": (1 + len(others),)}
    out = (Layout(hal.float16, (3, 5)),)
    return Signature(inputs, out, {"precision": "highest", **chain})


def fused_by(library, asked):
    driver = MagicMock(multiprocessors=2)
    driver.products.return_value = library
    driver.workspace.return_value = 0x9000
    return product(driver, SimpleNamespace(name="linear_fused"), asked), driver


@pytest.mark.parametrize(
    ("asked", "epilogue"),
    [
        (behind("relu"), 6),
        (behind("relu", bias=False), 2),
        (behind("gelu", ("approximate", "tanh")), 36),
    ],
)
def test_an_activation_is_done_by_the_library_as_it_stores_the_product(asked, epilogue):
    api = RecordingLibrary()
    kernel, _ = fused_by(CublasLt(api, Names(), Names()), asked)
    assert api.set["product", "EPILOGUE"] == [epilogue]
    start(kernel, 0x100, 0x200, 0x300, 0x400)
    assert len(api.started) == 1


def test_a_bias_that_the_chain_adds_is_the_librarys_too():
    api = RecordingLibrary()
    bias = Layout(hal.float16, (5,))
    asked = behind("relu", bias=False, others=(bias,))
    steps = (("add", (0, 1), ()), ("relu", (2,), ()))
    asked = replace(asked, attributes={**asked.attributes, "steps": steps, "results": (3,)})
    driver = MagicMock(multiprocessors=2)
    driver.products.return_value = CublasLt(api, Names(), Names())
    driver.workspace.return_value = 0x9000
    kernel = product(driver, SimpleNamespace(name="linear_fused"), asked)
    assert api.set["product", "EPILOGUE"] == [6]
    out, x, weight, added = (SimpleNamespace(pointer=0x100 * n) for n in (1, 2, 3, 4))
    kernel.into(SimpleNamespace(handle=7), [out], [x, weight, None, added])
    assert api.set["product", "BIAS_POINTER"][-1] == 0x400


def test_chains_that_the_library_does_not_know_are_left_alone():
    library = CublasLt(RecordingLibrary(), Names(), Names())
    other = Layout(hal.float16, (3, 5))
    for asked in (
        behind("gelu", ("approximate", "none")),
        behind("tanh"),
        behind("add", others=(other,)),
    ):
        assert fused_by(library, asked)[0] is None
    assert fused_by(None, behind("relu"))[0] is None


def test_without_an_algorithm_the_activation_follows_an_own_product():
    api = RecordingLibrary()
    kernel, driver = fused_by(CublasLt(api, Names(), Names()), behind("relu"))
    api.algorithms = 0
    start(kernel, 0x100, 0x202, 0x300, 0x400)
    assert not api.started
    assert driver.launch.call_count == 2


def test_a_library_that_does_not_load_is_said_and_done_without(monkeypatch):
    def create():
        raise RuntimeError("libcublasLt.so was not found")

    bindings = ModuleType("nvmath.bindings")
    bindings.cublasLt = SimpleNamespace(create=create)
    nvmath, cublas = ModuleType("nvmath"), ModuleType("nvmath.bindings.cublas")
    nvmath.CudaDataType, cublas.ComputeType = Names(), Names()
    for module in (nvmath, bindings, cublas):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.warns(hal.HalWarning, match="libcublasLt.so was not found"):
        assert load() is None


def test_without_the_bindings_nothing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "nvmath", None)
    assert load() is None
