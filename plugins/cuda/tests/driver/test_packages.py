"""What the plugin asks of the vendor's packages, asked of them as installed; no GPU is needed."""

from __future__ import annotations

import ctypes
import inspect
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

import hal
from hal.ops import operators
from hal.plugin import Layout, Signature
from hal_cuda.collectives import NcclCommunicator
from hal_cuda.cublaslt import CublasLt, describe, describe_scaled
from hal_cuda.cudnn import Cudnn, network
from hal_cuda.cufft import Cufft, Rows, Transform
from hal_cuda.cusolver import Cusolver
from hal_cuda.kernels.linalg import linalg
from hal_cuda.kernels.masked import masked
from hal_cuda.problem import problem


def asked(name, *layouts, **attributes):
    op = operators[name]
    inference = op.infer(layouts, attributes)
    outputs = tuple(Layout(d, s) for d, s in inference.outputs)
    return Signature(tuple(layouts), outputs, inference.attributes)


def needs(name):
    """Return a package, or skip with the reason that it cannot be loaded."""
    return pytest.importorskip(name, exc_type=ImportError)


# cuBLASLt: its descriptors are made by the real library, which refuses what it does not know.


class DescriptorsOnly:
    """The bindings without what needs a GPU: a handle, an algorithm, and the product itself."""

    def __init__(self, api):
        self._api = api
        self.started = []

    def __getattr__(self, name):
        return getattr(self._api, name)

    def create(self):
        return 0

    def matmul_algo_get_heuristic(self, *arguments):
        inspect.signature(self._api.matmul_algo_get_heuristic).bind(*arguments)
        ctypes.c_int32.from_address(arguments[-1]).value = 1

    def matmul(self, *arguments):
        inspect.signature(self._api.matmul).bind(*arguments)
        self.started.append(arguments)


@pytest.fixture(scope="module")
def products():
    nvmath = needs("nvmath")
    api = needs("nvmath.bindings.cublasLt")
    types = needs("nvmath.bindings.cublas").ComputeType
    try:
        api.matmul_preference_destroy(api.matmul_preference_create())
    except RuntimeError as error:
        pytest.skip(f"cuBLASLt cannot be loaded: {error}")
    return CublasLt(DescriptorsOnly(api), types, nvmath.CudaDataType)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize(
    "dtype",
    [hal.float16, hal.bfloat16, hal.float32, hal.float64, hal.complex64, hal.complex128],
    ids=str,
)
def test_cublaslt_takes_the_descriptors_of_every_dtype(products, dtype, precision, bias):
    layouts = [Layout(dtype, (2, 6, 8)), Layout(dtype, (4, 8)), Layout(dtype, (4,))]
    signature = asked("linear", *layouts[: 2 + bias], precision=precision)
    call = describe(problem(operators["linear"], signature), dtype, precision, bias)
    made = products.product(call)
    products.api.started.clear()
    made.start(SimpleNamespace(handle=7), 0x9000, (0x100, 0x200, 0x300, 0x400), dtype.itemsize)
    assert len(products.api.started) == 1


@pytest.mark.parametrize("activation", ["RELU", "GELU"])
@pytest.mark.parametrize("bias", [False, True])
def test_cublaslt_knows_the_epilogues(products, activation, bias):
    layouts = [Layout(hal.float16, s) for s in ((6, 8), (4, 8))]
    signature = asked("linear", *layouts)
    found = problem(operators["linear"], signature)
    call = describe(found, hal.float16, "highest", bias, activation)
    assert products.product(call) is not None


@pytest.mark.parametrize("scaling", ["SCALAR_32F", "OUTER_VEC_32F", ""])
@pytest.mark.parametrize("result", [hal.float32, hal.float16, hal.bfloat16], ids=str)
@pytest.mark.parametrize("weight", [hal.float8_e4m3fn, hal.float8_e5m2], ids=str)
def test_cublaslt_takes_the_descriptors_of_float8(products, weight, result, scaling):
    kinds = (hal.float8_e4m3fn, weight, result)
    call = describe_scaled(5, 32, 48, kinds, scaling, result is not hal.float32)
    made = products.product(call)
    products.api.started.clear()
    pointers = (0x100, 0x200, 0x300, 0x400)
    made.start(SimpleNamespace(handle=7), 0x9000, pointers, 1, (0x500, 0x600))
    assert len(products.api.started) == 1
    read = products.api.MatmulDescAttribute
    told = {n: attribute(products.api, made._description, read[n], 8 if "P" in n else 4)
            for n in ("A_SCALE_POINTER", "B_SCALE_POINTER", "A_SCALE_MODE", "B_SCALE_MODE")
            }  # fmt: skip
    mode = int(products.api.MatmulMatrixScale[scaling or "SCALAR_32F"])
    assert told["A_SCALE_MODE"] == told["B_SCALE_MODE"] == mode
    wanted = (0x600, 0x500) if scaling else (0, 0)
    assert (told["A_SCALE_POINTER"], told["B_SCALE_POINTER"]) == wanted, "the weight comes first"


def attribute(api, description, name, size):
    """Return what the real library keeps in a product's description."""
    value, written = ctypes.c_uint64(0), ctypes.c_size_t(0)
    api.matmul_desc_get_attribute(
        description, int(name), ctypes.addressof(value), size, ctypes.addressof(written)
    )
    assert written.value == size
    return value.value


# cuDNN: its graphs are described and validated by the real front end.


@pytest.fixture(scope="module")
def networks():
    cudnn = needs("cudnn")

    class Described(cudnn.pygraph):
        """A graph without what needs a GPU: the backend's plans."""

        def build_operation_graph(self):
            pass

        def create_execution_plans(self, modes):
            assert all(isinstance(mode, cudnn.heur_mode) for mode in modes)

        def check_support(self):
            pass

        def build_plans(self):
            pass

        def get_workspace_size(self):
            return 64

        def execute(self, given, workspace, handle=None):
            uids = self._uid_to_data(given)
            assert all(type(x) is int for x in uids.values())
            Api.given = len(uids)

    class Api:
        pygraph = Described
        set_streams = given = 0

        def create_handle(self):
            return cudnn.Handle(1, 0)  # An address that only plans and runs would use.

        def set_stream(self, **arguments):
            inspect.signature(cudnn.set_stream).bind(**arguments)
            self.set_streams += 1

        def __getattr__(self, name):
            return getattr(cudnn, name)

    return Cudnn(Api())


def run_network(networks, name, *layouts, find=network, **attributes):
    driver = SimpleNamespace(
        networks=lambda: networks,
        use=lambda: None,
        workspace=lambda stream, nbytes: 0x9000,
        multiprocessors=132,
        allocate=lambda nbytes, stream: SimpleNamespace(pointer=0xA000),
        free=lambda buffer, stream: None,
        function=lambda source: source.name,
        launch=lambda function, grid, stream, arguments: None,
    )
    kernel = find(driver, operators[name], asked(name, *layouts, **attributes))
    assert kernel is not None, "cuDNN's front end refused the graph"
    before = networks.api.set_streams
    arrays = [x and SimpleNamespace(pointer=0x100 * (n + 1)) for n, x in enumerate(layouts)]
    kernel.into(SimpleNamespace(handle=7), [SimpleNamespace(pointer=0x800)], arrays)
    assert networks.api.set_streams == before + 1


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("heads", [8, 2])
def test_cudnn_takes_the_graph_of_attention(networks, heads, causal):
    query = Layout(hal.float16, (2, 8, 32, 64))
    key = Layout(hal.float16, (2, heads, 48, 64))
    run_network(networks, "attention", query, key, key, causal=causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("shape", [(48,), (32, 48), (2, 1, 1, 48), (1, 8, 32, 1), (2, 8, 32, 48)])
@pytest.mark.parametrize("kind", [hal.bool, hal.bfloat16, hal.float32], ids=str)
def test_cudnn_takes_the_graph_of_masked_attention(networks, kind, shape, causal):
    query = Layout(hal.bfloat16, (2, 8, 32, 64))
    key = Layout(hal.bfloat16, (2, 4, 48, 64))
    mask = Layout(kind, shape)
    run_network(networks, "attention", query, key, key, mask, causal=causal, find=masked)
    assert networks.api.given == 5  # query, key, value, the bias and the result


@pytest.mark.parametrize("dtype", [hal.float16, hal.float32], ids=str)
def test_cudnn_takes_the_graph_of_a_convolution(networks, dtype):
    x, weight, bias = (Layout(dtype, s) for s in ((2, 4, 9, 9), (6, 2, 3, 3), (6,)))
    run_network(networks, "convolution", x, weight, bias, groups=2)
    run_network(networks, "convolution", x, weight, groups=2, stride=(2, 2), padding=((1, 0),) * 2)


# cuFFT: plans need a GPU; every call fits the bindings' own parameters.


class Fitting:
    """The bindings, calls of which are compared with the parameters of the real ones."""

    def __init__(self, api, **results):
        self._api, self._results, self.made = api, results, []

    def __getattr__(self, name):
        real = getattr(self._api, name)
        if isinstance(real, type):
            return real

        def call(*arguments):
            given = inspect.signature(real).bind(*arguments).arguments
            self.made.append((name, given))
            return self._results.get(name, 0)

        return call

    def given(self, name):
        """Return the parameters of a call."""
        return next(given for made, given in self.made if made == name)


@pytest.mark.parametrize(
    ("read", "written", "name"),
    [
        (hal.complex64, hal.complex64, "exec_c2c"),
        (hal.float32, hal.complex64, "exec_r2c"),
        (hal.complex64, hal.float32, "exec_c2r"),
        (hal.complex128, hal.complex128, "exec_z2z"),
        (hal.float64, hal.complex128, "exec_d2z"),
        (hal.complex128, hal.float64, "exec_z2d"),
    ],
    ids=str,
)
def test_cufft_takes_the_arguments_of_every_transform(read, written, name):
    api = Fitting(needs("nvmath.bindings.cufft"), create=5, make_plan_many64=96)
    asked = Transform(read, written, 8, Rows(8, 3, 1), Rows(8, 3, 1), 3)
    plan = Cufft(api).plan(asked, lambda: None)
    plan.start(SimpleNamespace(handle=7), 0x9000, 0x100, 0x200, True)
    made = api.given("make_plan_many64")
    assert (made["plan"], made["rank"], made["n"], made["batch"]) == (5, 1, [8], 3)
    assert (made["istride"], made["idist"], made["ostride"], made["odist"]) == (3, 1, 3, 1)
    assert made["type"] == api.Type[name[5:].upper()]
    assert api.given("set_work_area") == {"plan": 5, "work_area": 0x9000}
    given = api.given(name)
    assert (given["idata"], given["odata"]) == (0x200, 0x100)
    assert given.get("direction") == (1 if name in ("exec_c2c", "exec_z2z") else None)


def test_cufft_loads():
    try:
        assert Cufft(needs("nvmath.bindings.cufft")).version > 11000
    except RuntimeError as error:
        pytest.skip(f"cuFFT cannot be loaded: {error}")


# cuSOLVER: a handle needs a GPU; every call fits the bindings' own parameters.


def test_cusolver_takes_the_arguments_of_every_function():
    real, types = needs("nvmath.bindings.cusolverDn"), needs("nvmath").CudaDataType
    cublas = needs("nvmath.bindings.cublas")
    sizes = {f"{name}_buffer_size": (48, 16) for name in
             ("xgetrf", "xpotrf", "xgeqrf", "xgesvd", "xsyevd", "xgeev")}  # fmt: skip
    letters = {hal.float32: "sorgqr", hal.float64: "dorgqr",
               hal.complex64: "cungqr", hal.complex128: "zungqr"}  # fmt: skip
    sizes["xsyev_batched_buffer_size"] = (48, 16)
    sizes |= {f"{name}_buffer_size": 12 for name in letters.values()}
    names = ("cholesky", "slogdet", "qr", "svd", "svdvals", "eigh", "eigvalsh", "eig", "eigvals",
             "solve")  # fmt: skip
    for dtype, columns in letters.items():
        api = Fitting(real, create=3, create_params=4, **sizes)
        blas = Fitting(cublas, create=9)
        for name in names:
            x = Layout(dtype, (2, 3, 3))
            one = [Layout(dtype, (3, 3)), Layout(dtype, (3, 5))]
            layouts = one if name == "solve" else [x]
            run_linalg(Cusolver(api, types, blas), name, *layouts)
        letter = columns[0]
        for name in ("cholesky", "eigh"):
            run_linalg(Cusolver(api, types, blas), name, Layout(dtype, (3, 3)))
        roots = api.given(f"{letter}potrf_batched")
        assert (roots["n"], roots["lda"], roots["batch_size"]) == (3, 3, 2)
        assert api.given("xsyev_batched")["batch_size"] == 2
        run_linalg(Cusolver(api, types, blas), "solve", x, Layout(dtype, (2, 3, 5)))
        solved = blas.given(f"{letter}getrs_batched")
        assert [solved[name] for name in ("trans", "n", "nrhs", "lda", "ldb", "batch_size")] == [
            cublas.Operation.T, 3, 5, 3, 3, 2
        ]  # fmt: skip
        factorised = blas.given(f"{letter}getrf_batched")
        assert (factorised["n"], factorised["lda"], factorised["batch_size"]) == (3, 3, 2)
        made = {name for name, _ in api.made}
        assert {
            "xgetrf",
            "xgetrs",
            "xpotrf",
            "xgeqrf",
            "xgesvd",
            "xsyevd",
            "xgeev",
            columns,
        } <= made
        solved = api.given("xgetrs")
        assert (solved["n"], solved["nrhs"], solved["lda"], solved["ldb"]) == (3, 5, 3, 3)
        assert solved["data_type_a"] == solved["data_type_b"] == api.given("xpotrf")["compute_type"]
        real_kind = api.given("xsyevd")["data_type_w"]
        assert real_kind == api.given("xgesvd")["data_type_s"]
        wide = dtype in (hal.float64, hal.complex128)
        assert types(real_kind) == (types.CUDA_R_64F if wide else types.CUDA_R_32F)
        assert api.given("set_stream") == {"handle": 3, "stream_id": 7}


def run_linalg(library, name, *layouts):
    driver = MagicMock(multiprocessors=2)
    driver.solvers.return_value = library
    driver.allocate.return_value = SimpleNamespace(pointer=0x4000)
    driver.fetch.side_effect = lambda pointer, nbytes, stream: np.zeros(nbytes, np.uint8)
    signature = asked(name, *layouts)
    kernel = linalg(driver, operators[name], signature)
    outputs = [SimpleNamespace(pointer=0x8000 + n) for n in range(len(signature.outputs))]
    given = [SimpleNamespace(pointer=0x100 * (n + 1)) for n in range(len(layouts))]
    kernel.into(SimpleNamespace(handle=7), outputs, given)


def test_cusolver_loads():
    api = needs("nvmath.bindings.cusolverDn")
    try:
        assert api.create_params()
    except RuntimeError as error:
        pytest.skip(f"cuSOLVER cannot be loaded: {error}")


# NCCL: every call fits the bindings' own parameters.


class Bound:
    """The bindings, calls of which are compared with the parameters of the real ones."""

    def __init__(self, api):
        self.DataType, self.RedOp, self.made = api.DataType, api.RedOp, []
        for name in ("all_reduce", "all_gather", "reduce_scatter", "broadcast", "send", "recv"):
            setattr(self, name, self.bound(name, inspect.signature(getattr(api, name))))

    def bound(self, name, signature):
        def call(*arguments):
            self.made.append((name, signature.bind(*arguments).arguments))

        return call


def test_nccl_takes_the_arguments_of_every_collective():
    api = Bound(needs("nccl.bindings.nccl"))
    driver = SimpleNamespace(use=lambda: None)
    group = NcclCommunicator(driver, api, SimpleNamespace(ptr=0x77), 0, 2)
    x = SimpleNamespace(pointer=0x100, dtype=hal.float32, shape=(6,))
    y = SimpleNamespace(pointer=0x200, dtype=hal.float32, shape=(3,))
    stream = SimpleNamespace(handle=7)
    group.all_reduce(x, x, "sum", stream)
    group.all_gather(x, y, stream)
    group.reduce_scatter(y, x, "max", stream)
    group.broadcast(x, 1, stream)
    group.send(x, 1, stream)
    group.receive(x, 1, stream)
    given = dict(api.made)
    assert all(a["comm"] == 0x77 and a["stream"] == 7 for a in given.values())
    assert given["all_reduce"]["count"] == 6
    assert given["all_gather"]["sendcount"] == 12, "bytes are moved"
    assert given["reduce_scatter"]["recvcount"] == 3
    assert given["broadcast"]["root"] == given["send"]["peer"] == given["recv"]["peer"] == 1


def test_nccl_identities_travel_as_bytes():
    core = needs("nccl.core")
    assert len(bytes(core.UniqueId.from_bytes(bytes(128)))) == 128
    inspect.signature(core.Communicator.init).bind(2, 0, None)
    assert isinstance(inspect.getattr_static(core.Communicator, "ptr"), property)
