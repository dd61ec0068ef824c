"""Measures a GPU through hal beside PyTorch on the same GPU, and checks the project's targets.

Run it with ``python benchmarks/gpu.py --device cuda:0 --json FILE`` on a machine with the GPU and a
CUDA build of PyTorch. Both sides run by turns, and the figure is the median of many turns.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hal

TURNS = 30


class Row(NamedTuple):
    """One comparison; ``ratio`` is hal's speed over PyTorch's, or over the bandwidth of a copy."""

    what: str
    unit: str
    hal: float
    other: float
    ratio: float
    target: float

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        return self.ratio >= self.target


def by_turns(
    ours: Callable[[], Any], theirs: Callable[[], Any], wait: Callable[[], None], calls: int
) -> tuple[float, float]:
    """Return the median seconds of a call of each, measured by turns, device time included."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        ours(), theirs()
    wait()
    for _ in range(TURNS):
        for function, found in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            for _ in range(calls):
                function()
            wait()
            found.append((time.perf_counter() - start) / calls)
    return statistics.median(times[0]), statistics.median(times[1])


def host_time(ours: Callable[[], Any], theirs: Callable[[], Any], wait: Callable[[], None]) -> Any:
    """Return the median seconds the host spends on a call of each, the device not waited for."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for function, found in zip((ours, theirs), times, strict=True):
            wait()
            start = time.perf_counter()
            for _ in range(200):
                function()
            found.append((time.perf_counter() - start) / 200)
    return statistics.median(times[0]), statistics.median(times[1])


class Bench:
    """Both libraries on one GPU."""

    def __init__(self, device: str) -> None:
        import torch

        self.torch = torch
        self.device = hal.device(device)
        self.cuda = f"cuda:{self.device.index}"

    def wait(self) -> None:
        """Wait for both libraries' work."""
        self.device.synchronize()
        self.torch.cuda.synchronize(self.cuda)

    def pair(self, *shape: int, dtype: str = "float32") -> tuple[Any, Any]:
        """Return the same values as tensors of both libraries."""
        values = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        ours = hal.asarray(values, device=self.device)
        theirs = self.torch.from_numpy(values).to(self.cuda)
        return ours.astype(getattr(hal, dtype)), theirs.to(getattr(self.torch, dtype))

    def row(self, what: str, target: float, ours: Any, theirs: Any, calls: int) -> Row:
        """Return the comparison of two functions."""
        mine, other = by_turns(ours, theirs, self.wait, calls)
        return Row(what, "ms", mine * 1e3, other * 1e3, other / mine, target)

    def eager(self) -> Row:
        """Compare eager additions of small tensors, the host's time alone."""
        (a, x), (b, y) = self.pair(16), self.pair(16)
        mine, other = host_time(lambda: a + b, lambda: x + y, self.wait)
        return Row("eager add, 16 elements, host", "us", mine * 1e6, other * 1e6, other / mine, 1.0)

    def matmul(self) -> Row:
        """Compare a product of 4096 cubes in bfloat16."""
        (a, x), (b, y) = (self.pair(4096, 4096, dtype="bfloat16") for _ in range(2))
        return self.row("matmul 4096^3, bfloat16", 0.95, lambda: a @ b, lambda: x @ y, 10)

    def chain(self) -> Row:
        """Compare a fused chain over 64 Mi elements with a copy of the same bytes."""
        a, x = self.pair(1 << 26)
        fused = hal.compile(lambda v: hal.exp(v * 0.5 + 1) * v - v)
        copy = self.torch.empty_like(x)
        mine, other = by_turns(lambda: fused(a), lambda: copy.copy_(x), self.wait, 5)
        moved = 2 * x.numel() * 4 / 1e9
        return Row("fused chain, 64 Mi", "GB/s", moved / mine, moved / other, other / mine, 0.85)

    def attention(self, length: int) -> Row:
        """Compare attention of batch 8, 16 heads, 128 wide, in bfloat16."""
        attend = self.torch.nn.functional.scaled_dot_product_attention
        pairs = [self.pair(8, 16, length, 128, dtype="bfloat16") for _ in range(3)]
        ours, theirs = zip(*pairs, strict=True)
        return self.row(
            f"attention, 8 x 16 x {length} x 128, bfloat16",
            0.9,
            lambda: hal.nn.scaled_dot_product_attention(*ours),
            lambda: attend(*theirs),
            3,
        )

    def encoder(self, batch: int, layers: int = 6, width: int = 384, length: int = 128) -> Row:
        """Compare encoder layers in float16, compiled here and as a CUDA graph in PyTorch."""
        torch = self.torch
        shapes = [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
        pairs = [
            [tuple(0.05 * t for t in self.pair(*s, dtype="float16")) for s in shapes]
            for _ in range(layers)
        ]
        a, x = self.pair(batch, length, width, dtype="float16")

        def run(nn: Any, swap: Any, value: Any, weights: Any) -> Any:
            heads = (batch, length, 12, width // 12)
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

        with torch.no_grad():
            side = torch.cuda.Stream(self.cuda)
            with torch.cuda.stream(side):
                for _ in range(3):
                    other()
            self.wait()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                expected = other()
        graph.replay()
        self.wait()
        difference = np.abs(compiled(a).numpy().astype(np.float32) - expected.float().cpu().numpy())
        assert difference.max() < 0.05, f"the encoders differ by {difference.max()}"
        return self.row(
            f"encoder, batch {batch}, float16", 1.0, lambda: compiled(a), graph.replay, 10
        )

    def rows(self) -> list[Row]:
        """Return every comparison."""
        found = [self.eager(), self.matmul(), self.chain()]
        found += [self.attention(length) for length in (2048, 8192)]
        return found + [self.encoder(batch) for batch in (1, 8, 64)]


def main() -> int:
    """Measure, print a table, save it; return 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    bench = Bench(options.device)
    rows = bench.rows()
    print(f"| {bench.device.info.description}: what | hal | other | unit | ratio | target | met |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        figures = f"{row.hal:.4g} | {row.other:.4g} | {row.unit} | {row.ratio:.2f}"
        print(f"| {row.what} | {figures} | {row.target} | {'yes' if row.met else 'no'} |")
    if options.json:
        state = {
            "device": bench.device.info.description,
            "torch": bench.torch.__version__,
            "hal": hal.__version__,
            "rows": [{**row._asdict(), "met": row.met} for row in rows],
        }
        options.json.write_text(json.dumps(state, indent=2) + "\n")
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
