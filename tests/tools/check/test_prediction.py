"""The error of predicted times is what the documentation says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from hal.tools.check import known_chips

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def predictions():
    """The script that compares predictions with published times."""
    path = ROOT / "benchmarks" / "predictions.py"
    spec = importlib.util.spec_from_file_location("predictions", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["predictions"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["predictions"]


@pytest.fixture(scope="module")
def errors(predictions):
    """The error of each row, by chip and whether figures were fitted on it."""
    chips = known_chips()
    found = {}
    for row in predictions.every_row():
        seconds = predictions.predicted(chips[row.chip], row, Counter(row.kernels()))
        found.setdefault((row.chip, row.fitted), []).append(abs(seconds / row.seconds - 1))
    return found


def mean(values):
    return sum(values) / len(values)


def test_times_nothing_was_fitted_on_are_predicted_within_a_fifth_on_average(errors):
    held = [e for (_, fitted), row in errors.items() if not fitted for e in row]
    assert len(held) > 60
    assert mean(held) < 0.2
    for (chip, fitted), row in errors.items():
        assert fitted or mean(row) < 0.2, chip


def test_the_documentation_states_these_errors(errors):
    page = (ROOT / "docs" / "prediction.md").read_text(encoding="utf-8")
    for chip in {chip for chip, _ in errors}:
        (line,) = re.findall(rf"^\| {chip} \|.*$", page, re.MULTILINE)
        fitted, held = errors[chip, True], errors[chip, False]
        close = sum(e <= 0.2 for e in held)
        assert line == (
            f"| {chip} | {len(fitted)} | {100 * mean(fitted):.1f} % | {len(held)} | "
            f"{100 * mean(held):.1f} % | {close} |"
        )


def test_every_row_names_its_source_and_a_chip_that_is_known(predictions):
    chips = known_chips()
    for row in predictions.every_row():
        assert row.source.startswith("https://")
        assert row.chip in chips
        assert row.seconds > 0


def test_a_fit_does_not_make_the_fitted_rows_worse(predictions):
    chip = known_chips()["ascend-910c"]
    rows = [r for r in predictions.every_row() if r.chip == "ascend-910c" and r.fitted]
    rows = [(row, Counter(row.kernels())) for row in rows]

    def error(given):
        return mean([abs(predictions.predicted(given, r, k) / r.seconds - 1) for r, k in rows])

    assert error(predictions.fit(chip, rows)) <= error(chip) + 0.01
