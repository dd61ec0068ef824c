"""The kit finds faults: a device with planted bugs fails it, each bug alone, and passes without."""

from __future__ import annotations

import pytest

from hal.dtypes import bfloat16, bool, complex64, float32, float64, int64
from hal.testing.kit import tasks

# For each bug, the part of the kit that is run against it: an operator with a dtype, or rules.
CAUGHT_BY = {
    "wrong stride": [("add", float32)],
    "negative stride ignored": [("negative", float32)],
    "offset ignored": [("subtract", float32)],
    "wrong broadcast": [("multiply", float32)],
    "off-by-one reduction": [("sum", float32)],
    "ignored NaN": [("max", float32)],
    "wrong rounding": [("cast", float32)],
    "signed zero lost": [("multiply", float32)],
    "overflow saturates": [("add", "int8")],
    "silent downcast": [("exp", float64)],
    "integers as floats": [("sum", int64)],
    "dropped chunk": [("add", float32)],
    "naive softmax": [("softmax", float32)],
    "last of equal": [("argmax", float32)],
    "unstable sort": [("argsort", float32)],
    "negative index": [("take", float32)],
    "alias in place": [("negative", float32)],
    "writes beyond": [("add", float32)],
    "adds to the result": [("matmul", float32)],
    "nondeterministic": ["the same call gives the same bits"],
    "packs nothing": [("matmul", float32)],
    "attributes forgotten": [("sum", float32)],
    "missing wait": ["order"],
    "early event": ["order"],
    "early synchronize": ["synchronizing a stream"],
    "early download": ["a download waits"],
    "late upload": ["the host array may change"],
    "elapsed in seconds": ["time between events is in milliseconds"],
    "streams are mixed up": ["work on one stream"],
    "early reuse": ["freed memory is not used again"],
    "free at once": ["freed memory is not used again"],
    "leak": ["many operations leave nothing behind"],
    "pool grows": ["freed memory is used again"],
    "out of memory counted": ["out of memory is said"],
    "misaligned": ["buffers are aligned"],
    "stale peak": ["statistics fit together"],
    "swallowed error": ["failed work is reported at the next"],
    "error stays behind": ["failed work is heard of"],
    "sticky error": ["failed work is reported once"],
    "error everywhere": ["failed work is reported once"],
    "not thread-safe": ["threads"],
    "dishonest dtypes": ["every dtype that is listed"],
    "raising kernel": ["an operator it does not know"],
    "raising devices": ["devices can be listed"],
}


def chosen(targets):
    for target in targets:
        if isinstance(target, str):
            yield from tasks((target,), quick=True)
        else:
            name, dtype = target
            yield from (t for t in tasks((name,)) if t.name == f"{name} {dtype}")


def failures(device, targets):
    return [o for t in chosen(targets) for o in t.run(device, quick=True) if o.status == "failed"]


def test_every_planted_bug_has_a_part_of_the_kit_that_must_find_it(bugs):
    assert set(bugs) == set(CAUGHT_BY)
    assert len(bugs) >= 20


@pytest.mark.parametrize("bug", CAUGHT_BY)
def test_the_kit_catches(bug, faulty):
    faulty.bugs.add(bug)
    faulty.latency = 0.02
    found = failures(faulty.device, CAUGHT_BY[bug])
    assert found
    assert all(f.message for f in found)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [bool, int64, bfloat16, float32, complex64], ids=str)
def test_the_device_without_bugs_passes(dtype, faulty):
    # Some operators have no kernel, so that decompositions and the host run in this order too.
    faulty.declined |= {"softmax", "gelu", "layer_norm", "var", "clip", "erf", "roll", "sort"}
    todo = [t for t in tasks(quick=True) if t.dtype is dtype]
    assert len(todo) > 50
    found = [o for t in todo for o in t.run(faulty.device, quick=True) if o.status == "failed"]
    assert not found


def test_the_device_without_bugs_keeps_every_rule(faulty):
    assert failures(faulty.device, ["rules"]) == []
