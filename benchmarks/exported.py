"""Measures hal against ONNX Runtime on models as PyTorch exports them.

Run it with ``python benchmarks/exported.py``: it exports models of timm with random weights into a
cache folder at the first run; ``pip install -e '.[bench]' timm onnxscript`` installs what that
takes. Or name files: ``python benchmarks/exported.py MODEL.onnx ...``; those need no timm. Inputs
are random, integers 0 or 1, and open axes have the size 1. Every contestant runs in a process of
its own, in turns; their results are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from results import write_json, write_page
from rich.console import Console
from rich.table import Table
from turns import measure_file

MODELS = (
    "resnet18", "mobilenetv3_small_100", "efficientnet_b0", "convnext_atto", "vit_tiny_patch16_224",
    "swin_tiny_patch4_window7_224", "regnetx_002", "densenet121", "deit_tiny_patch16_224",
    "mixer_s32_224", "edgenext_xx_small", "levit_128s", "ghostnet_100", "maxvit_rmlp_pico_rw_256",
    "poolformer_s12", "mobilevit_xxs", "coatnet_0_rw_224", "inception_v3", "nfnet_f0",
    "beit_base_patch16_224", "eva02_tiny_patch14_224", "fastvit_t8",
)  # fmt: skip
COLUMNS = ["model", "ONNX Runtime, ms", "hal, ms", "hal to ONNX Runtime"]
PEER, OURS = "onnxruntime", "hal-onnx"


def arguments() -> argparse.Namespace:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="*", type=Path, help="ONNX models; default: those of timm")
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--runs", type=int, default=5, help="timed runs in a turn")
    parser.add_argument("--json", action="store_true", help="print the numbers for a program")
    parser.add_argument("--page", action="store_true", help="write a page of docs/results")
    return parser.parse_args()


def exported(name: str) -> Path:
    """Return the file of one of timm's models, exported when it is first asked for."""
    chosen = os.environ.get("HAL_CACHE_DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = (Path(chosen) if chosen else Path(cache) / "hal") / "exported"
    path = folder / f"{name}.onnx"
    if not path.exists():
        import timm
        import torch

        folder.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        model = timm.create_model(name, pretrained=False).eval()
        given = (torch.randn(1, *model.default_cfg["input_size"]),)
        # Not there under its name before it is whole; its weights lie in a file beside it.
        with tempfile.TemporaryDirectory(dir=folder) as place, torch.no_grad():
            torch.onnx.export(model, given, Path(place) / path.name, dynamo=True, verbose=False)
            for part in sorted(Path(place).iterdir(), reverse=True):
                part.rename(folder / part.name)
    return path


def drawn(path: Path) -> dict[str, Any]:
    """Return random inputs for a model: numbers of a normal distribution, integers 0 or 1."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    weights = {x.name for x in graph.initializer}
    random = np.random.default_rng(0)
    found = {}
    for given in graph.input:
        if given.name in weights:
            continue
        kind = given.type.tensor_type
        shape = [dim.dim_value or 1 for dim in kind.shape.dim]
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
        real = np.issubdtype(dtype, np.floating)
        values = random.standard_normal(shape) if real else random.integers(0, 2, shape)
        found[given.name] = np.asarray(values, dtype)
    return found


def main() -> None:
    """Measure and print."""
    given = arguments()
    console = Console(stderr=given.json, width=110)
    about = f"Medians of {given.turns * given.runs} runs in {given.turns} turns, batch 1."
    rows, everything = list[list[str]](), dict[str, Any]()
    for path in given.file or map(exported, given.model):
        found = measure_file(path, drawn(path), [PEER, OURS], given.turns, given.runs)
        peer, ours = (1000 * statistics.median(found[name]["times"]) for name in (PEER, OURS))
        everything[path.stem] = {PEER: peer, OURS: ours, "ratio": ours / peer}
        rows.append([path.stem, f"{peer:.2f}", f"{ours:.2f}", f"{ours / peer:.2f}"])
        console.print(*rows[-1])
    ratios = [one["ratio"] for one in everything.values()]
    mean = math.exp(statistics.fmean(map(math.log, ratios)))
    about += f" The geometric mean of the ratios is {mean:.2f}."
    shown = Table(title="Exported models", caption=about)
    for column in COLUMNS:
        shown.add_column(column, justify="left" if column == COLUMNS[0] else "right")
    for row in rows:
        shown.add_row(*row)
    console.print(shown)
    if given.page:
        title = "Models as PyTorch exports them"
        write_page("exported", title, f"Random weights and inputs, float32. {about}", COLUMNS, rows)
    if given.json:
        write_json({"models": everything, "mean": mean})


if __name__ == "__main__":
    main()
