"""What the tests of operators share: running a reference, comparing a decomposition with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal.dtypes import as_dtype
from hal.ops import ReferenceEvaluator, evaluate_reference, operators
from hal.plugin.layout import Layout

FLOATS = (hal.float64, hal.float32, hal.float16, hal.bfloat16)


def run_reference(name: str, *inputs: Any, **attributes: Any) -> Any:
    arrays = [None if x is None else np.asarray(x) for x in inputs]
    return evaluate_reference(operators[name], arrays, attributes)


def run_decomposition(name: str, *inputs: Any, **attributes: Any) -> Any:
    """Run an operator's decomposition on inputs converted as its rule says."""
    op = operators[name]
    layouts = [None if x is None else Layout(as_dtype(x.dtype), x.shape) for x in inputs]
    inference = op.infer(layouts, attributes)
    cast = [
        None if x is None or d is None else x.astype(d.numpy)
        for x, d in zip(inputs, inference.dtypes, strict=True)
    ]
    assert op.decompose is not None
    result = op.decompose(ReferenceEvaluator(), *cast, **inference.attributes)
    dtype, shape = inference.outputs[0]
    assert as_dtype(result.dtype) is dtype
    assert result.shape == shape
    return result


def assert_close(found: Any, expected: Any, dtype: Any, steps: float = 8) -> None:
    """Assert equality up to a few rounding steps of the dtype at the size of the values."""
    import ml_dtypes

    wide_found = np.asarray(found).astype(np.float64)
    wide_expected = np.asarray(expected).astype(np.float64)
    finite = wide_expected[np.isfinite(wide_expected)]
    size = max(1.0, float(np.max(np.abs(finite), initial=0)))
    tolerance = steps * float(ml_dtypes.finfo(as_dtype(dtype).numpy).eps) * size
    np.testing.assert_allclose(wide_found, wide_expected, rtol=0, atol=tolerance)


@pytest.fixture
def reference() -> Any:
    """Runs an operator's reference on arrays."""
    return run_reference


@pytest.fixture
def decompose() -> Any:
    """Runs an operator's decomposition on arrays."""
    return run_decomposition


@pytest.fixture(params=FLOATS, ids=str)
def check_decomposition(request: Any) -> Any:
    """Compares an operator's decomposition with its reference, in each floating-point dtype."""

    def check(name: str, *inputs: Any, **attributes: Any) -> None:
        cast = [
            x.astype(request.param.numpy) if x is not None and x.dtype.kind == "f" else x
            for x in inputs
        ]
        expected = run_reference(name, *cast, **attributes)
        with np.errstate(all="ignore"):
            found = run_decomposition(name, *cast, **attributes)
        steps = 1 if request.param.bits == 16 else 32
        assert_close(found, expected, request.param, steps)

    return check


@pytest.fixture
def check_torch() -> Any:
    """Compares an operator's reference in float64 with what PyTorch gives."""
    torch = pytest.importorskip("torch")

    def check(theirs: Any, name: str, *inputs: Any, **attributes: Any) -> None:
        given = [None if x is None else torch.from_numpy(np.ascontiguousarray(x)) for x in inputs]
        expected = theirs(torch, *given).numpy()
        found = run_reference(name, *inputs, **attributes)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)

    return check


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)
