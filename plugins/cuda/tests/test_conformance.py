"""The conformance kit on the stand-in: every operator in a few dtypes, its kernels compiled as one.

``HAL_CUDA=standin hal conformance cuda:0`` runs every dtype, the rules, and large tensors too.
"""

from __future__ import annotations

import pytest

import hal
from hal.ops import operators
from hal.testing import tasks

DTYPES = (hal.bool, hal.int32, hal.bfloat16, hal.float32)
FAMILIES = sorted({op.family for op in operators.values()})


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_operator_conforms(standin, family):
    names = tuple(name for name, op in operators.items() if op.family == family)
    chosen = [task for task in tasks(names, quick=True) if task.dtype in DTYPES]
    with standin.runtime.driver.rehearsal():
        for task in chosen:
            for _ in task.run(standin, quick=True):
                pass  # What it finds means nothing yet: no kernel ran.
    found = [outcome for task in chosen for outcome in task.run(standin, quick=True)]
    wrong = [f"{o.group} {o.dtype}: {o.case}: {o.message}" for o in found if o.status == "failed"]
    assert not wrong, "\n".join(wrong[:20])
    assert any(o.status == "passed" for o in found)


def test_a_rehearsal_runs_nothing_and_compiles_what_was_asked_for(standin, driver):
    x = hal.arange(5, dtype=hal.float32, device=standin)
    standin.synchronize()
    driver.launches.clear()
    with driver.rehearsal():
        x *= 2
        standin.synchronize()
        assert driver.launches == []
    assert x.tolist() == [0, 1, 2, 3, 4]
