"""Cases: one call of one operator, made from a sample, that is run and judged."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hal.device import Device
from hal.dispatch import call, write
from hal.dtypes import ALL, COMPUTE, DType, as_dtype
from hal.errors import HalError, Unsupported
from hal.memory import from_host, make_view, to_host
from hal.ops import Operator, evaluate_reference, operators
from hal.plugin import Kernel, Layout, Signature
from hal.report import fallback, tally
from hal.storage import Spec
from hal.testing.arrangement import ARRANGEMENTS, Arrangement, Placed, place
from hal.testing.freedom import settled
from hal.testing.outcome import Outcome
from hal.testing.sample import Sample, samples_of
from hal.testing.tolerance import SIGNED_ZERO, bound, difference

__all__ = ["Case", "cases_of", "run_case"]

_GUARD = 64
_ROUTES = ("native", "decomposed", "host")


@dataclass(frozen=True)
class Case:
    """One call to try.

    Attributes
    ----------
    op : Operator
    dtype : DType
        The dtype under test.
    sample : Sample
    arrangements : tuple of Arrangement or None
        How each input lies in memory; None for packed.
    """

    op: Operator
    dtype: DType
    sample: Sample
    arrangements: tuple[Arrangement | None, ...]

    @property
    def name(self) -> str:
        """What the case is, in one line; the same in every run."""
        parts = []
        for given, arrangement in zip(self.sample.inputs, self.arrangements, strict=True):
            if given is None:
                parts.append("none")
                continue
            text = "x".join(map(str, given.shape)) or "scalar"
            parts.append(f"{text} {arrangement.name}" if arrangement else text)
        attributes = ", ".join(f"{k}={v}" for k, v in self.sample.attributes.items())
        listed = [", ".join(parts), attributes, self.sample.note]
        return "; ".join(filter(None, listed)) or "no inputs"


def cases_of(op: Operator, dtype: DType, quick: bool = False) -> Iterator[Case]:
    """Yield an operator's cases in a dtype.

    Parameters
    ----------
    op : Operator
    dtype : DType
    quick : bool
        Leave out large tensors and most arrangements.

    Examples
    --------
    >>> import hal
    >>> from hal.ops import operators
    >>> print(next(cases_of(operators["sum"], hal.float32)).name)
    scalar; axis=None, keepdims=False
    """
    seen: set[str] = set()
    for case in _all_cases(op, dtype, quick):
        name = case.name
        if name not in seen:
            seen.add(name)
            yield case


def _all_cases(op: Operator, dtype: DType, quick: bool) -> Iterator[Case]:
    arranged = 0
    for sample in samples_of(op, dtype):
        if quick and sample.large:
            continue
        count = len(sample.inputs)
        yield Case(op, dtype, sample, (None,) * count)
        if not sample.layouts or (quick and arranged):
            continue
        arranged += 1
        ways = [a for a in ARRANGEMENTS if not (a.shares and sample.delicate)]
        for arrangement in ways:
            yield Case(op, dtype, sample, (arrangement,) * count)
        if count > 1 and not quick:
            for position in range(count):
                mixed = [None] * count
                for arrangement in ways[1::2]:
                    chosen = [*mixed[:position], arrangement, *mixed[position + 1 :]]
                    yield Case(op, dtype, sample, tuple(chosen))


def run_case(case: Case, device: Device) -> Outcome:
    """Run a case on a device and judge what comes of it."""
    start = time.perf_counter()
    route, status, message = _judge(case, device)
    return Outcome(
        group=case.op.name,
        dtype=case.dtype.name,
        case=case.name,
        route=route,
        status=status,
        message=message,
        seconds=time.perf_counter() - start,
    )


def _judge(case: Case, device: Device) -> tuple[str, str, str]:
    """Return route, status and message."""
    needed = [
        i.of(case.dtype) if i is not None else case.dtype for i in (*case.sample.inputs, None)
    ]
    needed += [v for v in dict(case.sample.attributes).values() if isinstance(v, DType)]
    lacking = [d.name for d in dict.fromkeys(needed) if d not in device.info.dtypes]
    if lacking:
        return "", "unsupported", f"the device has no {', '.join(lacking)}"
    before = _counts(case.op, device)
    try:
        placed = _inputs(case, device)
        hosts = [None if p is None else p.host for p in placed]
        tensors = [None if p is None else p.tensor for p in placed]
        attributes = dict(case.sample.attributes)
        expected = _tuple(evaluate_reference(case.op, hosts, attributes))
        with fallback("allow"):
            found = _tuple(call(case.op, *tensors, device=device, **attributes))
        route = _route(case.op, device, before)
        problem = _compare(case, hosts, found, expected) or _changed(placed)
        if problem is None and route == "native":
            problem = _guarded(case, device, placed, expected)
    except Unsupported as error:
        if set(COMPUTE) <= set(device.info.dtypes):
            return _route(case.op, device, before), "failed", f"Unsupported: {error}"
        return "", "unsupported", str(error)
    # Whatever a device raises for a call that fits the operator is a failure to report.
    except Exception as error:
        return (
            _route(case.op, device, before),
            "failed",
            f"{type(error).__name__}: {error}",
        )
    return route, "failed" if problem else "passed", problem or ""


def _tuple(given: Any) -> tuple[Any, ...]:
    return given if isinstance(given, tuple) else (given,)


def _inputs(case: Case, device: Device) -> list[Placed | None]:
    seed = zlib.crc32(f"{case.op.name} {case.dtype} {case.name}".encode())
    rng = np.random.default_rng(seed)
    return [
        None
        if given is None
        else place(given.values(rng, given.shape, given.of(case.dtype)), device, arrangement)
        for given, arrangement in zip(case.sample.inputs, case.arrangements, strict=True)
    ]


def _counts(op: Operator, device: Device) -> dict[str, int]:
    return {r: tally(op.name, device.name, r).calls for r in _ROUTES}


def _route(op: Operator, device: Device, before: dict[str, int]) -> str:
    """Return by which route the last call went; empty when no kernel had to run."""
    after = _counts(op, device)
    return next((r for r in reversed(_ROUTES) if after[r] > before[r]), "")


def _inference(case: Case, hosts: list[Any]) -> Any:
    layouts = [None if h is None else Layout(as_dtype(h.dtype), h.shape) for h in hosts]
    return case.op.infer(layouts, case.sample.attributes)


def _compare(
    case: Case, hosts: list[Any], found: tuple[Any, ...], expected: tuple[Any, ...]
) -> str | None:
    inference = _inference(case, hosts)
    for position, (value, (dtype, shape)) in enumerate(zip(found, inference.outputs, strict=True)):
        if value.dtype is not dtype or value.shape != shape:
            which = f"result {position}: " if len(found) > 1 else ""
            given, wanted = f"{value.dtype}{list(value.shape)}", f"{dtype}{list(shape)}"
            return f"{which}it is {given}, the rule says {wanted}"
    return _differ(case, inference, hosts, [to_host(value) for value in found], expected)


def _differ(
    case: Case, inference: Any, hosts: list[Any], found: list[Any], expected: tuple[Any, ...]
) -> str | None:
    """Return how results on the host differ from the reference's in what the operator fixes."""
    for position, (array, wanted, (_, shape)) in enumerate(
        zip(found, expected, inference.outputs, strict=True)
    ):
        if array.shape != shape or wanted.shape != shape:
            return f"result {position}: the host copy has shape {array.shape}, not {shape}"
    typed = [
        a.astype(d.numpy, copy=False) for a, (d, _) in zip(expected, inference.outputs, strict=True)
    ]
    fixed = settled(case.op.name, hosts, tuple(found)), settled(case.op.name, hosts, tuple(typed))
    for position, (array, wanted) in enumerate(zip(*fixed, strict=True)):
        problem = _against(case, inference, hosts, array, wanted)
        if problem:
            return f"result {position}: {problem}" if len(fixed[0]) > 1 else problem
    return None


def _against(case: Case, inference: Any, hosts: list[Any], array: Any, expected: Any) -> str | None:
    dtype = as_dtype(expected.dtype)
    allowed = (
        bound(case.op, inference.attributes, hosts, expected, dtype)
        if dtype.kind in ("float", "complex")
        else None
    )
    return difference(array, expected, allowed, case.op.name in SIGNED_ZERO)


def _changed(placed: list[Placed | None]) -> str | None:
    """Return which input does not hold any more what it held, bit by bit."""
    for position, given in enumerate(placed):
        if given is None or given.base_host.size == 0:
            continue
        kept = np.ascontiguousarray(to_host(given.base)).view(np.uint8)
        if not np.array_equal(kept, np.ascontiguousarray(given.base_host).view(np.uint8)):
            return f"the call changed its input {position}"
    return None


def _guarded(
    case: Case, device: Device, placed: list[Placed | None], expected: tuple[Any, ...]
) -> str | None:
    """Have the kernel write into memory that holds other values, with a guard on either side.

    It must write every element of the result and none beside it, whatever was there; so must the
    kernel that it makes for inputs that never change, without those that it says it has released.
    """
    hosts = [None if p is None else p.host for p in placed]
    inference = _inference(case, hosts)
    specs = tuple(None if p is None else p.tensor._spec for p in placed)
    outputs = tuple(device.spec(dtype, shape) for dtype, shape in inference.outputs)
    kernel = device.runtime.kernel(case.op, Signature(specs, outputs, inference.attributes))
    if kernel is None:  # The way that dispatch went packs the inputs first.
        return None
    arrays = [None if p is None else p.tensor._array for p in placed]

    def judged(kernel: Kernel, arrays: list[Any], what: str) -> str | None:
        written = _written(kernel, device, outputs, arrays)
        problem = written if isinstance(written, str) else None
        problem = problem or _differ(case, inference, hosts, list(written), expected)
        return f"{what}: {problem}" if problem else None

    problem = judged(kernel, arrays, "Kernel.into, over other values")
    prepared = None
    if problem is None and kernel.prepare is not None:
        device.synchronize()
        prepared = kernel.prepare(arrays)
    if prepared is not None:
        # The memory of what it needs no more may hold something else by now.
        for position in prepared.released:
            given = placed[position]
            assert given is not None, f"Kernel.released names input {position}, which was left out"
            write(given.base, from_host(_spoilt(given.base_host), device))
            arrays[position] = None
        problem = judged(prepared, arrays, "the kernel that Kernel.prepare returned")
    return problem


def _written(
    kernel: Kernel, device: Device, outputs: tuple[Spec, ...], arrays: list[Any]
) -> list[Any] | str:
    """Return what a kernel writes into memory between guards, or what is wrong with that."""
    wholes, inner, before = [], [], []
    for spec in outputs:
        filler = _filler(spec.dtype, spec.size + 2 * _GUARD)
        whole = from_host(filler, device)
        wholes.append(whole)
        before.append(filler)
        inner.append(make_view(whole, spec, _GUARD))
    stream = device.current_stream()
    kernel.into(stream.handle, [x._array for x in inner], arrays)
    written = []
    for whole, filler, view in zip(wholes, before, inner, strict=True):
        after = to_host(whole)
        size = view._spec.size
        for part, side in ((slice(0, _GUARD), "before"), (slice(_GUARD + size, None), "behind")):
            if after[part].tobytes() != filler[part].tobytes():
                return f"it wrote {side} the output it was given"
        written.append(after[_GUARD : _GUARD + size].reshape(view._spec.shape))
    return written


def _spoilt(host: Any) -> Any:
    return _filler(as_dtype(host.dtype), host.size).reshape(host.shape)


def _filler(dtype: DType, count: int) -> Any:
    """Return elements that no result is likely to have."""
    if dtype.kind == "bool":
        return np.arange(count) % 3 == 0
    pattern = 0x01 if dtype.bits < 8 else 0xA5
    return np.full(count * dtype.itemsize, pattern, np.uint8).view(dtype.numpy)


def all_groups(only: tuple[str, ...] = ()) -> list[tuple[Operator, DType]]:
    """Return every operator with every dtype it has samples for, in order.

    Parameters
    ----------
    only : tuple of str
        Names of operators to keep; all when empty.

    Raises
    ------
    HalError
        When a name is no operator's.
    """
    unknown = [name for name in only if name not in operators]
    if unknown:
        raise HalError(f"no operator is named {', '.join(unknown)}")
    return [
        (op, dtype)
        for op in operators.values()
        if not only or op.name in only
        for dtype in ALL
        if samples_of(op, dtype)
    ]
