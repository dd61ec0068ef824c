"""Measures a GPU through hal beside PyTorch on the same GPU, and checks the project's targets.

Run it with ``python benchmarks/gpu.py --device cuda:0 --json FILE`` on a machine with the GPU and a
CUDA build of PyTorch. Both sides run by turns, and the figure is the median of many turns. A
comparison that fails is reported as failed, and the others go on. ``--rehearse`` runs everything on
small shapes beside PyTorch on the CPU, with any device: no figure means anything then.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hal

TURNS = 30
HEADS = 12


VERSIONS = (
    "numpy", "cuda-core", "cuda-bindings", "nvmath-python", "nvidia-cudnn-frontend",
    "nvidia-cublas", "nvidia-cudnn-cu13", "nvidia-cublas-cu12", "nvidia-cudnn-cu12",
)  # fmt: skip


class Row(NamedTuple):
    """One comparison; ``ratio`` is hal's speed over PyTorch's, or over the bandwidth of a copy."""

    what: str
    unit: str
    hal: float
    other: float
    ratio: float
    target: float
    error: str = ""

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return not self.error and self.ratio >= self.target

    def __str__(self) -> str:
        if self.error:
            return f"| {self.what} | failed: {self.error} | | | | {self.target} | no |"
        figures = f"{self.hal:.4g} | {self.other:.4g} | {self.unit} | {self.ratio:.3f}"
        return f"| {self.what} | {figures} | {self.target} | {'yes' if self.met else 'no'} |"


class Bench:
    """Both libraries on one GPU.

    Parameters
    ----------
    device : str
    rehearse : bool
        Whether to try small shapes beside PyTorch on the CPU.
    """

    def __init__(self, device: str, rehearse: bool) -> None:
        import torch

        self.torch = torch
        self.device = hal.device(device)
        self.rehearse = rehearse
        self.turns = 2 if rehearse else TURNS
        self.other = torch.device("cpu" if rehearse else f"cuda:{self.device.index}")

    def wait(self) -> None:
        """Wait for both libraries' work."""
        self.device.synchronize()
        if not self.rehearse:
            self.torch.cuda.synchronize(self.other)

    def by_turns(
        self, ours: Callable[[], Any], theirs: Callable[[], Any], calls: int
    ) -> tuple[float, float]:
        """Return the median seconds of a call of each, device time included."""
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(5):  # A compiled function is captured at its second call.
            ours(), theirs()
        for turn in range(self.turns):
            pairs = list(zip((ours, theirs), times, strict=True))
            for function, found in pairs if turn % 2 else reversed(pairs):
                self.wait()
                start = time.perf_counter()
                for _ in range(calls):
                    function()
                self.wait()
                found.append((time.perf_counter() - start) / calls)
        return statistics.median(times[0]), statistics.median(times[1])

    def host_time(self, ours: Callable[[], Any], theirs: Callable[[], Any]) -> tuple[float, float]:
        """Return the median seconds the host spends on a call of each, the device not waited for.

        Fewer calls are made at once than a GPU's queue holds.
        """
        times: tuple[list[float], list[float]] = ([], [])
        calls = 200
        for turn in range(1 + self.turns):
            for function, found in zip((ours, theirs), times, strict=True):
                self.wait()
                start = time.perf_counter()
                for _ in range(calls):
                    function()
                if turn:
                    found.append((time.perf_counter() - start) / calls)
        self.wait()
        return statistics.median(times[0]), statistics.median(times[1])

    def pair(self, *shape: int, dtype: str = "float32", scale: float = 1.0) -> tuple[Any, Any]:
        """Return the same values as tensors of both libraries; each pair has values of its own."""
        self._seed = getattr(self, "_seed", -1) + 1
        values = np.random.default_rng(self._seed).standard_normal(shape, dtype=np.float32) * scale
        ours = hal.asarray(values, device=self.device).astype(getattr(hal, dtype))
        theirs = self.torch.from_numpy(values).to(self.other).to(getattr(self.torch, dtype))
        return ours, theirs

    def agree(self, ours: Any, theirs: Any, bound: float) -> None:
        """Raise when the results differ by more than a share of the largest value."""
        mine = ours.astype(hal.float32).numpy()
        other = theirs.float().cpu().numpy()
        difference = np.abs(mine - other).max() / np.abs(other).max()
        if not difference <= bound:
            raise ArithmeticError(f"the results differ by {difference:.2g} of the largest value")

    def row(
        self, what: str, target: float, ours: Any, theirs: Any, calls: int, bound: float
    ) -> Row:
        """Return the comparison of two functions."""
        self.agree(ours(), theirs(), bound)
        mine, other = self.by_turns(ours, theirs, calls)
        return Row(what, "ms", mine * 1e3, other * 1e3, other / mine, target)

    def eager(self) -> Row:
        """Compare eager additions of small tensors, the host's time alone."""
        (a, x), (b, y) = self.pair(16), self.pair(16)
        self.agree(a + b, x + y, 1e-6)
        mine, other = self.host_time(lambda: a + b, lambda: x + y)
        return Row("eager add, 16 elements, host", "us", mine * 1e6, other * 1e6, other / mine, 1.0)

    def matmul(self) -> Row:
        """Compare a product of 4096 cubes in bfloat16."""
        n = 128 if self.rehearse else 4096
        (a, x), (b, y) = (self.pair(n, n, dtype="bfloat16") for _ in range(2))
        self.agree(a @ b, x @ y, 0.02)
        mine, other = self.by_turns(lambda: a @ b, lambda: x @ y, 10)
        rates = [2 * n**3 / seconds / 1e12 for seconds in (mine, other)]
        return Row(f"matmul {n}^3, bfloat16", "TFLOP/s", *rates, other / mine, 0.95)

    def chain(self) -> Row:
        """Compare a fused chain over 64 Mi elements with a copy of the same bytes."""
        size = 1 << (12 if self.rehearse else 26)
        a, x = self.pair(size)
        fused = hal.compile(lambda v: hal.exp(v * 0.5 + 1) * v - v)
        copy = self.torch.empty_like(x)
        self.agree(fused(a), self.torch.exp(x * 0.5 + 1) * x - x, 1e-5)
        mine, other = self.by_turns(lambda: fused(a), lambda: copy.copy_(x), 5)
        moved = 2 * size * 4 / 1e9
        what = f"fused chain, {size} float32, beside a copy"
        return Row(what, "GB/s", moved / mine, moved / other, other / mine, 0.85)

    def attention(self, length: int) -> Row:
        """Compare attention of batch 8, 16 heads, 128 wide, with PyTorch's quickest."""
        batch, heads = (1, 2) if self.rehearse else (8, 16)
        length = 64 if self.rehearse else length
        pairs = [self.pair(batch, heads, length, 128, dtype="bfloat16") for _ in range(3)]
        ours, theirs = zip(*pairs, strict=True)
        return self.row(
            f"attention, {batch} x {heads} x {length} x 128, bfloat16",
            0.9,
            lambda: hal.nn.scaled_dot_product_attention(*ours),
            self.quickest_attention(theirs),
            3,
            0.02,
        )

    def quickest_attention(self, given: tuple[Any, ...]) -> Callable[[], Any]:
        """Return PyTorch's attention by its quickest backend, each tried once warm."""
        attend = self.torch.nn.functional.scaled_dot_product_attention
        if self.rehearse:
            return lambda: attend(*given)
        from torch.nn.attention import SDPBackend, sdpa_kernel

        def by(backend: Any) -> Callable[[], Any]:
            def run() -> Any:
                with sdpa_kernel(backend):
                    return attend(*given)

            return run

        found: list[tuple[float, Callable[[], Any]]] = []
        for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
            try:
                seconds, _ = self.by_turns(by(backend), lambda: None, 3)
            except RuntimeError:  # This build, or this GPU, has no such backend.
                continue
            found.append((seconds, by(backend)))
        return min(found, key=lambda pair: pair[0])[1] if found else lambda: attend(*given)

    def encoder(self, batch: int) -> Row:
        """Compare encoder layers in float16, compiled here and as a CUDA graph in PyTorch."""
        layers, width, length = (1, 48, 8) if self.rehearse else (6, 384, 128)
        batch = min(batch, 2) if self.rehearse else batch
        torch = self.torch
        shapes = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
        pairs = [
            [self.pair(*s, dtype="float16", scale=0.05) for s in shapes] for _ in range(layers)
        ]
        a, x = self.pair(batch, length, width, dtype="float16")

        def run(nn: Any, swap: Any, value: Any, weights: Any) -> Any:
            heads = (batch, length, HEADS, width // HEADS)
            attend = nn.scaled_dot_product_attention
            for qkv, project, widen, narrow in weights:
                together = nn.linear(value, qkv)
                parts = [
                    together[..., i * width : (i + 1) * width].reshape(heads) for i in range(3)
                ]
                met = swap(attend(*map(swap, parts)))
                value = nn.layer_norm(
                    value + nn.linear(met.reshape((batch, length, width)), project), (width,)
                )
                grown = nn.gelu(nn.linear(value, widen))
                value = nn.layer_norm(value + nn.linear(grown, narrow), (width,))
            return value

        ours = [[p[0] for p in layer] for layer in pairs]
        theirs = [[p[1] for p in layer] for layer in pairs]
        compiled = hal.compile(
            lambda v: run(hal.nn, lambda h: hal.permute_dims(h, (0, 2, 1, 3)), v, ours)
        )

        def other() -> Any:
            return run(torch.nn.functional, lambda h: h.transpose(1, 2), x, theirs)

        what = f"encoder, batch {batch}, float16"
        with torch.no_grad():
            replay = other if self.rehearse else self.graph(other)
            return self.row(what, 1.0, lambda: compiled(a), replay, 10, 0.02)

    def graph(self, function: Callable[[], Any]) -> Callable[[], Any]:
        """Return a PyTorch function as a CUDA graph; a call replays it and returns its result."""
        torch = self.torch
        side = torch.cuda.Stream(self.other)
        with torch.cuda.stream(side):
            for _ in range(3):
                function()
        self.wait()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            result = function()

        def replay() -> Any:
            graph.replay()
            return result

        return replay

    def rows(self) -> Iterator[Row]:
        """Yield every comparison; one that fails says why, and the next one goes on."""
        planned: list[tuple[str, float, Callable[[], Row]]] = [
            ("eager add", 1.0, self.eager),
            ("matmul", 0.95, self.matmul),
            ("fused chain", 0.85, self.chain),
            *((f"attention {n}", 0.9, lambda n=n: self.attention(n)) for n in (2048, 8192)),
            *((f"encoder {n}", 1.0, lambda n=n: self.encoder(n)) for n in (1, 8, 64)),
        ]
        for what, target, measure in planned:
            try:
                yield measure()
            # Whatever one comparison stumbles over must not take the others with it.
            except Exception as error:
                traceback.print_exc()
                said = f"{type(error).__name__}: {error}".splitlines()[0]
                yield Row(what, "", 0, 0, 0, target, said.replace("|", "/")[:200])

    def state(self) -> dict[str, Any]:
        """Return what was measured with: card, driver, versions, date."""
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        try:
            driver = subprocess.run(asked, capture_output=True, text=True, timeout=60).stdout
        except OSError:
            driver = "unknown"
        installed = {d.metadata["Name"]: d.version for d in metadata.distributions()}
        return {
            "device": self.device.info.description,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "rehearsal": self.rehearse,
            "driver": driver.strip(),
            "python": platform.python_version(),
            "hal": hal.__version__,
            "torch": self.torch.__version__,
            "torch cuda": self.torch.version.cuda,
            **{name: installed[name] for name in VERSIONS if name in installed},
        }


def main() -> int:
    """Measure, print a table, save it; return 1 when a target is missed or something failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--json", type=Path, help="save figures and versions")
    parser.add_argument(
        "--rehearse",
        action="store_true",
        help="try all of it on small shapes",
    )
    options = parser.parse_args()
    bench = Bench(options.device, options.rehearse)
    state = bench.state()
    print(", ".join(f"{name} {value}" for name, value in state.items() if name != "rehearsal"))
    if options.rehearse:
        print("A rehearsal on small shapes: no figure means anything.")
    print("\n| what | hal | other | unit | ratio | target | met |")
    print("|---|---|---|---|---|---|---|", flush=True)
    rows = []
    for row in bench.rows():
        print(row, flush=True)
        rows.append(row)
        if options.json:  # After every row: what is cut off still leaves what it had.
            found = {**state, "rows": [{**r._asdict(), "met": r.met} for r in rows]}
            options.json.write_text(json.dumps(found, indent=2) + "\n")
    failed = [r for r in rows if (r.error if options.rehearse else not r.met)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
