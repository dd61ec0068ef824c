"""What a backend says of itself and its devices."""

from __future__ import annotations

import numpy as np

import hal.plugin
from hal.device import device as device_named
from hal.dtypes import ALL, DType
from hal.errors import DeviceError, Unsupported
from hal.memory import from_host, to_host
from hal.plugin import CONTRACT_VERSION, DeviceInfo, Devices
from hal.testing.bench import Bench
from hal.testing.rule import rule
from hal.testing.values import ordinary


@rule()
def the_contract_version_is_one_that_hal_loads(bench: Bench) -> None:
    """The major version decides; a minor one above hal's would rely on what is not there."""
    found = bench.device.backend.contract
    assert isinstance(found, tuple), f"contract is {found!r}; it must be a pair of integers"
    assert len(found) == 2, f"contract is {found!r}; it must be a pair of integers"
    assert found[0] == CONTRACT_VERSION[0], f"contract is {found}, hal's is {CONTRACT_VERSION}"


@rule()
def devices_can_be_listed_again_and_again(bench: Bench) -> None:
    """The list is the same each time, and listing never raises."""
    first, second = bench.device.backend.devices(), bench.device.backend.devices()
    assert isinstance(first, Devices), f"devices() returned {type(first).__name__}, not Devices"
    assert [d.index for d in first.found] == [d.index for d in second.found]
    assert bench.device.index in [d.index for d in first.found]


@rule()
def a_device_is_described_in_full(bench: Bench) -> None:
    """Name, architecture, memory and dtypes are there and make sense."""
    info = bench.device.info
    assert isinstance(info, DeviceInfo)
    assert info.description.strip(), "description is empty"
    assert info.architecture.strip(), "architecture is empty"
    assert info.memory > 0, f"memory is {info.memory} bytes"
    assert info.dtypes, "dtypes is empty"
    assert all(isinstance(d, DType) for d in info.dtypes), f"dtypes is {info.dtypes}"
    assert len(set(info.dtypes)) == len(info.dtypes), "dtypes names one twice"
    assert isinstance(info.emulated, str)


@rule()
def a_device_that_is_not_there_is_refused(bench: Bench) -> None:
    """Asking for an index beyond the last raises DeviceError."""
    name = bench.device.backend.name
    missing = max(d.index for d in bench.device.backend.devices().found) + 1
    with bench.raises(DeviceError, f"asking for {name}:{missing}, which is not listed"):
        device_named(f"{name}:{missing}")


@rule(over=lambda device: device.info.dtypes)
def every_dtype_that_is_listed_can_be_held(bench: Bench, dtype: DType) -> None:
    """A tensor of it goes to the device and comes back the same."""
    host = ordinary(np.random.default_rng(1), (7, 3), dtype)
    back = to_host(from_host(host, bench.device))
    assert back.dtype == host.dtype, f"{host.dtype} came back as {back.dtype}"
    assert back.tobytes() == host.tobytes(), f"values of {dtype} came back changed"


@rule(over=lambda device: [d for d in ALL if d not in device.info.dtypes])
def a_dtype_that_is_not_listed_is_refused(bench: Bench, dtype: DType) -> None:
    """Making a tensor of it raises Unsupported."""
    with bench.raises(Unsupported, f"making a tensor of {dtype}, which is not listed"):
        from_host(np.zeros(2, dtype.numpy), bench.device)


@rule()
def a_plugin_that_fails_harms_no_other(bench: Bench) -> None:
    """A plugin with another contract, and one that raises, leave this device as it was."""
    failed = 0
    for plugin in (_OfTheFuture(), _Broken()):
        try:
            hal.plugin.register(plugin)
        except Exception:
            failed += 1
    assert failed == 2, "a plugin that cannot be used was loaded"
    x = bench.tensor([1, 2, 3])
    bench.same(bench.call("add", x, x), [2, 4, 6], "x + x after the failures")


class _Future(hal.plugin.Backend):
    name = "conformance_future"
    contract = (CONTRACT_VERSION[0] + 1, 0)

    def devices(self) -> Devices:
        return Devices(())

    def open(self, index: int) -> hal.plugin.Runtime:
        raise NotImplementedError


class _OfTheFuture:
    @hal.plugin.hookimpl
    def hal_backend(self) -> hal.plugin.Backend:
        return _Future()


class _Broken:
    @hal.plugin.hookimpl
    def hal_backend(self) -> hal.plugin.Backend:
        raise RuntimeError("the driver is missing")
