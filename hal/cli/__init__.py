"""The ``hal`` command; :mod:`hal.cli.command` says how a subcommand is added."""

from hal.cli.command import main

__all__ = ["main"]
