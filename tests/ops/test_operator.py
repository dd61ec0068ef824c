"""What holds for every operator's definition."""

from __future__ import annotations

import numpy as np
import pytest

import hal
from hal.ops import REQUIRED, ReferenceEvaluator, define, operators
from hal.plugin import Layout
from hal.testing.sample import samples_of


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


@pytest.mark.parametrize("op", operators.values(), ids=lambda op: op.name)
def test_canonical_attributes_mean_the_same_when_they_are_given(op):
    for dtype in (hal.float32, hal.int32, hal.bool, hal.complex64):
        for sample in samples_of(op, dtype):
            shapes = [None if x is None else (x.of(dtype), x.shape) for x in sample.inputs]
            layouts = [None if x is None else Layout(*x) for x in shapes]
            first = op.infer(layouts, sample.attributes)
            converted = [
                None if x is None or d is None else Layout(d, x.shape)
                for x, d in zip(layouts, first.dtypes, strict=True)
            ]
            assert op.infer(converted, first.attributes) == first


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
