"""Search texts by meaning with a real sentence encoder; ``hal demo`` is this program.

The encoder is in hal/demo/encoder.py: a page of Python against hal's public functions, which runs
on any device. Run this file with --help to see the options.
"""

import argparse
import sys

import hal
from hal.cli.command import guarded
from hal.cli.demo import add_arguments, as_json, show
from hal.cli.output import print_json, progress
from hal.demo import load_encoder, read_texts, search


def main() -> None:
    """Load, embed, rank, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    options = parser.parse_args()

    texts = read_texts(options.text)
    encoder = load_encoder(options.device)  # its weights are on the device from here on
    hal.reset_report()
    with progress(f"embedding {len(texts)} texts", len(texts)) as advance:
        found = search(encoder, options.query, texts, advance)
    if options.json:
        print_json(as_json(found))
    else:
        show(found, options.top)


if __name__ == "__main__":
    sys.exit(guarded(main))
