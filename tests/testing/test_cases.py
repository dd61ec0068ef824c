"""Every operator has test cases, enough of them, of every kind."""

from __future__ import annotations

import pytest

import hal
from hal.dtypes import ALL
from hal.ops import operators
from hal.testing.case import all_groups, cases_of
from hal.testing.sample import samples_of


@pytest.mark.parametrize("name", operators)
def test_no_operator_is_without_cases(name):
    found = [d.name for d in ALL if samples_of(operators[name], d)]
    assert found, (
        f"no sample of {name!r} fits its rule in any dtype; see hal/testing/samples and write "
        f"some with @sampler({name!r})"
    )


def test_an_operator_nobody_wrote_samples_for_is_named_with_what_to_do():
    from hal.ops.operator import Operator

    unknown = Operator("frobnicate", "frobnication", None, None, {}, None, None)
    with pytest.raises(hal.ValueRangeError, match=r"(?s)frobnicate.*hal/testing/samples.*@sampler"):
        samples_of(unknown, hal.float32)


def test_there_are_at_least_ten_thousand_cases():
    assert sum(sum(1 for _ in cases_of(op, d)) for op, d in all_groups()) > 10_000


def test_names_of_cases_are_distinct_and_stable():
    for name in ("add", "matmul", "take", "convolution"):
        names = [c.name for c in cases_of(operators[name], hal.float32)]
        assert len(set(names)) == len(names)
        assert names == [c.name for c in cases_of(operators[name], hal.float32)]


def test_every_way_to_lie_in_memory_is_tried():
    names = " ".join(c.name for c in cases_of(operators["add"], hal.float32))
    for way in ("offset", "strided", "reversed", "transposed", "repeated", "overlapping"):
        assert way in names
