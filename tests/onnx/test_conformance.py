"""The tests that ONNX publishes for backends, on the CPU."""

import re
import unittest
import warnings

import pytest

pytest.importorskip("onnx", reason="the onnx package is not installed")

from hal.onnx.backend import HalBackend

RANDOM = "compares random numbers that were drawn without a seed; the suite calls it informational"
EXCLUDED = {
    r"^test_(bvlc_alexnet|densenet121|inception_v[12]|resnet50|shufflenet|squeezenet|vgg19|zfnet512)_":
        "needs a download",
    r"^test_bernoulli": RANDOM,
    # hal, like ONNX Runtime, is one unit in the last place away, on the side of the true value:
    # tests/onnx/test_precision.py shows it.
    r"^test_attention_4d_causal_fp16_expanded_": "expects the rounding of NumPy's half precision",
    # tests/onnx/test_control.py compares it.
    r"^test_loop16_seq_none_": "the suite takes len() of an expected tensor without axes",
}  # fmt: skip


def published():
    """Return the suite's test classes, for the CPU alone, exclusions with their reasons."""
    with warnings.catch_warnings():
        # The suite's own calculation of what it expects overflows here and there.
        warnings.simplefilter("ignore")
        from onnx.backend.test import BackendTest

        cases = BackendTest(HalBackend, __name__).test_cases
    for case in cases.values():
        for name in [n for n in vars(case) if n.startswith("test_")]:
            if not name.endswith("_cpu"):
                delattr(case, name)
                continue
            for pattern, reason in EXCLUDED.items():
                if re.search(pattern, name):
                    setattr(case, name, unittest.skip(reason)(getattr(case, name)))
    return cases


globals().update(published())
