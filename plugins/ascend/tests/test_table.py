"""The rules cover what CANN has, and the documentation's table is the code's."""

from __future__ import annotations

from pathlib import Path

import pytest

from hal.ops import operators
from hal_ascend.operators import RULES
from hal_ascend.prototypes import operator_prototypes
from hal_ascend.table import markdown

PAGE = Path(__file__).parents[3] / "docs" / "ascend-operators.md"


def test_the_documentation_has_the_table_of_the_code():
    if not PAGE.exists():
        pytest.skip("not a checkout of the whole project")
    assert PAGE.read_text() == markdown(), (
        "write it anew: python -m hal_ascend.table > docs/ascend-operators.md"
    )


@pytest.mark.parametrize("name", RULES)
def test_a_rule_names_an_operator_of_hal_and_operators_of_cann(name):
    assert name in operators
    assert RULES[name].operators
    assert set(RULES[name].operators) <= set(operator_prototypes())


def test_every_prototype_is_used_by_a_rule():
    used = {operator for rule in RULES.values() for operator in rule.operators}
    shared = {"InplaceFillScalar", "InplaceCopy", "Cast"}
    assert set(operator_prototypes()) - used <= shared
