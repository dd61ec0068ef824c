"""Results are counted, shown as a table, saved, read and compared."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

import hal
from hal.testing import Outcome, Result, compare, load, run, summary, table, to_junit


def outcome(group="add", dtype="float32", case="4", route="native", status="passed", message=""):
    return Outcome(group, dtype, case, route, status, message, 0.001)


def result(*outcomes, device="x:0"):
    made = Result(device)
    made.add(outcomes)
    return made


def cell(made, name, dtype):
    header, *rows = table(made).splitlines()
    row = next(r for r in rows if r.split() and r.split()[0] == name)
    end = header.index(f" {dtype}") + len(dtype) + 1
    return row[:end].rsplit(" ", 1)[-1]


@pytest.mark.parametrize(
    ("outcomes", "letter"),
    [
        ([outcome()], "N"),
        ([outcome(), outcome(route="decomposed")], "D"),
        ([outcome(route="host"), outcome(route="decomposed")], "H"),
        ([outcome(), outcome(status="failed")], "F"),
        ([outcome(route="", status="unsupported")], "-"),
        ([outcome(route="")], "N"),
    ],
)
def test_the_table_shows_the_worst_of_an_operator_in_a_dtype(outcomes, letter):
    assert cell(result(*outcomes), "add", "f32") == letter


def test_the_table_leaves_blank_what_is_not_defined():
    made = result(outcome())
    assert table(made).splitlines()[1].split() == ["add", "N"]


def test_rules_are_counted_by_chapter():
    made = result(
        outcome("order", "", "first", ""),
        outcome("order", "", "second", "", "failed", "no"),
        outcome("order", "", "third", "", "skipped", "not offered"),
    )
    assert table(made).splitlines()[-1].split() == ["order", "1", "1", "1"]
    assert not made.ok
    assert "3 cases" in summary(made)


def test_a_saved_result_is_read_back(tmp_path):
    made = run("cpu:0", ("logical_not", "backend"), quick=True)
    made.add([outcome(case="bad", status="failed", message="it differs")])
    path = tmp_path / "result.json"
    path.write_text(made.to_json())
    read = load(path)
    assert read.to_json() == made.to_json()
    assert read.failures[0].message == "it differs"
    assert table(read) == table(made)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99}', "no json"])
def test_what_is_no_result_is_refused_by_name(tmp_path, text):
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(hal.ValueRangeError, match=r"other\.json"):
        load(path)
    with pytest.raises(hal.ValueRangeError, match="cannot be read"):
        load(tmp_path / "missing.json")


def test_a_slower_way_and_a_new_failure_are_worse():
    before = result(outcome(), outcome("exp"), outcome("sum", case="a"), outcome("sum", case="b"))
    after = result(
        outcome(route="host"),
        outcome("exp", status="failed", message="wrong"),
        outcome("sum", case="a"),
        outcome("sum", case="b", route="decomposed"),
    )
    found = compare(before, after)
    assert found.worse == [
        "add float32: native -> host",
        "exp float32: native -> failed",
        "exp float32: 4: wrong",
        "sum float32: native -> decomposed",
    ]
    assert found.better == []
    assert compare(after, before).better == [
        "add float32: host -> native",
        "exp float32: failed -> native",
        "exp float32: 4: fails no more",
        "sum float32: decomposed -> native",
    ]
    assert compare(after, before).worse == []


def test_one_failure_for_another_is_both_better_and_worse():
    before = result(outcome(case="a", status="failed", message="x"), outcome(case="b"))
    after = result(outcome(case="a"), outcome(case="b", status="failed", message="y"))
    found = compare(before, after)
    assert found.worse == ["add float32: b: y"]
    assert found.better == ["add float32: a: fails no more"]


def test_what_only_one_run_has_is_neither():
    found = compare(result(outcome()), result(outcome("exp")))
    assert (found.worse, found.better, len(found.other)) == ([], [], 2)


def test_equal_runs_do_not_differ():
    assert str(compare(result(outcome()), result(outcome()))) == "no difference"


def test_junit_has_a_test_per_operator_and_dtype_and_one_per_failure():
    made = result(
        outcome(),
        outcome(case="bad \x00 case", status="failed", message="found \x1b[0m 1"),
        outcome("exp", dtype="float64", route="", status="unsupported", message="no float64"),
    )
    root = ET.fromstring(to_junit(made))
    suites = {s.get("name"): s for s in root}
    assert suites["x:0 add"].attrib["tests"] == "2"
    assert suites["x:0 add"].attrib["failures"] == "1"
    assert suites["x:0 exp"].attrib["skipped"] == "1"
    failure = suites["x:0 add"].find("testcase/failure")
    assert failure.text == "found ?[0m 1"
