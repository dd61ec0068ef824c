"""Kernels: how they are asked for, that they repeat themselves, and where else work may run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hal.device import Device
from hal.dispatch import call, plans
from hal.dtypes import float32
from hal.errors import HalWarning, Unsupported
from hal.memory import from_host, to_host
from hal.ops import Operator, operators
from hal.ops.rules import elementwise
from hal.plugin import Kernel, Signature
from hal.report import fallback, report, reset_report
from hal.testing.bench import Bench, NotOffered
from hal.testing.rule import rule


@contextmanager
def _unknown(bench: Bench) -> Iterator[Operator]:
    """Give an operator that no device can know: x plus 17."""
    op = Operator(
        "conformance_probe",
        "elementwise",
        lambda x: x + x.dtype.type(17),
        elementwise(1, (bench.dtype,)),
        {},
        None,
        None,
    )
    try:
        yield op
    finally:
        plans(op).clear()


def _probe(bench: Bench) -> tuple[Any, Any]:
    host = bench.counting(6)
    return bench.tensor(host), host + 17


@rule()
def an_operator_it_does_not_know_is_declined(bench: Bench) -> None:
    """``kernel`` returns None, or a kernel made of the reference; it does not raise."""
    with _unknown(bench) as op:
        spec = bench.device.spec(bench.dtype, (6,))
        found = bench.runtime.kernel(op, Signature((spec,), (spec,), {}))
        assert found is None or isinstance(found, Kernel), f"kernel() returned {found!r}"


def _has_every_kernel(bench: Bench, op: Operator) -> bool:
    spec = bench.device.spec(bench.dtype, (6,))
    return bench.runtime.kernel(op, Signature((spec,), (spec,), {})) is not None


@rule(over=lambda device: ("error", "warn", "allow"))
def the_policy_on_running_on_the_host_is_kept(bench: Bench, policy: str) -> None:
    """``error`` raises Unsupported, ``warn`` warns once, ``allow`` is silent; all are counted."""
    with _unknown(bench) as op:
        if _has_every_kernel(bench, op):
            raise NotOffered("the device runs the reference of any operator itself")
        x, expected = _probe(bench)
        reset_report()
        with warnings.catch_warnings(record=True) as caught, fallback(policy):  # type: ignore[arg-type]
            warnings.simplefilter("always")
            if policy == "error":
                with bench.raises(Unsupported, "a missing operator under the policy 'error'"):
                    call(op, x)
            else:
                for _ in range(2):
                    bench.same(call(op, x), expected, "x + 17 on the host")
        warned = [w for w in caught if issubclass(w.category, HalWarning)]
        wanted = {"error": 0, "warn": 1, "allow": 0}[policy]
        assert len(warned) == wanted, f"{len(warned)} warnings under the policy {policy!r}"
        counted = [r.calls for r in report().rows if (r.operator, r.route) == (op.name, "host")]
        assert counted == ([] if policy == "error" else [2]), f"the report counts {counted}"


_REPEATED: tuple[tuple[str, tuple[tuple[int, ...], ...], dict[str, Any]], ...] = (
    ("sum", ((300, 131),), {"axis": 1}),
    ("sum", ((50_021,),), {"axis": None}),
    ("mean", ((300, 131),), {"axis": 0}),
    ("cumulative_sum", ((9, 1003),), {"axis": 1}),
    ("matmul", ((65, 129), (129, 67)), {}),
    ("softmax", ((33, 257),), {"axis": 1}),
    ("layer_norm", ((33, 257),), {"axes": (1,)}),
    ("convolution", ((2, 8, 17, 19), (8, 8, 3, 3)), {"padding": 1}),
    ("exp", ((50_021,),), {}),
)


def _in_float32(device: Device) -> tuple[Any, ...]:
    return tuple(name for name, *_ in _REPEATED) if float32 in device.info.dtypes else ()


@rule(over=_in_float32)
def the_same_call_gives_the_same_bits(bench: Bench, name: str) -> None:
    """Three times, with other work between."""
    rng = np.random.default_rng(11)
    for op, shapes, attributes in _REPEATED:
        if op != name:
            continue
        inputs = [
            from_host(rng.standard_normal(s).astype(np.float32), bench.device) for s in shapes
        ]
        first = to_host(bench.call(op, *inputs, **attributes))
        for _ in range(3):
            bench.busy()(bench.device.current_stream())
            again = to_host(bench.call(op, *inputs, **attributes))
            differ = int((first.view(np.uint32) != again.view(np.uint32)).sum())
            assert differ == 0, f"{op} of the same tensors gave {differ} other elements"


@rule()
def a_kernel_serves_every_array_of_its_signature(bench: Bench) -> None:
    """One kernel, kept, runs over other arrays later, and over one array twice."""
    spec = bench.device.spec(bench.dtype, (31,))
    op = operators["add"]
    kernel = bench.runtime.kernel(op, Signature((spec, spec), (spec,), {}))
    if kernel is None:
        raise NotOffered("the device has no kernel for add")
    stream = bench.device.current_stream()
    for start in range(5):
        x, y = bench.tensor(bench.counting(31, start)), bench.tensor(bench.counting(31, 7))
        out = bench.tensor(np.zeros(31))
        kernel.into(stream.handle, [out._array], [x._array, y._array])
        bench.same(out, bench.counting(31, start) + bench.counting(31, 7), "x + y")
        kernel.into(stream.handle, [out._array], [x._array, x._array])
        bench.same(out, bench.counting(31, start) * 2, "x + x")


@rule()
def views_of_results_see_the_results(bench: Bench) -> None:
    """Whoever allocated the memory of a result, views of it are as good as any."""
    x = bench.tensor(bench.counting(60))
    for name, expected in (("add", bench.counting(60) * 2), ("maximum", bench.counting(60))):
        y = bench.call(name, x, x)
        view = bench.call("slice", y, start=(58,), stop=(0,), step=(-3,))
        bench.same(view, expected[58:0:-3], f"every third of the result of {name}, backwards")
        shaped = bench.call("permute", bench.call("reshape", y, shape=(6, 10)), axes=(1, 0))
        bench.same(shaped, expected.reshape(6, 10).T, f"the result of {name}, transposed")


@rule()
def adopted_host_memory_is_shared(bench: Bench) -> None:
    """Where ``adopt`` gives a buffer, it is the host array's own memory."""
    host = bench.counting(64)
    buffer = bench.runtime.adopt(host)
    if buffer is None:
        raise NotOffered("the runtime adopts no host memory")
    stream = bench.device.default_stream
    array = bench.array(buffer, (64,))
    bench.equal(bench.download(array, (64,), stream), bench.counting(64), "adopted memory")
    bench.runtime.upload(array, bench.counting(64, 9), stream.handle)
    bench.runtime.synchronize(stream.handle)
    bench.equal(host, bench.counting(64, 9), "the host array after a write on the device")


@rule()
def exposed_memory_is_shared(bench: Bench) -> None:
    """Where ``expose`` gives a NumPy array, it shows what the device holds."""
    x = bench.tensor(bench.counting(24))
    bench.device.synchronize()
    shared = bench.runtime.expose(x._array)
    if shared is None:
        raise NotOffered("the runtime exposes no memory")
    bench.equal(shared, bench.counting(24), "exposed memory")
    shared[...] = 3
    bench.same(x, 3, "the tensor after its exposed memory changed")
