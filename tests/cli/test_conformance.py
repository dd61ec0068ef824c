"""``hal conformance`` runs the kit, shows and saves what came of it, and compares two runs."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest


def test_it_prints_a_table_and_passes(hal_command):
    status, out, err = hal_command("conformance", "cpu:0", "--quick", "--only", "bitwise_xor")
    assert status == 0
    assert err == "hal: conformance of cpu:0, 9 tasks\n"
    assert "bitwise_xor                 N    N" in out
    assert "passed" in out.splitlines()[-1]


def test_it_saves_json_and_junit(hal_command, tmp_path):
    saved, junit = tmp_path / "a.json", tmp_path / "a.xml"
    files = ["--json", str(saved), "--junit", str(junit)]
    assert hal_command("conformance", "cpu:0", "--only", "logical_not", *files)[0] == 0
    assert json.loads(saved.read_text())["device"] == "cpu:0"
    assert ET.parse(junit).getroot().tag == "testsuites"


def test_failures_are_printed_and_make_the_status_1(hal_command, cpu, monkeypatch):
    from hal.testing import case

    monkeypatch.setattr(case, "difference", lambda *rest: "they differ")
    status, out, _ = hal_command(
        "conformance", "cpu:0", "--quick", "--only", "logical_not", "--failures", "2"
    )
    assert status == 1
    assert out.count("FAILED logical_not bool: ") == 2
    assert "they differ" in out
    assert "more; --json saves them all" in out


def test_two_runs_are_compared(hal_command, tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    hal_command("conformance", "cpu:0", "--only", "logical_not", "--json", str(good))
    text = json.loads(good.read_text())
    text["groups"][0]["routes"] = {"host": 5}
    bad.write_text(json.dumps(text))
    status, out, _ = hal_command("conformance", "--compare", str(good), str(bad))
    assert (status, out.splitlines()[-2:]) == (1, ["worse:", "  logical_not bool: native -> host"])
    assert hal_command("conformance", "--compare", str(bad), str(good))[0] == 0
    assert "no difference" in hal_command("conformance", "--compare", str(bad), str(bad))[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the device to test"),
        (["toaster:0"], "no installed plugin provides 'toaster'"),
        (["cpu:0", "--only", "frobnicate"], "frobnicate"),
        (["--compare", "missing.json", "missing.json"], "missing.json cannot be read"),
        (["cpu:0", "--only", "logical_not", "--json", "missing/a.json"], "cannot be written"),
    ],
)
def test_what_it_cannot_do_is_said(hal_command, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, _, err = hal_command("conformance", *arguments)
    assert status == 2
    assert message in err
