"""The CPU passes the whole kit, quickly; a test per family of operators and chapter of rules."""

from __future__ import annotations

import pytest

from hal.ops import operators
from hal.testing import run
from hal.testing.rule import CHAPTERS

FAMILIES = sorted({op.family for op in operators.values()})


def assert_passes(result):
    listed = "\n".join(f"{f.group} {f.dtype}: {f.case}: {f.message}" for f in result.failures[:20])
    assert result.ok, f"{len(result.failures)} of {result.cases} cases failed\n{listed}"
    assert result.count("passed") > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_operators_conform(family):
    names = tuple(op.name for op in operators.values() if op.family == family)
    assert_passes(run("cpu:0", names, quick=True))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_rules_are_kept(chapter):
    assert_passes(run("cpu:0", (chapter,), quick=True))
