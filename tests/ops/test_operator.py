"""What holds for every operator's definition."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import REQUIRED, ReferenceEvaluator, define, operators


@pytest.mark.parametrize("op", operators.values(), ids=lambda op: op.name)
def test_an_operator_has_a_name_a_family_a_meaning_and_a_rule(op):
    assert op.name.isidentifier()
    assert operators[op.name] is op
    assert op.family
    assert callable(op.reference)
    assert callable(op.rule)
    assert op.primitive == (op.decompose is None and op.view is None)
    assert not (op.decompose and op.view)


@pytest.mark.parametrize("op", operators.values(), ids=lambda op: op.name)
def test_defaults_are_hashable_because_they_are_part_of_a_key(op):
    hash(tuple(v for v in op.defaults.values() if v is not REQUIRED))


def test_a_name_is_defined_once():
    with pytest.raises(hal.ValueRangeError, match="already defined"):
        define("add", "elementwise", np.add, operators["add"].rule)


def test_the_reference_evaluator_converts_numbers_as_a_device_would():
    F = ReferenceEvaluator()
    half = np.ones(2, np.float16)
    assert F.add(half, 1).dtype == np.float16
    assert F.add(half, 0.5).dtype == np.float16
    assert F.add(np.ones(2, np.int32), 0.5).dtype == np.float32
    assert F.divide(1.0, np.array([2, 4])).tolist() == [0.5, 0.25]


def test_the_reference_evaluator_leaves_numpys_scalars_their_dtype():
    condition, x, y = np.bool_(True), np.float64(0.1), np.complex128(0.1)
    assert ReferenceEvaluator().where(condition, x, x).dtype == np.float64
    assert ReferenceEvaluator().where(condition, y, y).dtype == np.complex128
    assert ReferenceEvaluator().where(condition, y, y) == 0.1
