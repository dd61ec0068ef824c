"""The command as a whole: help, versions, errors, interruption, closed pipes."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
import types
import warnings
from importlib import import_module
from pathlib import Path

import pytest

import hal
from hal.cli import command
from hal.cli.command import COMMANDS

HAL = [sys.executable, "-m", "hal.cli"]


@pytest.fixture
def subcommand(monkeypatch):
    """Give a function that adds a subcommand ``probe`` which calls what it is given."""

    def add(work):
        module = types.ModuleType("hal.cli.probe", "Probe.")
        module.add_arguments = lambda parser: parser.add_argument("--size", type=int)
        module.run = work
        monkeypatch.setitem(sys.modules, "hal.cli.probe", module)
        monkeypatch.setitem(command.COMMANDS, "probe", "probe the command")

    return add


def fails(error):
    def run(arguments):
        raise error

    return run


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_a_module_with_help_arguments_and_work(name):
    module = import_module(f"hal.cli.{name.replace('-', '_')}")
    assert inspect.getdoc(module)
    assert list(inspect.signature(module.add_arguments).parameters) == ["parser"]
    assert list(inspect.signature(module.run).parameters) == ["arguments"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_explains_itself(name, hal_command):
    status, out, err = hal_command(name, "--help")
    assert (status, err) == (0, "")
    assert out.startswith(f"usage: hal {name}")
    assert "options:" in out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_a_section_in_the_documentation(name):
    page = Path(__file__).parents[2] / "docs" / "command-line.md"
    assert f"\n## hal {name}\n" in page.read_text(encoding="utf-8")


def test_the_help_lists_the_subcommands_and_the_environment(hal_command):
    for arguments in ([], ["--help"]):
        status, out, _ = hal_command(*arguments)
        assert status == 0
        assert all(summary in " ".join(out.split()) for summary in COMMANDS.values())
        assert "HAL_DEVICE" in out


def test_the_version(hal_command):
    assert hal_command("--version") == (0, f"hal {hal.__version__}\n", "")


def test_help_loads_no_subcommand_and_no_terminal_library():
    code = (
        "import sys, hal.cli; hal.cli.main(['--help']); "
        "print(*sorted(m for m in sys.modules if m.startswith(('hal.cli', 'rich', 'tokenizers'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    loaded = done.stdout.splitlines()[-1].split()
    assert loaded == ["hal.cli", "hal.cli.command", "hal.cli.output"]


def test_a_subcommand_gets_its_arguments_and_gives_the_status(subcommand, hal_command):
    subcommand(lambda arguments: arguments.size)
    assert hal_command("probe", "--size", "1")[0] == 1
    assert hal_command("probe")[0] == 0


def test_wrong_usage_says_what_is_possible(subcommand, hal_command):
    status, out, err = hal_command("frobnicate")
    assert (status, out) == (2, "")
    assert "'frobnicate'" in err
    assert "devices" in err
    subcommand(lambda arguments: None)
    assert hal_command("probe", "--size", "many")[0] == 2


def test_an_error_of_hals_is_one_message(subcommand, hal_command):
    subcommand(fails(hal.ShapeError("the shape is odd; use an even one")))
    assert hal_command("probe") == (2, "", "hal: the shape is odd; use an even one\n")


@pytest.mark.parametrize("arguments", [["--debug", "probe"], ["probe", "--debug"]])
def test_debug_shows_where_an_error_was_raised(arguments, subcommand, hal_command):
    subcommand(fails(hal.ShapeError("odd")))
    with pytest.raises(hal.ShapeError, match="odd"):
        hal_command(*arguments)


def test_hal_debug_shows_where_an_error_was_raised(subcommand, hal_command, monkeypatch):
    subcommand(fails(hal.ShapeError("odd")))
    monkeypatch.setenv("HAL_DEBUG", "1")
    with pytest.raises(hal.ShapeError, match="odd"):
        hal_command("probe")


def test_an_error_that_is_not_hals_is_a_defect_and_shows_itself(subcommand, hal_command):
    subcommand(fails(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        hal_command("probe")


def test_interruption_ends_quietly(subcommand, hal_command):
    subcommand(fails(KeyboardInterrupt()))
    assert hal_command("probe") == (130, "", "hal: interrupted\n")


def test_warnings_of_hal_are_one_line_and_others_show_their_place(subcommand, hal_command):
    def run(arguments):
        warnings.simplefilter("always")
        warnings.warn("slow", hal.HalWarning, stacklevel=1)
        warnings.warn("old", DeprecationWarning, stacklevel=1)

    subcommand(run)
    first, second = hal_command("probe")[2].splitlines()
    assert first == "hal: warning: slow"
    assert second.startswith("hal: warning: ")
    assert second.endswith("DeprecationWarning: old")


def test_a_closed_pipe_ends_quietly():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*HAL, "devices", "--json"], stdout=writing, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_terminal_without_unicode_gets_replacements():
    code = "import sys; from hal.cli import main; main([]); print('\\N{SNOWMAN}')"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, timeout=60, env=environment
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == b"?"
