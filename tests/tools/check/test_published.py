"""A check says something of every operator of ONNX, and stumbles over none."""

from __future__ import annotations

import json

import pytest
from onnx.backend.test.loader import load_model_tests

from hal.tools.check import check, page


def published():
    """Return one of ONNX's published models for each operator."""
    found = {}
    for case in load_model_tests(kind="node"):
        if case.model is not None:
            kinds = tuple(sorted({node.op_type for node in case.model.graph.node}))
            found.setdefault(kinds, case.model)
    return found


@pytest.mark.filterwarnings("ignore")
def test_every_published_operator_is_judged(toy):
    judged = 0
    for kinds, model in published().items():
        # A sequence has no shape to check with.
        if any(i.type.WhichOneof("value") == "sequence_type" for i in model.graph.input):
            continue
        report = check(model, "toy-2")
        judged += 1
        assert all(row.reason for row in report.devices[0].nodes if row.route == "host"), kinds
        json.dumps(report.to_json())
        page(report)
    assert judged > 250
