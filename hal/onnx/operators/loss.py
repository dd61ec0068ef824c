"""Losses of classification."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cast, narrow, squeeze, unsqueeze, widen
from hal.onnx.registry import operator


def _loss(F: Any, scores: Any, target: Any, weight: Any, reduction: str, ignored: Any) -> Any:
    """Return the negative log-likelihood of the targets, given log-probabilities on axis 1."""
    if len(target.shape) != len(scores.shape) - 1:
        raise ShapeError(f"targets {tuple(target.shape)} do not fit {tuple(scores.shape)}")
    wide, index = widen(F, scores), cast(F, target, dtypes.int64)
    counted = None
    if ignored is not None:
        counted = F.not_equal(index, ignored)
        index = F.where(counted, index, F.like(0, index))
    picked = F.take_along_axis(wide, unsqueeze(F, index, (1,)), axis=1)
    loss = F.negative(squeeze(F, picked, (1,)))
    factor = None
    if weight is not None:
        factor = F.take(widen(F, weight), index, axis=0)
    if counted is not None:
        ones = F.cast(counted, dtype=dtypes.as_dtype(wide.dtype))
        factor = ones if factor is None else F.multiply(factor, ones)
    if factor is not None:
        loss = F.where(
            F.equal(factor, F.like(0, factor)), F.like(0, loss), F.multiply(loss, factor)
        )
    if reduction == "none":
        return narrow(F, loss, scores)
    axes = tuple(range(len(loss.shape)))
    total = F.sum(loss, axis=axes, keepdims=False)
    if reduction == "sum":
        return narrow(F, total, scores)
    if reduction != "mean":
        raise ValueRangeError(f"reduction is {reduction!r}; it may be none, sum or mean")
    if factor is None:
        return narrow(F, F.mean(loss, axis=axes, keepdims=False), scores)
    return narrow(F, F.divide(total, F.sum(factor, axis=axes, keepdims=False)), scores)


@operator("NegativeLogLikelihoodLoss")
def _negative_log_likelihood(
    F: Any, scores: Any, target: Any, weight: Any = None, *, reduction: str = "mean",
    ignore_index: int | None = None,
) -> Any:  # fmt: skip
    return _loss(F, scores, target, weight, reduction, ignore_index)


@operator("SoftmaxCrossEntropyLoss")
def _softmax_cross_entropy(
    F: Any, scores: Any, target: Any, weight: Any = None, *, reduction: str = "mean",
    ignore_index: int | None = None,
) -> Any:  # fmt: skip
    log_probability = F.log_softmax(widen(F, scores), axis=1)
    loss = _loss(F, log_probability, target, weight, reduction, ignore_index)
    return narrow(F, loss, scores), narrow(F, log_probability, scores)
