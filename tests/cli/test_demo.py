"""``hal demo`` prints what it found, where it ran and what it took."""

from __future__ import annotations

import json
import sys

import pytest

import hal
from hal.demo import model


@pytest.fixture(autouse=True)
def _model():
    try:
        model.model_folder()
    except hal.DependencyMissing as error:
        pytest.skip(str(error))


def test_the_table_has_scores_device_time_and_what_ran_where(hal_command):
    status, out, err = hal_command("demo", "--top", "2", "--device", "cpu:0")
    assert status == 0
    assert err == "hal: embedding 48 texts on cpu:0\n"
    assert "Query: How do I keep bread" in out
    best, second = [line for line in out.splitlines() if line.startswith("0.")]
    assert "Bread stays fresh longer" in best
    assert float(best.split()[0]) > float(second.split()[0])
    assert "48 texts on cpu:0 (" in out
    assert "ms each" in out
    assert "attention" in out.split("route")[1]


def test_json_has_the_same_for_programs(hal_command, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("cats\ndogs\n[bold]tomatoes[/bold]\n")
    status, out, _ = hal_command("demo", "--json", "--text", str(path), "--query", "vegetables")
    found = json.loads(out)
    assert status == 0
    assert found["hits"][0]["text"] == "[bold]tomatoes[/bold]"
    assert len(found["hits"]) == 3
    assert (found["query"], found["device"], found["emulated"]) == ("vegetables", "cpu:0", "")
    assert found["milliseconds_per_text"] > 0
    assert {"operator": "linear", "device": "cpu:0", "route": "native"}.items() <= next(
        row for row in found["report"] if row["operator"] == "linear"
    ).items()


def test_a_profile_writes_a_trace_of_every_call(hal_command, tmp_path):
    status, _, err = hal_command("demo", "--profile", str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert status == 0
    assert "trace.json" in err
    assert {"linear", "attention", "layer_norm"} <= {e["name"] for e in events}


def test_texts_are_shown_as_they_are(hal_command, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("[bold]brackets[/bold] :smile:\n")
    assert "[bold]brackets[/bold] :smile:" in hal_command("demo", "--text", str(path))[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--query", " "], "it is empty; ask for something"),
        (["--top", "0"], "no number from 1"),
        (["--text", "nowhere.txt"], "nowhere.txt cannot be read"),
        (["--device", "toaster:0"], "pip install hal-toaster"),
        (["--device", "cpu:7"], "there are: cpu:0"),
    ],
)
def test_what_cannot_be_done_is_one_message(arguments, message, hal_command):
    status, out, err = hal_command("demo", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_without_tokenizers_the_message_says_how_to_install_it(hal_command, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    status, _, err = hal_command("demo")
    assert status == 2
    assert "pip install tokenizers" in err
