"""Counts which of the published tests of ONNX hal and ONNX Runtime pass, in this environment.

    python tools/onnx_conformance.py            # a table of both
    python tools/onnx_conformance.py --failures # and the names of the tests that fail

Tests that need a download are left out. A test passes when the suite's own comparison does.
"""

from __future__ import annotations

import argparse
import os
import sys
import unittest
import warnings
from collections import defaultdict

KINDS = {
    "OnnxBackendNodeModelTest": "node",
    "OnnxBackendSimpleModelTest": "simple",
    "OnnxBackendPyTorchOperatorModelTest": "pytorch-operator",
    "OnnxBackendPyTorchConvertedModelTest": "pytorch-converted",
}


def backends() -> dict[str, object]:
    """Return hal and, where it is installed, ONNX Runtime on its CPU provider."""
    from hal.onnx.backend import HalBackend

    found: dict[str, object] = {"hal": HalBackend}
    # Without this, ONNX Runtime's adapter refuses opsets it was not released for.
    os.environ["ALLOW_RELEASED_ONNX_OPSET_ONLY"] = "0"
    try:
        import onnxruntime
        from onnxruntime.backend.backend import OnnxRuntimeBackend
    except ImportError:
        return found
    onnxruntime.set_default_logger_severity(4)
    found["ONNX Runtime"] = OnnxRuntimeBackend
    return found


def outcomes(backend: object) -> dict[str, dict[str, str]]:
    """Return, by kind and name, "" for a test that passes, else why it does not."""
    from onnx.backend.test import BackendTest

    found: dict[str, dict[str, str]] = defaultdict(dict)
    for name, case in BackendTest(backend, __name__).test_cases.items():
        if name not in KINDS:
            continue
        for test in sorted(n for n in vars(case) if n.endswith("_cpu")):
            result = unittest.TestResult()
            case(test).run(result)
            wrong = [*result.errors, *result.failures]
            text = wrong[0][1].strip().splitlines()[-1] if wrong else ""
            skipped = result.skipped[0][1] if result.skipped else ""
            found[KINDS[name]][test] = text or skipped
    return found


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--failures", action="store_true")
    arguments = options.parse_args()
    warnings.simplefilter("ignore")
    found = {name: outcomes(backend) for name, backend in backends().items()}
    print("| tests |", " | ".join(found), "| of |")
    print("|---|" + "---:|" * (len(found) + 1))
    sums = defaultdict(int)
    for kind in KINDS.values():
        passed = {name: sum(not t for t in kinds[kind].values()) for name, kinds in found.items()}
        every = len(found["hal"][kind])
        print(f"| {kind} |", " | ".join(str(p) for p in passed.values()), f"| {every} |")
        for name, count in (*passed.items(), ("of", every)):
            sums[name] += count
    print("| all |", " | ".join(f"{sums[n]}" for n in (*found, "of")), "|")
    if arguments.failures:
        for name, kinds in found.items():
            for tests in kinds.values():
                for test, text in tests.items():
                    if text:
                        print(f"{name}: {test}: {text[:160]}", file=sys.stderr)


if __name__ == "__main__":
    main()
