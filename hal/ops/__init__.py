"""Every operator's definition: meaning, shape and dtype rule, decomposition."""

from importlib import import_module

from hal.ops.cost import cost
from hal.ops.operator import (
    REQUIRED,
    Evaluator,
    Inference,
    Operator,
    ReferenceEvaluator,
    define,
    evaluate_reference,
    operators,
)

for _family in (
    "elementwise",
    "creation",
    "movement",
    "bits",
    "reduction",
    "indexing",
    "product",
    "quantization",
    "scaled",
    "linalg",
    "fourier",
    "sorting",
    "activation",
    "normalization",
    "attention",
    "recurrent",
    "convolution",
    "pooling",
    "interpolation",
    "fused",
    "epilogue",
):
    import_module(f"hal.ops.{_family}")

__all__ = [
    "REQUIRED",
    "Evaluator",
    "Inference",
    "Operator",
    "ReferenceEvaluator",
    "cost",
    "define",
    "evaluate_reference",
    "operators",
]
