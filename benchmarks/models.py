"""Measures whole models in hal and its peers, against what the machine can do at the most.

Run it with ``python benchmarks/models.py``; ``pip install -e '.[bench]'`` installs the peers. All
weights are generated. Every contestant gets the same model and inputs in a process of its own; they
take turns, those whose turn it is not are stopped, and their first results are compared before
anything is timed. The floor is the longer of two times: the model's floating-point operations over
the best rate of a large matrix product on this machine (NumPy's, PyTorch's or oneDNN's), and the
bytes of its weights and caches over the rate at which the machine reads memory. Memory is the high
water of a contestant's process over what it took with NumPy alone, its library included, with and
without what an earlier process left in hal's cache folder. The first run is that of a process that
has the libraries but not yet the model: reading it, making it ready, and running it once, without
and with what is in that folder.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from typing import Any

from contestant import CONTESTANTS
from machine import matrix_rates, read_rate
from results import write_json, write_page
from rich.console import Console
from rich.table import Table
from turns import available, measure, prepare
from zoo import MODELS, Model

COLUMNS = ["", "ms", "to ONNX Runtime", "to the floor", "memory, MB", "to ONNX Runtime",
           "without cache, MB", "first run, s", "with cache, s"]  # fmt: skip
PEER = "onnxruntime"


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--batch", type=int, nargs="+", help="default: the model's own")
    parser.add_argument("--contestant", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3, help="timed runs in a turn")
    parser.add_argument("--json", action="store_true", help="print the numbers for a program")
    parser.add_argument("--page", action="store_true", help="write pages of docs/results")
    return parser.parse_args()


def table(found: dict[str, dict[str, Any]], floor: float) -> list[list[str]]:
    """Return a row for each contestant."""
    peer = found.get(PEER)
    rows = []
    for name, one in found.items():
        median = one["median"] = statistics.median(one["times"])
        one["to_floor"] = median / floor
        ratios = ["", ""]
        if peer is not None:
            one["to_peer"] = median / statistics.median(peer["times"])
            one["memory_to_peer"] = one["peak_bytes"] / peer["peak_bytes"]
            ratios = [f"{one['to_peer']:.2f}", f"{one['memory_to_peer']:.2f}"]
        rows.append(
            [
                name,
                f"{1000 * median:.1f}",
                ratios[0],
                f"{one['to_floor']:.2f}",
                f"{one['peak_bytes'] / 1e6:.0f}",
                ratios[1],
                f"{one['peak_bytes_cold'] / 1e6:.0f}",
                f"{one['first_cold']:.2f}",
                f"{one['first_warm']:.2f}",
            ]
        )
    return rows


def compete(model: Model, given: argparse.Namespace, rate: float, reading: float) -> Any:
    """Yield the batch, the floor, and what was found for each batch size."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(model, Path(folder))
        for batch in given.batch or model.batches:
            names = available(model, given.contestant)
            floor = max(model.operations(batch) / rate, model.nbytes(batch) / reading)
            found = measure(model, batch, names, Path(folder), given.turns, given.runs)
            yield batch, floor, found


def main() -> None:
    """Measure and print."""
    given = arguments()
    console = Console(stderr=given.json, width=120)
    rates, reading = matrix_rates(), read_rate()
    best = max(rates, key=lambda name: rates[name])
    limits = ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in rates.items())
    about = (
        f"float32; medians of {given.turns * given.runs} runs in {given.turns} turns. "
        f"GFLOP/s of large products: {limits}; the floor takes {best}'s. "
        f"Memory is read at {reading / 1e9:.0f} GB/s."
    )
    everything = []
    for name in given.model:
        model = MODELS[name]
        for batch, floor, found in compete(model, given, rates[best], reading):
            rows = table(found, floor)
            aim = (model.limits or {}).get(batch)
            title = f"{model.title}, batch {batch}"
            target = f"The floor is {1000 * floor:.1f} ms"
            target += f", hal's aim {aim} times that." if aim else "."
            shown = Table(title=title, caption=target)
            for column in COLUMNS:
                shown.add_column(column, justify="right" if column else "left")
            for row in rows:
                shown.add_row(*row)
            console.print(shown)
            everything.append({"model": name, "batch": batch, "floor": floor, "contestants": found})
            if given.page:
                write_page(f"{name}-batch{batch}", title, f"{target} {about}", COLUMNS, rows)
    console.print(about)
    if given.json:
        write_json({"rates": rates, "read_rate": reading, "results": everything})


if __name__ == "__main__":
    main()
