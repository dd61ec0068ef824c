"""Runs the ``hal`` command as ``python -m hal.cli``."""

import sys

from hal.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
