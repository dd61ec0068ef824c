"""Fourier transforms: what cuFFT is asked, carried out with NumPy in the stand-in's memory."""

from __future__ import annotations

import ctypes
import gc
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import hal
from hal.errors import DeviceError, OutOfMemory
from hal.ops import evaluate_reference, operators
from hal_cuda.cufft import Cufft, Rows, Transform, load

PRECISE = (hal.float32, hal.float64, hal.complex64, hal.complex128)
KINDS = {"R": np.float32, "D": np.float64, "C": np.complex64, "Z": np.complex128}


class Api:
    """``nvmath.bindings.cufft``, as its documentation and cuFFT's have it, on the host."""

    Type = SimpleNamespace(C2C=41, R2C=42, C2R=44, Z2Z=105, D2Z=106, Z2D=108)

    def __init__(self, streams):
        self.streams = streams
        self.plans = {}
        self.made = 0

    def get_version(self):
        return 12500

    def create(self):
        self.made += 1
        self.plans[self.made] = {}
        return self.made

    def destroy(self, plan):
        del self.plans[plan]

    def set_auto_allocation(self, plan, wanted):
        self.plans[plan]["own memory"] = not wanted

    def make_plan_many64(self, plan, rank, n, inembed, istride, idist, onembed, ostride, odist,
                         kind, batch):  # fmt: skip
        assert self.plans[plan]["own memory"], "said before the plan is made"
        assert rank == len(n) == len(inembed) == len(onembed) == 1
        assert min(n[0], batch) > 0
        name = next(k for k, v in vars(self.Type).items() if v == kind)
        size = {"read": n[0], "written": n[0]}
        size[{"R2C": "written", "D2Z": "written", "C2R": "read", "Z2D": "read"}.get(name, "")] = (
            n[0] // 2 + 1
        )
        self.plans[plan] |= {
            "name": name, "n": n[0],
            "read": (KINDS[name[0]], batch, size["read"], istride, idist),
            "written": (KINDS[name[2]], batch, size["written"], ostride, odist),
        }  # fmt: skip
        return 96

    def set_stream(self, plan, stream):
        self.plans[plan]["stream"] = self.streams[stream]

    def set_work_area(self, plan, address):
        assert address % 256 == 0 or address
        self.plans[plan]["work area"] = address

    def __getattr__(self, name):
        assert name.startswith("exec_")

        def start(plan, given, out, direction=None):
            kept = dict(self.plans[plan])
            assert kept["name"].lower() == name[5:]
            assert (direction in (-1, 1)) == (kept["name"] in ("C2C", "Z2Z"))
            area = kept.pop("work area")
            kept["stream"].run(self._transform, kept, given, out, direction, area)

        return start

    def _transform(self, plan, given, out, direction, area):
        ctypes.memset(area, 0xAA, 96)  # It is the plan's to write.
        x, y = (self._seen(at, *plan[which]) for at, which in ((given, "read"), (out, "written")))
        if plan["name"] in ("R2C", "D2Z"):
            y[...] = np.fft.rfft(x)
        elif plan["name"] in ("C2R", "Z2D"):
            middle = [0] if plan["n"] % 2 else [0, -1]
            assert not x[:, middle].imag.any(), (
                "these must be real: the library does not say what comes"
            )
            y[...] = np.fft.irfft(x, plan["n"], norm="forward")
            x[...] = np.nan  # The library may overwrite it.
        else:
            y[...] = np.fft.fft(x) if direction == -1 else np.fft.ifft(x, norm="forward")

    def _seen(self, address, dtype, batch, size, stride, distance):
        item = np.dtype(dtype).itemsize
        complex_item = item if np.dtype(dtype).kind == "c" else 2 * item
        assert address % complex_item == 0, "the library wants the alignment of a complex number"
        length = (batch - 1) * distance + (size - 1) * stride + 1
        whole = np.frombuffer((ctypes.c_uint8 * (length * item)).from_address(address), dtype)
        return np.lib.stride_tricks.as_strided(
            whole, (batch, size), (distance * item, stride * item)
        )


@pytest.fixture
def library(carry_out):
    """cuFFT on the stand-in."""
    return Cufft(Api(carry_out.streams))


@pytest.mark.parametrize("behind", [0, 4], ids=["aligned", "unaligned"])
@pytest.mark.parametrize("dtype", PRECISE, ids=str)
@pytest.mark.parametrize("name", ["fft", "rfft", "irfft"])
def test_every_transform_is_what_the_operator_says(try_samples, library, name, dtype, behind):
    wide = behind * dtype.itemsize // 4  # Elements lie as elements may: at multiples of their size.
    try_samples(name, dtype, wide, transforms=lambda: library)


def test_the_axis_in_the_middle_goes_last_and_one_at_an_end_stays(carry_out, library, monkeypatch):
    planned = []
    make = library.plan
    monkeypatch.setattr(library, "plan", lambda t, use: planned.append(t) or make(t, use))
    for shape, axis in (((2, 6, 3), 1), ((2, 3, 6), 2), ((6, 2, 3), 0)):
        x = np.ones(shape, np.complex64)
        carry_out("fft", [x], {"axis": axis}, transforms=lambda: library)
    rows = Rows(6, 1, 6)
    assert [t.source for t in planned] == [rows, rows, Rows(6, 6, 1)]
    assert all(t.batch == 6 and t.kind == "C2C" for t in planned)


def test_numbers_of_a_spectrum_that_must_be_real_are_taken_as_real(carry_out, library):
    x = np.random.default_rng(2).normal(size=(3, 5, 2, 2)).view(np.complex128)[..., 0]
    for n in (8, 9):
        attributes = {"axis": 1, "n": n}
        found = carry_out("irfft", [x], attributes, transforms=lambda: library)
        wanted = evaluate_reference(operators["irfft"], [x], attributes)
        np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_plan_is_made_once_for_what_is_alike_and_destroyed_with_its_last_user(library):
    asked = Transform(hal.complex64, hal.complex64, 8, Rows(8, 1, 8), Rows(8, 1, 8), 3)
    used = []
    plan = library.plan(asked, lambda: used.append("the plan's device"))
    assert library.plan(asked, used.clear) is plan
    assert library.api.made == 1
    del plan
    gc.collect()
    assert not library.api.plans
    assert used == ["the plan's device"]


def test_a_plan_that_cannot_be_destroyed_is_said(library, monkeypatch):
    def refuse():
        raise DeviceError("the device is lost")

    asked = Transform(hal.complex64, hal.complex64, 8, Rows(8, 1, 8), Rows(8, 1, 8), 3)
    plan = library.plan(asked, refuse)
    with pytest.warns(hal.HalWarning, match="destroy a plan: the device is lost"):
        del plan


def test_a_packed_array_is_asked_for(carry_out, library, monkeypatch):
    from hal_cuda.kernels.fourier import fourier

    strided = hal.plugin.Layout(hal.complex64, (4, 3), (1, 4))
    out = hal.plugin.Layout(hal.complex64, (4, 3))
    asked = hal.plugin.Signature((strided,), (out,), {"axis": 0, "norm": "ortho", "inverse": False})
    monkeypatch.setattr(carry_out.driver, "transforms", lambda: library)
    assert fourier(carry_out.driver, operators["fft"], asked) is None


@pytest.mark.parametrize(
    ("said", "kind"), [("CUFFT_ALLOC_FAILED", OutOfMemory), ("CUFFT_INTERNAL_ERROR", DeviceError)]
)
def test_what_the_library_refuses_is_an_error_of_hals(library, monkeypatch, said, kind):
    def refuse(*arguments):
        raise RuntimeError(said)

    monkeypatch.setattr(library.api, "make_plan_many64", refuse)
    asked = Transform(hal.float32, hal.complex64, 8, Rows(8, 1, 8), Rows(5, 1, 5), 1)
    with pytest.raises(kind, match=said):
        library.plan(asked, lambda: None)


def test_a_library_that_does_not_load_is_said_and_done_without(monkeypatch):
    def get_version():
        raise RuntimeError("libcufft.so was not found")

    bindings = ModuleType("nvmath.bindings")
    bindings.cufft = SimpleNamespace(get_version=get_version)
    monkeypatch.setitem(sys.modules, "nvmath", ModuleType("nvmath"))
    monkeypatch.setitem(sys.modules, "nvmath.bindings", bindings)
    with pytest.warns(hal.HalWarning, match="libcufft.so was not found"):
        assert load() is None
    monkeypatch.setitem(sys.modules, "nvmath.bindings", None)
    assert load() is None
