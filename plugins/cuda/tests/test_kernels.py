"""Every kernel compiles for every architecture, and on the host gives what the references give."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

import hal
from hal import dtypes
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Signature, extent
from hal_cuda.driver import compiled
from hal_cuda.kernels import find_kernel
from hal_cuda.standin import StandinDriver, compiler
from hal_cuda.types import SUPPORTED

LOOPS = [op for op in operators.values() if op.family in ("elementwise", "activation")]
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, 3.5, 1e-3, -7.25, 20.0, 89.0, np.inf, -np.inf,
           np.nan, 100.0)  # fmt: skip


def values(dtype, shape, seed=0):
    """Return values that every operator is defined for and no dtype overflows with."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "bool":
        return rng.random(shape) > 0.5
    if dtype.kind in ("int", "uint"):
        low = 0 if dtype.kind == "uint" else -7
        return rng.integers(low, 8, shape).astype(dtype.numpy)
    if dtype.kind == "complex":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype.numpy)
    return (rng.normal(size=shape) * 2).astype(dtype.numpy)


class Case:
    """One call: an operator, its arrays (of any strides) and attributes."""

    def __init__(self, name, *arrays, **attributes):
        self.op = operators[name]
        self.arrays = arrays
        self.attributes = attributes
        self.layouts = [None if a is None else self.layout(a) for a in arrays]
        self.inference = self.op.infer(self.layouts, attributes)
        outputs = tuple(Layout(d, s) for d, s in self.inference.outputs)
        self.signature = Signature(tuple(self.layouts), outputs, self.inference.attributes)
        listed = ",".join("-" if x is None else str(x) for x in self.layouts)
        self.name = f"{name}({listed})"

    @staticmethod
    def layout(array):
        dtype = dtypes.as_dtype(array.dtype)
        steps = tuple(s // dtype.itemsize for s in array.strides)
        return Layout(dtype, array.shape, steps)

    def expected(self):
        found = evaluate_reference(self.op, self.arrays, self.attributes)
        return found if isinstance(found, tuple) else (found,)

    def run(self, driver):
        """Return what the kernel writes for the arrays, laid out in memory as they are here."""
        stream = driver.stream()
        kernel = find_kernel(driver, self.op, self.signature)
        assert kernel is not None, f"no kernel for {self.name}"
        inputs = [
            None if a is None else self.upload(driver, stream, a, x)
            for a, x in zip(self.arrays, self.layouts, strict=True)
        ]
        outputs = [
            SimpleNamespace(pointer=driver.allocate(x.nbytes, stream).pointer)
            for x in self.signature.outputs
        ]
        kernel.into(stream, outputs, inputs)
        found = []
        for output, layout in zip(outputs, self.signature.outputs, strict=True):
            host = np.empty(layout.shape, layout.dtype.numpy)
            driver.copy_out(host.ctypes.data, output.pointer, host.nbytes, stream)
            found.append(host)
        driver.synchronize(stream)
        return found

    def upload(self, driver, stream, array, layout):
        low, high = extent(layout)
        size = layout.dtype.itemsize
        buffer = driver.allocate((high - low) * size, stream)
        pointer = buffer.pointer - low * size
        if layout.size:
            steps = tuple(s * size for s in layout.strides)
            numpy = layout.dtype.numpy
            np.ndarray(layout.shape, numpy, buffer.bytes, -low * size, steps)[...] = array
        return SimpleNamespace(pointer=pointer)


def tolerance(dtype):
    if dtype.kind not in ("float", "complex"):
        return 0.0
    bits = dtype.bits // (2 if dtype.kind == "complex" else 1)
    return {64: 1e-11, 32: 2e-5, 16: 1e-2 if dtype is dtypes.bfloat16 else 2e-3, 8: 0.13}[bits]


def loops(dtype):
    """Return a call of every elementwise operator that is defined for a dtype, contiguous."""
    for op in LOOPS:
        shape = (37,)
        given = {"dtype": dtypes.float32} if op.name == "cast" else {}
        for count in (1, 2, 3):
            lead = [dtypes.bool] if op.name == "where" else []
            layouts = [Layout(d, shape) for d in (*lead, *[dtype] * (count - len(lead)))]
            try:
                inference = op.infer(layouts, given)
            except hal.HalError:
                continue
            if inference.dtypes[-1] is not dtype or (op.name == "clip" and count < 3):
                continue
            arrays = [values(x.dtype, shape, i) for i, x in enumerate(layouts)]
            if "shift" in op.name or (op.name == "power" and dtype.kind in ("int", "uint")):
                arrays[1] = np.abs(arrays[1])
            if op.name == "prelu":
                arrays = [values(dtype, (3, 5, 2)), values(dtype, (5,))]
            yield Case(op.name, *arrays, **given)
            break


def strided(dtype):
    """Return copies, conversions and sums over layouts that are not contiguous."""
    x = values(dtype, (6, 5, 4))
    yield Case("copy", x.transpose(2, 0, 1))
    yield Case("copy", x[::2, ::-1, 1:3])
    yield Case("copy", np.broadcast_to(x[:, :1], (6, 5, 4)))
    yield Case("concat", x, x[1:2], axis=0)
    yield Case("pad", x, x[0, 0, 0], before=(1, 0, 2), after=(0, 3, 0))
    yield Case("full", x[0, 0, 0], shape=(3, 4))
    yield Case("take", x, np.array([[1, -1], [0, 2]]), axis=1)
    if not dtype.storage_only:
        yield Case("equal", x, x[:, :1])


def conversions():
    targets = (*ANY, dtypes.bool, dtypes.float16, dtypes.uint64, dtypes.float8_e5m2, dtypes.uint4)
    for source in SUPPORTED:
        for target in targets:
            if source.kind == "complex" and target.kind != "complex":
                continue
            x = values(source, (37,))
            if target.kind == "uint" and source.kind != "bool":
                x = np.abs(x.astype(np.float64)).astype(source.numpy)
            yield Case("cast", x, dtype=target)


def reductions(dtype):
    x = values(dtype, (6, 40, 5))
    for name, op in operators.items():
        if op.family != "reduction":
            continue
        for axis in (None, 0, 1, 2):
            try:
                inference = op.infer([Layout(dtype, x.shape)], {"axis": axis})
            except hal.HalError:
                continue
            if inference.dtypes[0] is dtype:
                small = np.where(np.abs(x.astype(np.complex128)) > 1.5, x, x * 0 + 1)
                given = small.astype(dtype.numpy) if "prod" in name else x
                yield Case(name, given, axis=axis)


def rows(dtype):
    def v(*shape):
        return values(dtype, shape, len(shape))

    yield Case("softmax", v(4, 50), axis=1)
    yield Case("softmax", v(4, 50), axis=0)
    yield Case("log_softmax", v(3, 300), axis=1)
    yield Case("softmax", np.array([[1, np.inf, 0], [-np.inf] * 3], dtype.numpy), axis=1)
    yield Case("layer_norm", v(4, 50), v(50), v(50))
    yield Case("layer_norm", v(4, 3, 50), v(3, 50), None, axes=(1, 2))
    yield Case("rms_norm", v(2, 4, 50), v(50))
    yield Case("group_norm", v(2, 6, 4, 3), v(6), v(6), groups=2)
    yield Case("instance_norm", v(2, 6, 4, 3), None, v(6))
    yield Case("batch_norm", v(2, 6, 4), v(6), np.abs(v(6)), v(6), None)


def indexing(dtype):
    x = values(dtype, (5, 7))
    index = np.array([0, -1, 2, 2, 1])
    yield Case("take_along_axis", x, np.array([[6, -7]] * 5, np.int32), axis=1)
    for reduce in ("none", "add", "multiply", "maximum", "minimum"):
        if reduce != "none" and dtype not in dtypes.REAL:
            continue
        yield Case("put", x, index, values(dtype, (5, 7), 1), axis=0, reduce=reduce)
        yield Case("put", x.T, index, values(dtype, (5, 5), 1), axis=0, reduce=reduce)
        where = np.array([[0, 0, 3], [1, 2, -1]], np.int16)
        yield Case("put_along_axis", x, where, values(dtype, (2, 3), 1), axis=1, reduce=reduce)


def ordering(dtype):
    x = values(dtype, (3, 9, 4))
    for axis in (0, 1, 2):
        yield Case("argsort", x, axis=axis)
    yield Case("argsort", x[..., 0], axis=1, descending=True)
    yield Case("argsort", values(dtype, (300,)), axis=0, descending=True)
    if dtype is not dtypes.bool:
        ordered = np.sort(values(dtype, (20,)))
        for side in ("left", "right"):
            yield Case("searchsorted", ordered, values(dtype, (3, 4), 1), side=side)
    if dtype.kind == "float":
        odd = np.array([1, np.nan, -np.inf, np.inf, np.nan, 0, -0.0], dtype.numpy)
        yield Case("argsort", odd)
        yield Case("argsort", odd, descending=True)


def long_lines(dtype):
    """Return sorts of lines so long that they are sorted by digits."""
    count = (1 << 12) * dtype.itemsize
    x = values(dtype, (count + 2500,))
    if dtype.kind == "float":
        x[:7] = x[-7:] = np.array([1, np.nan, -np.inf, np.inf, np.nan, 0, -0.0], dtype.numpy)
    yield Case("argsort", x)
    yield Case("argsort", x, descending=True)
    lines = values(dtype, (3, count, 2), 1)
    yield Case("argsort", lines[:, :, 0], axis=1)
    yield Case("argsort", lines[1:], axis=1, descending=True)
    yield Case("argsort", lines[0].T[:, ::-1], axis=1)


def products(dtype):
    def v(*shape):
        return values(dtype, shape, len(shape))

    yield Case("matmul", v(70, 33), v(33, 65))
    yield Case("matmul", v(2, 1, 3, 4), v(5, 6, 4).transpose(0, 2, 1))
    yield Case("matmul", v(4), v(4, 5))
    yield Case("matmul", v(3, 4), v(4))
    yield Case("matmul", v(3, 0), v(0, 4))
    yield Case("linear", v(2, 3, 4), v(5, 4), v(5))
    yield Case("linear", v(6, 2, 4)[::2], v(5, 4))


def quantized(dtype):
    def v(*shape):
        return values(dtype, shape, sum(shape))

    rng = np.random.default_rng(0)
    for kind, bits in (("int8", 8), ("uint8", 8), ("int8", 4), ("uint8", 4)):
        for rows, features, group in ((1, 64, 32), (5, 37, 16), (20, 37, 5)):
            groups = -(-features // group)
            info = np.iinfo(kind)
            shape = (19, -(-features * bits // 8))
            codes = rng.integers(info.min, info.max, shape, endpoint=True).astype(kind)
            scales, zeros = (v(19, groups) * 0.1).astype(dtype.numpy), np.round(v(19, groups))
            options = {"bits": bits, "group_size": group}
            yield Case("quantized_linear", v(rows, features), codes, scales, **options)
            bias = v(19)
            yield Case("quantized_linear", v(rows, features), codes, scales, zeros, bias, **options)


def attentions(dtype):
    def v(*shape):
        return values(dtype, shape, sum(shape))

    q, k, x = v(2, 4, 7, 8), v(2, 4, 9, 8), v(2, 4, 9, 5)
    yield Case("attention", q, k, x)
    yield Case("attention", q, k, x, causal=True, scale=0.3)
    seen = values(dtypes.bool, (2, 1, 7, 9))
    seen[0, 0, 2] = False  # One query sees no key.
    yield Case("attention", q, k, x, seen)
    wide = dtypes.float64 if dtype is dtypes.float64 else dtypes.float32
    yield Case("attention", q, k, x, values(wide, (4, 1, 9)), causal=True)
    yield Case("attention", q, k, x, values(dtype, (7, 9)))
    shared = v(2, 2, 9, 8)  # Two query heads for each key head.
    yield Case("attention", q, shared, shared, values(dtypes.bool, (2, 4, 7, 1)))
    turned = v(2, 7, 4, 8).transpose(0, 2, 1, 3)
    yield Case("attention", turned, k[:1], x[::-1])
    yield Case("attention", v(70, 40), v(130, 40), v(130, 40), causal=True)
    yield Case("attention", v(3, 5, 8), v(3, 0, 8), v(3, 0, 40))


def made():
    yield Case("arange", start=3, stop=20, step=2, dtype=dtypes.int8)
    yield Case("arange", start=2**62, stop=2**62 + 5, step=1, dtype=dtypes.int64)
    yield Case("arange", start=-5, stop=5, step=0.5, dtype=dtypes.bfloat16)
    yield Case("linspace", start=0.0, stop=10.0, num=7, endpoint=False, dtype=dtypes.int32)
    yield Case("linspace", start=0.0, stop=1.0, num=9, endpoint=True, dtype=dtypes.float64)
    yield Case("eye", rows=3, columns=5, k=-1, dtype=dtypes.bool)
    yield Case("eye", rows=5, columns=3, k=1, dtype=dtypes.complex64)
    x = values(dtypes.float32, (30, 20))
    x[x < 0] = 0
    yield Case("nonzero", x.T, size=int(np.count_nonzero(x)))
    yield Case("sum", values(dtypes.float32, (20_000,)))
    yield Case("argmax", values(dtypes.float32, (20_000,)))
    yield Case("std", values(dtypes.float64, (2, 20_000)), axis=1, correction=1.0)
    for approximate in ("none", "tanh"):
        yield Case("gelu", values(dtypes.float16, (37,)), approximate=approximate)


def chains(dtype):
    x, y = values(dtype, (6, 5), 1), values(dtype, (5,), 2)
    steps = (
        ("multiply", (0, 1), ()),
        ("leaky_relu", (2,), (("negative_slope", 0.1),)),
        ("clip", (3, None, 1), ()),
        ("cast", (4,), (("dtype", dtypes.float64),)),
        ("greater", (3, 0), ()),
    )
    yield Case("fused", x, y, steps=steps, results=(5, 6))
    yield Case("fused", x.T, y[:1], steps=steps, results=(6, 3))


def special():
    x = np.array(SPECIAL)
    a, b = (np.ascontiguousarray(m) for m in np.meshgrid(x, x))
    for dtype in (dtypes.float32, dtypes.float16):
        for case in loops(dtype):
            if len(case.arrays) == 1 and case.op.name != "gelu":
                yield Case(case.op.name, x.astype(dtype.numpy), **case.inference.attributes)
            elif len(case.arrays) == 2 and case.op.name != "prelu":
                yield Case(case.op.name, a.astype(dtype.numpy), b.astype(dtype.numpy))


CORE = (dtypes.bool, dtypes.int8, dtypes.uint16, dtypes.int64, dtypes.float16, dtypes.bfloat16,
        dtypes.float32, dtypes.float64, dtypes.complex64)  # fmt: skip
ANY = (dtypes.int8, dtypes.bfloat16, dtypes.float32, dtypes.complex128, dtypes.float8_e4m3fn,
       dtypes.int4)  # fmt: skip
FEW = (dtypes.bool, dtypes.int8, dtypes.bfloat16, dtypes.float32, dtypes.complex64)


def each(family, given):
    return {f"{family.__name__}-{d}": (lambda d=d: family(d)) for d in given}


FAMILIES = {
    "conversions": conversions,
    "made": made,
    "special": special,
    **each(loops, CORE),
    **each(strided, ANY),
    **each(chains, (dtypes.bfloat16, dtypes.float32)),
    **each(reductions, FEW),
    **each(rows, (dtypes.bfloat16, dtypes.float32)),
    **each(indexing, (dtypes.int8, dtypes.float16, dtypes.float32, dtypes.complex128)),
    **each(ordering, FEW[:-1]),
    **each(long_lines, (*FEW[:-1], dtypes.float16, dtypes.int32, dtypes.uint64, dtypes.float64)),
    **each(products, FEW[1:]),
    **each(quantized, (dtypes.bfloat16, dtypes.float32)),
    **each(attentions, (dtypes.bfloat16, dtypes.float32, dtypes.float64)),
}
# No source looks at the architecture; these show at every run that none of them needs to.
EVERYWHERE = ("made", "strided-float32", "rows-bfloat16", "indexing-float16", "ordering-float32",
              "products-bfloat16")  # fmt: skip


class Collector(StandinDriver):
    """Keeps the sources of the kernels that are started, and runs none."""

    def __init__(self):
        super().__init__()
        self.sources = {}

    def function(self, source):
        self.sources[source] = None
        return source

    def launch(self, function, grid, stream, arguments):
        pass


def sources(cases):
    collector = Collector()
    for case in cases:
        case.run(collector)
    return list(collector.sources)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.skipif(compiler() is None, reason="needs a C++ compiler")
def test_kernels_give_what_the_references_give(family):
    cases = list(FAMILIES[family]())
    driver = StandinDriver()
    driver.prepare(sources(cases))
    for case in cases:
        for found, expected in zip(case.run(driver), case.expected(), strict=True):
            dtype = dtypes.as_dtype(expected.dtype)
            assert found.dtype == expected.dtype
            wide = np.complex128 if dtype.kind == "complex" else np.float64
            bound = tolerance(dtype)
            if dtype.kind in ("float", "complex"):
                found, expected = found.astype(wide), expected.astype(wide)
                if case.op.name in ("sum", "mean", "var", "std", "matmul", "linear"):
                    bound *= math.sqrt(case.arrays[0].size) / 2
            # Weights may be rounded before they are multiplied.
            rounded = case.op.name == "quantized_linear"
            low = bound * np.abs(expected).max() if rounded else bound
            np.testing.assert_allclose(found, expected, bound, low, err_msg=case.name)


def test_long_lines_are_sorted_by_digits_and_short_ones_by_merging():
    def kernels(count):
        return {s.name for s in sources([Case("argsort", values(dtypes.float32, (2, count)))])}

    assert kernels(1 << 14) == {"radix"}
    assert kernels((1 << 14) - 1) == {"sort_pass"}


def everywhere():
    """Return every family with every architecture; what no single one needs is slow."""
    for family in FAMILIES:
        for architecture in (80, 90, 100):
            often = architecture == 90 or family in EVERYWHERE
            marks = () if often else pytest.mark.slow
            yield pytest.param(family, architecture, marks=marks)


@pytest.mark.parametrize(("family", "architecture"), list(everywhere()))
def test_kernels_compile_for_every_architecture(compile_all, family, architecture):
    compile_all(sources(FAMILIES[family]()), architecture)


def test_a_program_is_compiled_for_its_chip_and_kept_on_disk(tmp_path):
    pytest.importorskip("cuda.core", reason="needs pip install 'hal-cuda[test]'")
    from cuda.core.utils import FileStreamProgramCache

    (source,) = sources([Case("add", values(dtypes.float32, (9,)), values(dtypes.float32, (9,)))])
    cache = FileStreamProgramCache(tmp_path)
    made = [compiled(source, (9, 0), cache).code for _ in range(2)]
    assert made[0] == made[1]
    assert len([p for p in tmp_path.rglob("*") if p.is_file() and p.stat().st_size]) == 1
    assert compiled(source, (8, 0), cache).code != made[0]
