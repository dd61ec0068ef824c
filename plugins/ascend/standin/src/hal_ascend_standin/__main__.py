"""``python -m hal_ascend_standin build [address|thread]``: build the libraries and say where."""

from __future__ import annotations

import sys

from hal_ascend_standin.build import BuildError, build

USAGE = "usage: python -m hal_ascend_standin build [address|thread]"


def main(arguments: list[str]) -> int:
    """Run the command and return its exit status."""
    if arguments[:1] != ["build"] or arguments[1:] not in ([], ["address"], ["thread"]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        print(build("".join(arguments[1:])))
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
