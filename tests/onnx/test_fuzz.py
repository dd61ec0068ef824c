"""A short run of tools/fuzz_onnx.py: damaged models give a result or an error of hal's."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "fuzz_onnx.py"


@pytest.fixture(scope="module")
def tool():
    pytest.importorskip("resource", reason="memory is limited by POSIX means")
    spec = spec_from_file_location("fuzz_onnx", TOOL)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_models_that_are_damaged_run(tool):
    own = tool.models()[: len(tool.SEEDS)]
    assert [tool.attempt(model) for model in own] == ["ran"] * len(tool.SEEDS)


def test_a_case_is_the_same_each_time(tool):
    assert [tool.case(1, n) for n in range(20)] == [tool.case(1, n) for n in range(20)]
    assert tool.case(1, 0) != tool.case(2, 0)


@pytest.mark.parametrize("part", range(4))
def test_damaged_models_give_a_result_or_an_error_of_hal(tool, part):
    outcomes = {tool.attempt(tool.case(0, n)) for n in range(part * 300, part * 300 + 300)}
    assert {"ran", "refused when loaded", "refused when run"} <= outcomes


def test_a_worker_that_dies_or_hangs_is_reported(tool, monkeypatch):
    import os
    import time

    def attempt(data):
        if data == tool.case(0, 3):
            os._exit(9)
        if data == tool.case(0, 5):
            time.sleep(60)
        return "ran"

    monkeypatch.setattr(tool, "attempt", attempt)
    monkeypatch.setattr(tool, "SECONDS", 0.5)
    seen = []
    failures = tool.supervised(0, 8, 1, seen.append)
    assert [f.split(":")[0] for f in failures] == ["FAILED 3", "FAILED 5"]
    assert seen.count("ran") == 6
