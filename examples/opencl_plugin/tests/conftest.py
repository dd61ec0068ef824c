"""What the tests share: a device to run on, and a way to run one kernel on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hal
from hal.dtypes import as_dtype
from hal.ops import evaluate_reference, operators
from hal.plugin import Layout, Runtime, Signature, backends


@pytest.fixture(scope="session")
def device() -> hal.Device:
    """Return the first OpenCL device, or skip with the reason there is none."""
    state = backends()["opencl"].devices()
    if not state.found:
        pytest.skip(f"{state.reason}; {state.remedy}")
    return hal.device("opencl:0")


@pytest.fixture(scope="session")
def runtime(device: hal.Device) -> Runtime:
    """Return a runtime of its own, to call as hal calls it."""
    return backends()["opencl"].open(0)


class Kernels:
    """Runs one operator by the device's own kernel and by its reference."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.stream = runtime.stream()

    def place(self, array: np.ndarray) -> tuple[Any, Any, Layout]:
        """Copy what lies under a view to the device; return buffer, array and layout."""
        root = array
        while root.base is not None:
            root = root.base
        size = array.itemsize
        start = (array.ctypes.data - root.ctypes.data) // size if array.size else 0
        strides = tuple(s // size for s in array.strides)
        layout = Layout(as_dtype(array.dtype), array.shape, strides)
        buffer = self.runtime.allocate(root.nbytes, self.stream)
        if root.size:
            flat = self.runtime.view(buffer, layout.dtype, (root.size,), (1,), 0)
            self.runtime.upload(flat, root.reshape(-1), self.stream)
        view = self.runtime.view(buffer, layout.dtype, layout.shape, layout.strides, start)
        return buffer, view, layout

    def run(self, name: str, *arrays: np.ndarray | None, **attributes: Any) -> np.ndarray:
        """Return what the device's kernel makes of the arrays."""
        op = operators[name]
        placed = [None if a is None else self.place(a) for a in arrays]
        layouts = tuple(None if p is None else p[2] for p in placed)
        inference = op.infer(layouts, attributes)
        assert inference.dtypes == tuple(None if x is None else x.dtype for x in layouts)
        (spec,) = inference.outputs
        out = Layout(*spec)
        kernel = self.runtime.kernel(op, Signature(layouts, (out,), inference.attributes))
        assert kernel is not None, f"no kernel for {name} of {layouts}"
        buffer = self.runtime.allocate(out.nbytes, self.stream)
        target = self.runtime.view(buffer, out.dtype, out.shape, out.strides, 0)
        kernel.into(self.stream, [target], [None if p is None else p[1] for p in placed])
        found = np.empty(out.shape, out.dtype.numpy)
        if found.size:
            self.runtime.download(target, found, self.stream)
        for p in placed:
            if p is not None:
                self.runtime.free(p[0], self.stream)
        self.runtime.free(buffer, self.stream)
        return found

    def compare(self, name: str, *arrays: np.ndarray | None, **attributes: Any) -> tuple[Any, Any]:
        """Return what the kernel and the reference make of the same arrays."""
        found = self.run(name, *arrays, **attributes)
        return found, evaluate_reference(operators[name], arrays, attributes)

    def check(
        self,
        name: str,
        *arrays: np.ndarray | None,
        ulps: float = 4,
        scale: float = 1e-3,
        **attributes: Any,
    ) -> None:
        """Assert that kernel and reference agree but for a few roundings of numbers of a scale."""
        found, expected = self.compare(name, *arrays, **attributes)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        if as_dtype(found.dtype).kind != "float":
            np.testing.assert_array_equal(found, expected)
            return
        step = float(np.ldexp(1.0, {2: -10, 4: -23, 8: -52}[found.itemsize]))
        step = 2.0**-7 if found.dtype.name == "bfloat16" else step
        wide = [a.astype(np.float64) for a in (found, expected)]
        np.testing.assert_allclose(*wide, rtol=ulps * step, atol=ulps * step * scale)


@pytest.fixture(scope="session")
def kernels(runtime: Runtime) -> Kernels:
    """Return a way to run one kernel."""
    return Kernels(runtime)
