"""The entry of the ``hal`` command: its subcommands, its errors, its exit status.

A subcommand is a line in :data:`COMMANDS` and a module of :mod:`hal.cli` with the same name
(``new-plugin`` is ``new_plugin``), imported only when it is called. The module's docstring is the
text of ``hal NAME --help``, and it has two functions:

``add_arguments(parser)``
    Adds the arguments to an :class:`argparse.ArgumentParser`.
``run(arguments)``
    Does the work with the parsed :class:`argparse.Namespace`. Returns the exit status, or None
    for success.

:mod:`hal.cli.output` has what subcommands print with. Every error of hal is printed as one message
with exit status 2, so a subcommand lets them pass; it returns 1 when the answer is "no".
"""

from __future__ import annotations

import argparse
import inspect
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TextIO

from hal.cli.output import remark
from hal.errors import HalError, HalWarning
from hal.version import VERSION

__all__ = ["COMMANDS", "guarded", "main"]

COMMANDS = {
    "devices": "list the devices that are there, and why others are not",
    "run": "run an ONNX model on a device",
    "compare": "compare a model's numbers on two devices, node by node",
    "bench": "measure a model's latency, and each operator against the machine's limits",
    "info": "say what an ONNX model is",
    "check": "say whether a model runs on a device that need not be there, and how fast",
    "conformance": "find out whether a device means what hal means",
    "demo": "search texts by meaning with a real sentence encoder",
    "new-plugin": "write a new plugin's project, to be changed step by step",
}
"""The subcommands in the order of the help, with what each does."""

FAILED = 2
INTERRUPTED = 128 + 2  # as shells report a program that SIGINT ended
CLOSED_PIPE = 128 + 13  # and one that SIGPIPE ended

EPILOG = """\
environment:
  HAL_DEVICE      the default device, such as cpu:0
  HAL_FALLBACK    what may run on the host: error, warn (the default) or allow
  HAL_SYNC        1 synchronizes after every operation, to find one that fails
  HAL_DEBUG       1 shows where an error was raised

exit status: 0 success, 1 the answer is no, 2 an error
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the ``hal`` command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process when left out.

    Examples
    --------
    >>> from hal.cli import main
    >>> main(["--version"])
    hal 0...
    0
    """
    given = list(sys.argv[1:] if argv is None else argv)

    def work() -> int | None:
        parser = make_parser(_command(given))
        arguments = parser.parse_args(given)
        if arguments.run is None:
            parser.print_help()
            return None
        status: int | None = arguments.run(arguments)
        return status

    return guarded(work, debug="--debug" in given)


def guarded(work: Callable[[], int | None], debug: bool = False) -> int:
    """Do the work of a command and return its exit status.

    Errors and warnings of hal become one line each, Ctrl-C and a closed pipe a quiet end.

    Parameters
    ----------
    work : callable
        Returns the status, or None for success.
    debug : bool
        Whether an error is raised on, to see where it comes from; ``HAL_DEBUG=1`` means it too.

    Examples
    --------
    >>> from hal.cli.command import guarded
    >>> guarded(lambda: 1)
    1
    """
    debug = debug or os.environ.get("HAL_DEBUG", "") not in ("", "0")
    _print_any_text()
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            status = work() or 0
        # Here, so that a pipe closed meanwhile is noticed before the interpreter's own last flush.
        sys.stdout.flush()
        return status
    except SystemExit as stop:  # how argparse ends: --help, --version, wrong usage
        return stop.code if isinstance(stop.code, int) else FAILED
    except HalError as error:
        if debug:
            raise
        remark(str(error))
        return FAILED
    except KeyboardInterrupt:
        if debug:
            raise
        remark("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return CLOSED_PIPE


def make_parser(command: str | None) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of one subcommand.

    The others have their line in the help alone, so that their modules are not imported.
    """
    parser = argparse.ArgumentParser(
        prog="hal",
        description="One tensor and runtime interface for every accelerator.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=None)
    parser.add_argument("--version", action="version", version=f"hal {VERSION}")
    parser.add_argument("--debug", action="store_true", help="show where an error was raised")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, summary in COMMANDS.items():
        if name != command:
            subparsers.add_parser(name, help=summary)
            continue
        module = import_module(f"hal.cli.{name.replace('-', '_')}")
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=inspect.getdoc(module),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(subparser)
        subparser.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show where an error was raised",
        )
        subparser.set_defaults(run=module.run)
    return parser


def _command(given: Sequence[str]) -> str | None:
    """Return the subcommand: the first argument, since no option before it takes a value."""
    first = next((argument for argument in given if not argument.startswith("-")), None)
    return first if first in COMMANDS else None


def _print_any_text() -> None:
    """Make output that the terminal's encoding lacks a replacement character, not an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    """Send what is still buffered for a closed pipe nowhere, or the interpreter reports it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of hal's as one line, any other with its place."""
    if not issubclass(category, HalWarning):
        message = f"{filename}:{lineno}: {category.__name__}: {message}"
    remark(f"warning: {message}")
