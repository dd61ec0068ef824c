"""Write a new plugin: a complete project around a working device, to be changed step by step.

The project is a folder hal-NAME with a backend of about 100 lines, whose device is made of
bytearrays and NumPy, with its tests, which call hal's conformance kit, a CI file and a README. It
installs and passes its tests as it is. The licence is left to you.

Examples
--------
  hal new-plugin npu
  cd hal-npu
  pip install -e '.[test]'
  pytest
  hal conformance npu:0
"""

from __future__ import annotations

import argparse

from hal.cli.output import remark
from hal.scaffold import create_plugin

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name and where to write."""
    parser.add_argument("name", metavar="NAME", help="what stands before the colon: npu for npu:0")
    parser.add_argument("--directory", metavar="DIR", help="the folder to write (default hal-NAME)")


def run(arguments: argparse.Namespace) -> None:
    """Write the project and say what to do next."""
    folder = create_plugin(arguments.name, arguments.directory)
    print(folder)
    remark(f"next: cd {folder}, pip install -e '.[test]', pytest; see docs/writing-a-plugin.md")
