"""Feeds damaged ONNX models to hal and demands a result or an error of hal's.

    python tools/fuzz_onnx.py --count 200000

Case N of seed S is the same model on every machine: a small model, one of SEEDS or of ONNX's
published tests, changed a few times, bit by bit or field by field. Worker processes have a limit of
memory and each case one of time, so that a crash, a hang, too much memory and any error that is not
hal's are found, counted and named; ``--only N`` runs one case again and shows its error.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import time
import traceback
import warnings
from collections import Counter

import numpy as np
import onnx
from onnx import parser

import hal
import hal.onnx

LIMITS = hal.onnx.Limits(
    model_bytes=2**20, value_bytes=2**24, total_bytes=2**26, nodes=2000, iterations=1000
)
MEMORY = 6 * 2**30
SECONDS = 60.0

HEAD = (
    '<ir_version: 10, opset_import: ["" : 22, "ai.onnx.ml" : 3, "com.microsoft" : 1, "own" : 1]>\n'
)
SEEDS = (
    """mlp (float[n, 4] x) => (float[n, 2] y) <float[4, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3},
    float[3] b = {1, 2, 3}> { h = Gemm(x, w, b) r = Relu(h) z = Softmax(r)
    s = Constant<value_ints = [0]>() e = Constant<value_ints = [2]>()
    a = Constant<value_ints = [1]>()
    y = Slice(z, s, e, a) }""",
    """cnn (float[1, 2, 6, 6] x) => (float[p, q] y) <float[3, 2, 3, 3] w = {ONES54}>
    { c = Conv<pads = [1, 1, 1, 1], strides = [2, 2]>(x, w)
    m, i = MaxPool<kernel_shape = [2, 2], ceil_mode = 1>(c)
    a = AveragePool<kernel_shape = [2, 2]>(m)
    r = Resize<mode = "linear">(a, , scales) f = Flatten(r) y = Neg(f)
    scales = Constant<value_floats = [1.0, 1.0, 2.0, 2.0]>() }""",
    """shapes (float[a, b] x) => (float[m] y) { s = Shape(x) p = ReduceProd<keepdims = 1>(s)
    r = Reshape(x, p) o = ConstantOfShape(p) t = Tile(o, two) two = Constant<value_ints = [2]>()
    k = Pad(r, pads) pads = Constant<value_ints = [1, 1]>() c = Concat<axis = 0>(k, t)
    y = Expand(c, one) one = Constant<value_ints = [1]>() }""",
    """control (int64 n, float[2] x) => (float[2] y, float[k, 2] z)
    { go = Constant<value = bool {1}>()
    w, z = Loop(n, go, x) <body = turn (int64 i, bool c, float[2] s)
    => (bool d, float[2] t, float[2] u)
    { d = Identity(c) t = Add(s, s) u = Neg(t) }>
    y = If (go) <then_branch = a () => (float[2] p) { p = Add(w, x) },
                 else_branch = b () => (float[2] q) { q = Neg(w) }> }""",
    """index (float[3, 4] x, int64[2] i) => (float[2, 4] y, float[3, 4] z, int64[3] t)
    { g = Gather(x, i) v, t = TopK<axis = 0>(x, k) k = Constant<value_ints = [3]>()
    u = Unsqueeze(i, one) one = Constant<value_ints = [1]>() z = ScatterND(x, u, g) y = Abs(g) }""",
    """text (string[n] s) => (string[n, m] y, int64[n] c, float[k] f) { l = StringNormalizer
    <case_change_action = "LOWER", stopwords = ["a"]>(s) y, c = StringSplit<delimiter = " ">(l)
    f = TfIdfVectorizer<max_gram_length = 2, max_skip_count = 1, min_gram_length = 1, mode = "TF",
    ngram_counts = [0, 2], ngram_indexes = [0, 1, 2], pool_strings = ["a", "b", "a", "b"]>(l) }""",
    """quantised (float[4, 8] x) => (float[4, 8] y) { s = Constant<value = float {0.5}>()
    z = Constant<value = int8 {1}>() q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z)
    u, us, uz = DynamicQuantizeLinear(d) m = MatMulInteger(u, q2, uz) t = Transpose(u)
    q2 = Identity(t) y = Identity(d) }""",
    """recurrent (float[5, 1, 3] x) => (float[5, 1, 1, 2] y, float[1, 1, 2] h)
    <float[1, 8, 3] w = {ONES24}, float[1, 8, 2] r = {ONES16}>
    { y, h = LSTM<hidden_size = 2>(x, w, r) }""",
    """einsum (float[2, 3, 4] x, float[2, 4, 3] w) => (float[2, 3, 3] y, float[2, 3, 4] z)
    { y = Einsum<equation = "bij,bjk->bik">(x, w)
    c = CumSum(x, a) a = Constant<value = int64 {1}>()
    z = LayerNormalization(c, s) s = Constant<value_floats = [1.0, 1.0, 1.0, 1.0]>() }""",
    """trees (float[n, 2] x) => (int64[n] y, float[n, 2] z) { y, z =
    ai.onnx.ml.TreeEnsembleClassifier<nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2],
    nodes_featureids = [1, 0, 0],
    nodes_values = [0.5, 0.0, 0.0], nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"],
    nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0], class_treeids = [0, 0],
    class_nodeids = [1, 2], class_ids = [0, 1], class_weights = [1.0, 1.0],
    classlabels_int64s = [0, 1]>(x) }""",
    """called (float[2] x) => (float[2] y) { h = own.f<by = 2.0>(x) y = own.f<by = 3.0>(h) }
    <domain: "own", opset_import: ["" : 22]> f <by> (x) => (y)
    { c = Constant<value_float: float = @by>() y = Mul(x, c) }""",
    """boxes (float[1, 4, 4] b, float[1, 1, 4] s, float[1, 1, 4, 4] x, float[1, 2, 2, 2] g) =>
    (int64[k, 3] y, float[1, 1, 2, 2] z) { y = NonMaxSuppression(b, s, m)
    m = Constant<value_ints = [2]>()
    z = GridSample(x, g) }""",
)  # fmt: skip


def sorted_nodes(text: str) -> onnx.ModelProto:
    """Return a model of SEEDS, its constants moved to the front, where its nodes need them."""
    for count in (54, 24, 16):
        text = text.replace(f"ONES{count}", ", ".join(["0.1"] * count))
    model = parser.parse_model(HEAD + text)
    nodes = sorted(model.graph.node, key=lambda n: n.op_type != "Constant")
    done = {i.name for i in model.graph.input} | {i.name for i in model.graph.initializer}
    ordered: list[onnx.NodeProto] = []
    while nodes:
        ready = next(n for n in nodes if all(not i or i in done for i in n.input))
        nodes.remove(ready)
        done.update(ready.output)
        ordered.append(ready)
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    return model


_models: list[bytes] = []


def models() -> list[bytes]:
    """Return the models that are changed: those of SEEDS and those of ONNX's published tests."""
    if not _models:
        from onnx.backend.test.loader import load_model_tests

        _models.extend(sorted_nodes(text).SerializeToString() for text in SEEDS)
        with warnings.catch_warnings():
            # The suite's own calculation of what it expects overflows here and there.
            warnings.simplefilter("ignore")
            cases = sorted(load_model_tests(kind="node"), key=lambda c: c.name)
        _models.extend(c.model.SerializeToString() for c in cases if "_expanded" not in c.name)
    return _models


# Changes

NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    5,
    7,
    64,
    255,
    2**16,
    2**31 - 1,
    2**31,
    -(2**31),
    2**62,
    2**63 - 1,
    -(2**63),
)
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-30, 1e30, float("inf"), float("-inf"), float("nan"), 2.5)


def changed_bytes(source: random.Random, data: bytes) -> bytes:
    """Return bytes with a few flipped, cut off, inserted or repeated."""
    found = bytearray(data)
    for _ in range(source.choice((1, 1, 2, 4, 8))):
        if not found:
            break
        at, kind = source.randrange(len(found)), source.randrange(5)
        if kind == 0:
            found[at] ^= 1 << source.randrange(8)
        elif kind == 1:
            found[at] = source.randrange(256)
        elif kind == 2:
            del found[at:]
        elif kind == 3:
            found[at:at] = source.randbytes(source.randrange(1, 9))
        else:
            found[at:at] = found[at : at + source.randrange(1, 17)]
    return bytes(found)


def _messages(message: object) -> list[object]:
    """Return a message and all messages inside of it."""
    found = [message]
    for field, value in message.ListFields():  # type: ignore[attr-defined]
        if field.message_type is not None:
            inner = value if hasattr(value, "append") or hasattr(value, "add") else [value]
            for one in inner:
                found += _messages(one)
    return found


def changed_fields(source: random.Random, model: onnx.ModelProto) -> None:
    """Change one field of one message somewhere in a model."""
    every = _messages(model)
    # What lies in nodes and weights says more than what describes the model.
    inner = [m for m in every if type(m).__name__ in ("AttributeProto", "NodeProto", "TensorProto")]
    message = source.choice(inner if inner and source.random() < 0.7 else every)
    fields = message.ListFields()  # type: ignore[attr-defined]
    if not fields:
        return
    field, value = source.choice(fields)
    name = field.name
    if hasattr(value, "append") or hasattr(value, "add"):
        at = source.randrange(len(value)) if len(value) else 0
        kind = source.randrange(3)
        if kind == 0 and len(value):
            del value[at]
        elif kind == 1 and len(value):
            value.append(value[at])
        elif len(value) and field.message_type is None:
            value[at] = other(source, field, value[at], every)
        return
    if field.message_type is not None:
        message.ClearField(name)  # type: ignore[attr-defined]
        return
    setattr(message, name, other(source, field, value, every))


def other(source: random.Random, field: object, value: object, every: list[object]) -> object:
    """Return another value of a field's type."""
    if isinstance(value, bool | int):
        low, high = (-(2**31), 2**31 - 1) if field.cpp_type in (1, 8) else (-(2**63), 2**63 - 1)  # type: ignore[attr-defined]
        if field.cpp_type in (3, 4):  # type: ignore[attr-defined]
            low, high = 0, 2**32 - 1
        near = value + source.choice((-1, 1)) if source.random() < 0.4 else source.choice(NUMBERS)
        return min(max(near, low), high)
    if isinstance(value, float):
        return source.choice(FLOATS)
    words = [v for m in every for f, v in m.ListFields() if isinstance(v, type(value))]  # type: ignore[attr-defined]
    words += (
        ["", "x", "Add", "BRANCH_GT", "mean", "...ij->"]
        if isinstance(value, str)
        else [b"", b"\xff"]
    )
    return source.choice(words)


def case(seed: int, number: int) -> bytes:
    """Return the bytes of a case: the same for the same seed and number."""
    source = random.Random(f"{seed}:{number}")
    every = models()
    own = source.random() < 0.3
    data = every[source.randrange(len(SEEDS) if own else len(every))]
    if source.random() < 0.3:
        return changed_bytes(source, data)
    model = onnx.ModelProto.FromString(data)
    for _ in range(source.choice((1, 1, 2, 3, 6))):
        try:
            changed_fields(source, model)
        except (TypeError, ValueError):
            continue
    return model.SerializeToString()


def values(source: np.random.Generator, wanted: hal.onnx.ValueType) -> object:
    """Return values of a type, of at most a few thousand elements."""
    if wanted.kind != "tensor":
        return None
    shape = [n if isinstance(n, int) and n < 32 else 3 for n in wanted.shape or ()][:6]
    if wanted.text:
        return source.choice(np.array(["a b", "b", ""], object), shape)
    dtype = wanted.dtype or hal.float32
    if dtype.kind == "float":
        return source.standard_normal(shape).astype(dtype.numpy)
    return source.integers(0, 2, shape).astype(dtype.numpy)


def attempt(data: bytes) -> str:
    """Load and run a case; return how it ended. Errors that are not hal's come through.

    What the onnx package's checker refuses is loaded without it too: hal alone must withstand it.
    """
    outcome = "ran"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            session = hal.onnx.load(data, "cpu:0", limits=LIMITS)
        except hal.HalError:
            outcome = "refused by the checker, ran without"
            try:
                session = hal.onnx.load(data, "cpu:0", limits=LIMITS, check=False)
            except hal.HalError:
                return "refused when loaded"
        source = np.random.default_rng(0)
        try:
            session.run({i.name: values(source, i) for i in session.inputs})
        except hal.HalError:
            return "refused when run"
    return outcome


# Workers


def work(seed: int, numbers: range, results: object, current: object) -> None:
    """Run cases and report each; the parent watches ``current`` for one that does not end."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in numbers:
        current.value = number  # type: ignore[attr-defined]
        try:
            outcome = attempt(case(seed, number))
        except BaseException as error:
            outcome = f"FAILED {number}: {type(error).__name__}: {error}"[:300]
        results.put(outcome)  # type: ignore[attr-defined]
    results.put(None)  # type: ignore[attr-defined]


def supervised(seed: int, count: int, workers: int, report: object) -> list[str]:
    """Run cases in processes that may crash or hang; return the failures."""
    models()  # before the workers are forked, so that no case is charged with it
    context = multiprocessing.get_context("fork")
    failures: list[str] = []
    todo = [range(w, count, workers) for w in range(workers)]
    jobs = []

    def start(numbers: range) -> dict[str, object]:
        results, current = context.SimpleQueue(), context.Value("q", -1)
        process = context.Process(target=work, args=(seed, numbers, results, current), daemon=True)
        process.start()
        return {"process": process, "results": results, "current": current, "numbers": numbers,
                "since": time.monotonic(), "last": -1}  # fmt: skip

    jobs = [start(numbers) for numbers in todo if len(numbers)]
    while jobs:
        for job in list(jobs):
            ended = _collected(job, failures, report)
            number = job["current"].value
            if number != job["last"]:
                job["last"], job["since"] = number, time.monotonic()
            hung = time.monotonic() - job["since"] > SECONDS
            dead = not job["process"].is_alive() and not ended
            if dead:
                ended = _collected(job, failures, report)
                dead = not ended
            if ended or hung or dead:
                jobs.remove(job)
                if not ended:
                    job["process"].kill()
                    job["process"].join()
                    what = "did not end" if hung else f"died with {job['process'].exitcode}"
                    failures.append(f"FAILED {number}: the process {what}")
                    report("hung or crashed")  # type: ignore[operator]
                    rest = range(number + job["numbers"].step, count, job["numbers"].step)
                    if len(rest):
                        jobs.append(start(rest))
        time.sleep(0.05)
    return failures


def _collected(job: dict, failures: list[str], report: object) -> bool:
    """Take what a worker has reported; return whether it is done."""
    while True:
        if job["results"].empty():
            return False
        outcome = job["results"].get()
        if outcome is None:
            return True
        if outcome.startswith("FAILED"):
            failures.append(outcome)
            outcome = "failed"
        report(outcome)  # type: ignore[operator]


def main() -> int:
    """Run the cases asked for and print what became of them."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--workers", type=int, default=2)
    options.add_argument("--only", type=int, help="run this case alone, in this process")
    arguments = options.parse_args()
    if arguments.only is not None:
        try:
            print(attempt(case(arguments.seed, arguments.only)))
        except Exception:
            traceback.print_exc()
            return 1
        return 0
    outcomes: Counter[str] = Counter()
    start = time.monotonic()

    def report(outcome: str) -> None:
        outcomes[outcome] += 1
        done = sum(outcomes.values())
        if done % 5000 == 0:
            print(f"{done} cases, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)

    failures = supervised(arguments.seed, arguments.count, arguments.workers, report)
    for outcome, count in outcomes.most_common():
        print(f"{count:>8}  {outcome}")
    print(f"{sum(outcomes.values())} cases in {time.monotonic() - start:.0f} s")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
