"""Emulated chips mean what hal means: parts of the conformance kit."""

from __future__ import annotations

import pytest

from hal.testing import run

WORK = ("cast", "sum", "matmul", "linear", "convolution", "attention")


def judged(chip, only):
    result = run(f"cpu:0/{chip}", only=only, quick=True)
    assert result.ok, "\n".join(
        f"{f.group} {f.dtype} {f.case}: {f.message}" for f in result.failures
    )
    assert result.emulated
    return result


@pytest.mark.parametrize("chip", ["ascend-310p", "nvidia-a100"])
def test_operators_agree_with_their_references(chip):
    assert judged(chip, WORK).cases > 500


@pytest.mark.parametrize("chapter", ["order", "errors", "memory", "programs"])
def test_the_runtime_keeps_the_contract(chapter):
    judged("nvidia-a100", (chapter,))
