"""Every operator that can be written in ONNX, against ONNX Runtime and hal's own importer."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

import onnx
import onnxruntime

import hal
from hal import dtypes
from hal.onnx.writing import to_model
from hal.ops import evaluate_reference, operators
from hal.plugin import Array, Call, Layout, Program
from hal.testing.sample import samples_of

# What ONNX has no operator for, nor anything that it decomposes into.
UNWRITTEN = {
    "bitcast", "cholesky", "complex", "eig", "eigh", "eigvals", "eigvalsh", "fft", "imag", "inv",
    "irfft", "nextafter", "qr", "real", "rfft", "slogdet", "solve", "svd", "svdvals",
}  # fmt: skip
DTYPES = (
    dtypes.float32, dtypes.int64, dtypes.int32, dtypes.bool, dtypes.complex64, dtypes.float8_e4m3fn,
)  # fmt: skip
TRIED = 8


def program_of(op, arrays, attributes):
    """Return a program of one call and what its operator's reference gives."""
    layouts = [None if x is None else Layout(hal.dtypes.as_dtype(x.dtype), x.shape) for x in arrays]
    inference = op.infer(layouts, attributes)
    sizes, inputs = [], []
    for layout in layouts:
        inputs.append(None if layout is None else Array(len(sizes), layout))
        if layout is not None:
            sizes.append(layout.nbytes)
    outputs = []
    for dtype, shape in inference.outputs:
        outputs.append(Array(len(sizes), Layout(dtype, shape)))
        sizes.append(outputs[-1].layout.nbytes)
    call = Call(op, tuple(inputs), tuple(outputs), inference.attributes)
    given = tuple(x for x in inputs if x is not None)
    return Program(op.name, given, tuple(outputs), (call,), tuple(sizes))


def tried(op):
    """Return samples in the first dtype that the operator has any for."""
    for dtype in DTYPES:
        samples = [s for s in samples_of(op, dtype) if not s.large and s.note != "special"]
        if samples:
            return dtype, samples[:TRIED]
    return None, []


def as_theirs(array):
    """Return an array as ONNX Runtime's; float8, which NumPy lacks, by its bytes."""
    if array.dtype != dtypes.float8_e4m3fn.numpy:
        return onnxruntime.OrtValue.ortvalue_from_numpy(array)
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(
        array.view(np.uint8), onnx.TensorProto.FLOAT8E4M3FN
    )


def run_both(model, feeds):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    theirs = session.run_with_ort_values(None, {name: as_theirs(x) for name, x in feeds.items()})
    theirs = [x.numpy() for x in theirs]
    ours = hal.onnx.load(model, "cpu:0")(**feeds)
    return theirs, [np.asarray(x.numpy() if hasattr(x, "numpy") else x) for x in ours.values()]


@pytest.mark.parametrize("name", [n for n in operators if n not in UNWRITTEN])
def test_an_operator_means_the_same_in_onnx(name):
    op = operators[name]
    dtype, samples = tried(op)
    assert samples
    source = np.random.default_rng(3)
    for sample in samples:
        arrays = [
            None if i is None else np.asarray(i.values(source, i.shape, i.of(dtype)))
            for i in sample.inputs
        ]
        model = to_model(program_of(op, arrays, sample.attributes))
        feeds = {f"input_{n}": x for n, x in enumerate(x for x in arrays if x is not None)}
        expected = evaluate_reference(op, arrays, sample.attributes)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for found in run_both(model, feeds):
            for value, wanted in zip(found, expected, strict=True):
                assert (value.shape, value.dtype) == (wanted.shape, wanted.dtype), sample
                np.testing.assert_allclose(value, wanted, rtol=2e-5, atol=2e-5, err_msg=str(sample))


@pytest.mark.parametrize("name", sorted(UNWRITTEN))
def test_what_onnx_cannot_say_is_an_error_that_names_the_operator(name):
    op = operators[name]
    dtype, samples = tried(op)
    sample = next(s for s in samples if all(i is None or 0 not in i.shape for i in s.inputs))
    source = np.random.default_rng(3)
    arrays = [np.asarray(i.values(source, i.shape, i.of(dtype))) for i in sample.inputs]
    with pytest.raises(hal.Unsupported, match=name):
        to_model(program_of(op, arrays, sample.attributes))
