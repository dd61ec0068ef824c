"""Compares the times that hal predicts for chips with times that others published.

Run it with ``python benchmarks/predictions.py``. Each row names a model, a batch and a dtype, and
where its time was measured. The model is written here as the kernels that the measured library
runs, each with the cost that :func:`hal.ops.cost` counts and the time that
:meth:`hal.plugin.Chip.estimate` predicts from the chip's file; a model's time is their sum.

A chip's efficiencies, its start, its vector rate's share and its cache's bandwidth are fitted on
the rows marked with ``*``, by ``--fit``; the error that counts is that of the other rows.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

from rich.console import Console
from rich.table import Table

import hal
from hal.ops import cost, operators
from hal.plugin import Chip, Cost, Layout
from hal.tools.check import known_chips

Kernel = tuple[Cost, int]
"""The work of a kernel, and how many of its bytes are weights."""

HALF = hal.float16


def counted(name: str, inputs: Sequence[Layout], output: Layout, **attributes: Any) -> Cost:
    """Return the cost of a call."""
    op = operators[name]
    canonical = {**op.defaults, **attributes}
    # hal has no products of int8; they are counted as the others.
    if inputs[0].dtype is HALF:
        canonical = op.infer(inputs, attributes).attributes
    return cost(op, inputs, [output], canonical)


def linear(
    rows: int, columns: int, depth: int, dtype: Any, after: int = 0, read: int = 0
) -> Kernel:
    """Return a product by a matrix of weights, with steps per element and arrays read after it."""
    weight = Layout(dtype, (columns, depth))
    x, out = Layout(dtype, (rows, depth)), Layout(dtype, (rows, columns))
    found = counted("linear", [x, weight], out)
    return found._replace(vector=float((1 + after) * out.size)), weight.nbytes


def elementwise(size: int, steps: int, arrays: int, dtype: Any) -> Kernel:
    """Return a kernel of so many steps per element that reads and writes so many arrays."""
    return Cost(0.0, float(steps * size), arrays * size * dtype.itemsize, HALF), 0


def fused_attention(batch: int, heads: int, length: int, width: int, dtype: Any) -> Kernel:
    """Return attention that keeps its scores on the chip."""
    one = Layout(HALF, (batch, heads, length, width))
    found = counted("attention", [one] * 3, one)
    return found._replace(nbytes=found.nbytes * dtype.itemsize // 2), 0


def plain_attention(
    batch: int, heads: int, length: int, width: int, dtype: Any
) -> Iterator[Kernel]:
    """Yield attention in parts: scores, scale and mask, softmax, weighted sum.

    The transposes around it are joined to the products, as CANN's compiler of graphs does.
    """
    one = Layout(dtype, (batch, heads, length, width))
    turned = Layout(dtype, (batch, heads, width, length))
    scores = Layout(dtype, (batch, heads, length, length))
    yield counted("matmul", [one, turned], scores), 0
    yield elementwise(scores.size, 2, 2, dtype)
    yield counted("softmax", [scores], scores, axis=3), 0
    yield counted("matmul", [scores, one], one), 0


def encoder(
    layers: int, width: int, heads: int, length: int, batch: int, dtype: Any = HALF,
    fused: bool = True, vocabulary: int = 0,
) -> Iterator[Kernel]:  # fmt: skip
    """Yield a transformer: fused as the best libraries do it, or operator by operator."""
    rows, inner = batch * length, 4 * width
    normed = elementwise(rows * width, 8, 3, dtype)
    yield normed
    for _ in range(layers):
        yield linear(rows, 3 * width, width, dtype)
        if fused:
            yield fused_attention(batch, heads, length, width // heads, dtype)
        else:
            yield from plain_attention(batch, heads, length, width // heads, dtype)
        yield linear(rows, width, width, dtype)
        yield normed
        yield linear(rows, inner, width, dtype, after=8 if fused else 0)
        if not fused:
            yield elementwise(rows * inner, 8, 2, dtype)
        yield linear(rows, width, inner, dtype)
        yield normed
    if vocabulary:
        yield linear(rows, vocabulary, width, dtype)


def resnet50(batch: int, dtype: Any = HALF) -> Iterator[Kernel]:
    """Yield ResNet-50 with what follows a convolution joined to it."""

    def convolution(
        features: int, out: int, kernel: int, size: int, stride: int = 1, added: bool = False
    ) -> Kernel:
        small = size // stride
        weight = Layout(dtype, (out, features, kernel, kernel))
        x = Layout(dtype, (batch, features, size, size))
        y = Layout(dtype, (batch, out, small, small))
        found = counted("convolution", [x, weight], y)
        vector, nbytes = float((2 + added) * y.size), found.nbytes + added * y.nbytes
        return found._replace(vector=vector, nbytes=nbytes), weight.nbytes

    yield convolution(3, 64, 7, 224, 2)
    yield elementwise(batch * 64 * 56 * 56, 9, 5, dtype)
    features, size = 64, 56
    for width, blocks in ((64, 3), (128, 4), (256, 6), (512, 3)):
        for block in range(blocks):
            stride = 2 if block == 0 and width > 64 else 1
            yield convolution(features, width, 1, size)
            yield convolution(width, width, 3, size, stride)
            if block == 0:
                yield convolution(features, 4 * width, 1, size, stride)
            size //= stride
            yield convolution(width, 4 * width, 1, size, added=True)
            features = 4 * width
    yield elementwise(batch * 2048 * 49, 1, 1, dtype)
    yield linear(batch, 1000, 2048, dtype)


def product(rows: int, columns: int, depth: int) -> Iterator[Kernel]:
    """Yield one product of matrices that are read from memory."""
    kernel = linear(rows, columns, depth, HALF)
    yield kernel[0], kernel[0].nbytes


def attention(batch: int, heads: int, length: int, width: int) -> Iterator[Kernel]:
    """Yield attention alone."""
    yield fused_attention(batch, heads, length, width, HALF)


# What was measured

TENSORRT = (
    "https://github.com/NVIDIA/TensorRT/blob/768d994b7305b69eb5db2397337ae96e36586b41/"
    "demo/BERT/README.md (A100 40 GB, average latency)"
)
TENSORRT_INT8 = (
    "https://docs.nvidia.com/deeplearning/tensorrt/tensorflow-quantization-toolkit/docs/docs/"
    "model_zoo.html (A100, TensorRT 8.4)"
)
MLPERF_21 = "https://github.com/mlcommons/inference_results_v2.1 (closed, DGX-A100, 1 GPU, offline)"
MLPERF_31 = "https://github.com/mlcommons/inference_results_v3.1 (closed, DGX-H100, 1 GPU, offline)"
MAMF = (
    "https://github.com/stas00/ml-engineering/tree/master/compute/accelerator "
    "(maximum achievable matmul FLOPS)"
)
FLASH3 = (
    "https://github.com/pytorch/benchmark/pull/2391 (FlashAttention-3 on H100, 16 heads of 128)"
)
PTO = "https://gitcode.com/cann/pto-isa/blob/master/README.md (FlashAttention on 910B2, head 128)"
PTO_GEMM = (
    "https://gitcode.com/cann/pto-isa/blob/master/kernels/manual/a2a3/gemm_performance/README.md "
    "(A3, 24 cores)"
)
ZOO = "https://gitee.com/ascend/ModelZoo-PyTorch/tree/master/ACL_PyTorch/built-in/"
# What measuring one kernel alone adds to it: its launch; for the 910C such that the shortest of the
# fitted rows agree.
ALONE = {"nvidia-a100": 2.5e-6, "nvidia-h100": 2.5e-6, "ascend-910c": 9.6e-6}
BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 64, 128)
BERT = {
    (12, 128, hal.float16): (0.64, 0.75, 0.95, 1.36, 1.84, 2.12, 3.17, 4.06, 8.05, 15.91),
    (24, 128, hal.float16): (1.67, 1.88, 2.71, 4.38, 5.2, 7.32, 9.97, 13.68, 25.77, 51.2),
    (12, 384, hal.float16): (1.28, 1.59, 2.25, 3.48, 4.97, 6.64, 9.69, 13.39, 25.8, 50.59),
    (24, 384, hal.float16): (3.06, 4.08, 5.85, 11.41, 16.0, 21.86, 32.17, 42.52, 82.86, 162.67),
    (12, 128, hal.int8): (0.55, 0.61, 0.76, 0.96, 1.23, 1.42, 1.86, 2.3, 4.23, 8.22),
    (24, 128, hal.int8): (1.25, 1.44, 2.0, 2.73, 3.44, 4.06, 5.3, 7.09, 13.06, 25.39),
    (12, 384, hal.int8): (1.14, 1.33, 1.69, 2.24, 3.38, 4.15, 5.86, 7.81, 15.21, 29.53),
    (24, 384, hal.int8): (2.84, 3.05, 4.36, 7.22, 9.34, 12.37, 17.82, 23.13, 45.29, 89.04),
}


@dataclass(frozen=True)
class Row:
    """A model on a chip, the seconds that were measured, and whether figures were fitted on it.

    A kernel that was measured alone took its launch too, ``alone`` seconds; else the launches were
    recorded, or hidden behind the work.
    """

    chip: str
    model: str
    dtype: str
    kernels: Callable[[], Iterator[Kernel]]
    seconds: float
    source: str
    fitted: bool = False
    bandwidth: float | None = None
    alone: float = 0.0


def bert_rows() -> Iterator[Row]:
    """Yield BERT by TensorRT on an A100 of 40 GB, whose memory is slower than the file's."""
    for (layers, length, dtype), latencies in BERT.items():
        name, width = ("BERT-large", 1024) if layers == 24 else ("BERT-base", 768)
        for batch, ms in zip(BATCHES, latencies, strict=True):
            yield Row(
                "nvidia-a100", f"{name}, length {length}, batch {batch}", dtype.name,
                lambda layers=layers, width=width, length=length, batch=batch, dtype=dtype: encoder(
                    layers, width, width // 64, length, batch, dtype
                ),
                ms / 1e3, TENSORRT, fitted=length == 128 and dtype is HALF, bandwidth=1.555e12,
            )  # fmt: skip


def resnet_rows() -> Iterator[Row]:
    """Yield ResNet-50."""
    for chip, batch, dtype, rate, source in (
        ("nvidia-a100", 2048, hal.int8, 42120.7, MLPERF_21),
        ("nvidia-a100", 1, hal.int8, 1 / 0.46e-3, TENSORRT_INT8),
        ("nvidia-h100", 2048, hal.int8, 88526.0, MLPERF_31),
        ("ascend-310p", 64, HALF, 4250.0, ZOO + "cv/Resnet50_Pytorch_Infer"),
    ):
        yield Row(
            chip, f"ResNet-50, batch {batch}", dtype.name,
            lambda batch=batch, dtype=dtype: resnet50(batch, dtype), batch / rate, source,
        )  # fmt: skip


def product_rows() -> Iterator[Row]:
    """Yield products of matrices, by the rate reached, in TFLOPS."""
    for chip, sizes, rate, source, fitted in (
        ("nvidia-a100", (1024, 10240, 5120), 271.2, MAMF, True),
        ("nvidia-a100", (6912, 16384, 2048), 267.9, MAMF, False),
        ("nvidia-h100", (2048, 2048, 13312), 794.5, MAMF, True),
        ("nvidia-h100", (6144, 17920, 2816), 792.1, MAMF, False),
        ("ascend-910c", (1536, 1536, 1536), 2 * 1536**3 / 0.0388e9, PTO_GEMM, True),
        ("ascend-910c", (3072, 3072, 3072), 2 * 3072**3 / 0.2067e9, PTO_GEMM, False),
        ("ascend-910c", (6144, 6144, 6144), 2 * 6144**3 / 1.506e9, PTO_GEMM, False),
        ("ascend-910c", (7680, 7680, 7680), 2 * 7680**3 / 3.168e9, PTO_GEMM, True),
    ):
        scale = 1e12 if rate < 1e4 else 1.0
        work = 2.0 * sizes[0] * sizes[1] * sizes[2]
        yield Row(
            chip, f"product {'x'.join(map(str, sizes))}", "float16",
            lambda sizes=sizes: product(*sizes), work / (rate * scale), source, fitted,
            alone=ALONE[chip],
        )  # fmt: skip


def attention_rows() -> Iterator[Row]:
    """Yield attention alone: 16,384 positions on the H100, one head on the 910B2."""
    for batch, tflops in ((32, 430.32), (16, 517.099), (8, 565.544), (4, 590.233), (2, 614.234),
                          (1, 620.73)):  # fmt: skip
        length = 16384 // batch
        work = 4.0 * batch * 16 * length**2 * 128
        yield Row(
            "nvidia-h100", f"attention, length {length}, batch {batch}", "float16",
            lambda batch=batch, length=length: attention(batch, 16, length, 128),
            work / tflops / 1e12, FLASH3, fitted=length in (512, 16384),
            alone=ALONE["nvidia-h100"],
        )  # fmt: skip
    for length, us in ((1024, 20.96), (2048, 32.461), (4096, 88.902), (8192, 292.626),
                       (16384, 909.058), (32768, 3262.645)):  # fmt: skip
        yield Row(
            "ascend-910c", f"attention, length {length}, 1 head", "float16",
            lambda length=length: attention(1, 1, length, 128), us / 1e6, PTO,
            fitted=length in (2048, 16384), alone=ALONE["ascend-910c"],
        )  # fmt: skip


def inference_card_rows() -> Iterator[Row]:
    """Yield transformers on a 310P, whose library ran attention in parts."""
    for batch, rate in ((1, 175), (4, 251), (8, 254), (16, 242), (32, 246), (64, 251)):
        yield Row(
            "ascend-310p", f"BERT-base, length 384, batch {batch}, with head", "float16",
            lambda batch=batch: encoder(
                12, 768, 12, 384, batch, fused=False, vocabulary=21128
            ),
            batch / rate, ZOO + "nlp/Bert_Base_Chinese_for_Pytorch", fitted=True,
        )  # fmt: skip
    yield Row(
        "ascend-310p", "BERT-base, length 512, batch 8", "float16",
        lambda: encoder(12, 768, 12, 512, 8, fused=False),
        8 / 198.61, ZOO + "nlp/Bert_Base_Uncased_for_Pytorch",
    )  # fmt: skip
    for batch, rate in ((1, 149), (4, 188), (8, 189), (16, 189), (32, 185), (64, 181)):
        yield Row(
            "ascend-310p", f"GPT-2, length 512, batch {batch}", "float16",
            lambda batch=batch: encoder(12, 768, 12, 512, batch, fused=False, vocabulary=21128),
            batch / rate, ZOO + "nlp/GPT2_for_Pytorch",
        )  # fmt: skip


def every_row() -> list[Row]:
    """Return all rows."""
    parts = (bert_rows, resnet_rows, product_rows, attention_rows, inference_card_rows)
    return [row for part in parts for row in part()]


# Prediction and fit


def predicted(chip: Chip, row: Row, kernels: Counter[Kernel]) -> float:
    """Return the seconds of kernels that follow one another in a recorded program."""
    if row.bandwidth is not None:
        chip = replace(chip, bandwidth=row.bandwidth)
    return row.alone + sum(
        times * chip.estimate(cost, cold=cold, recorded=True).seconds
        for (cost, cold), times in kernels.items()
    )


def changed(chip: Chip, name: str, factor: float) -> Chip:
    """Return a chip with one fitted figure multiplied."""
    if name in ("matrix", "vector", "memory"):
        share = min(chip.efficiency[name] * factor, 0.9)
        return replace(chip, efficiency={**chip.efficiency, name: share})
    # A cache that is faster than this would never be what limits.
    found = min(getattr(chip, name) * factor, 8 * chip.bandwidth if "cache" in name else 1.0)
    return replace(chip, **{name: found})


def fit(chip: Chip, rows: list[tuple[Row, Counter[Kernel]]]) -> Chip:
    """Return the chip with the figures that make the fitted rows' errors smallest."""

    def error(given: Chip) -> float:
        return sum(
            abs(log(predicted(given, row, kernels) / row.seconds))
            for row, kernels in rows
            if row.fitted
        )

    # A kernel measured alone does not tell its start from its launch.
    several = any(not row.alone for row, _ in rows if row.fitted)
    names = ["matrix", "vector", "cache_bandwidth", *(["start"] if several else [])]
    best = error(chip)
    for factor in (1.5, 1.2, 1.07, 1.02):
        improved = True
        while improved:
            improved = False
            for name in names:
                for f in (factor, 1 / factor):
                    tried = changed(chip, name, f)
                    found = error(tried)
                    if found < best * (1 - 1e-4):
                        chip, best, improved = tried, found, True
    return chip


def table(rows: list[tuple[Row, Counter[Kernel]]], chips: dict[str, Chip]) -> Table:
    """Return what was predicted beside what was measured."""
    made = Table("chip", "model", "dtype", "predicted ms", "measured ms", "error", "source")
    sources = list(dict.fromkeys(row.source for row, _ in rows))
    for row, kernels in rows:
        seconds = predicted(chips[row.chip], row, kernels)
        made.add_row(
            row.chip, row.model + (" *" if row.fitted else ""), row.dtype, f"{1e3 * seconds:.3f}",
            f"{1e3 * row.seconds:.3f}", f"{seconds / row.seconds - 1:+.0%}",
            str(1 + sources.index(row.source)),
        )  # fmt: skip
    return made


def summary(rows: list[tuple[Row, Counter[Kernel]]], chips: dict[str, Chip]) -> Table:
    """Return the mean absolute error of each chip, of the fitted rows and of the others."""
    made = Table("chip", "fitted rows", "error", "held-out rows", "error", "within 20 %")
    for name in [*dict.fromkeys(row.chip for row, _ in rows), "all"]:
        errors: dict[bool, list[float]] = {True: [], False: []}
        for row, kernels in rows:
            if name in (row.chip, "all"):
                seconds = predicted(chips[row.chip], row, kernels)
                errors[row.fitted].append(abs(seconds / row.seconds - 1))
        shown = [f"{sum(e) / len(e):.1%}" if e else "" for e in (errors[True], errors[False])]
        close = sum(e <= 0.2 for e in errors[False])
        made.add_row(
            name, str(len(errors[True])), shown[0], str(len(errors[False])), shown[1],
            f"{close} of {len(errors[False])}",
        )  # fmt: skip
    return made


def main() -> None:
    """Print the tables, after fitting if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--fit", action="store_true", help="fit the chips' figures and print them")
    parser.add_argument("--chip", metavar="NAME", help="only the rows of one chip")
    options = parser.parse_args()
    console = Console(width=150)
    chips = dict(known_chips())
    rows = [(row, Counter(row.kernels())) for row in every_row()]
    rows = [(row, kernels) for row, kernels in rows if options.chip in (None, row.chip)]
    if options.fit:
        for name in dict.fromkeys(row.chip for row, _ in rows):
            chip = chips[name] = fit(chips[name], [r for r in rows if r[0].chip == name])
            shares = ", ".join(f"{k} = {v:.3g}" for k, v in chip.efficiency.items())
            console.print(
                f"{name}: {shares}, start = {chip.start:.3g}, "
                f"cache_bandwidth = {chip.cache_bandwidth:.3g}"
            )
    console.print(table(rows, chips))
    for number, source in enumerate(dict.fromkeys(row.source for row, _ in rows), 1):
        console.print(f"{number}: {source}", soft_wrap=True)
    console.print(summary(rows, chips))


if __name__ == "__main__":
    main()
