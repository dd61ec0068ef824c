"""Linear models and support vector machines."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from hal.dtypes import float32, int64
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cast, cut, transpose, unsqueeze
from hal.onnx.operators.text import texts
from hal.onnx.registry import operator
from hal.onnx.values import to_host

__all__ = ["chosen", "post_transformed", "two_classes"]

DOMAIN = "ai.onnx.ml"


def _probit(F: Any, x: Any) -> Any:
    """Return the inverse of the normal distribution, by Winitzki's approximation (2008)."""
    y = F.subtract(F.multiply(x, 2.0), 1.0)
    log = F.log(F.subtract(F.like(1, y), F.multiply(y, y)))
    first = F.add(F.multiply(log, 0.5), 2 / (math.pi * 0.147))
    root = F.sqrt(F.subtract(F.multiply(first, first), F.multiply(log, 1 / 0.147)))
    found = F.copysign(F.sqrt(F.subtract(root, first)), y)
    return F.multiply(found, math.sqrt(2))


def post_transformed(F: Any, scores: Any, transform: str) -> Any:
    """Return scores on the last axis as the attribute post_transform says."""
    axis = len(scores.shape) - 1
    if transform == "NONE":
        return scores
    if transform == "LOGISTIC":
        return F.sigmoid(scores)
    if transform == "SOFTMAX":
        return F.softmax(scores, axis=axis)
    if transform == "SOFTMAX_ZERO":
        # Scores that are zero stay so, and take no part.
        zero = F.equal(scores, 0.0)
        hidden = F.where(zero, F.like(-math.inf, scores), scores)
        all_zero = F.all(zero, axis=(axis,), keepdims=True)
        found = F.softmax(F.where(all_zero, F.like(0, scores), hidden), axis=axis)
        return F.where(zero, F.like(0, scores), found)
    if transform == "PROBIT":
        return _probit(F, scores)
    raise ValueRangeError(f"post_transform is {transform!r}")


def two_classes(F: Any, score: Any, transform: str, complement: bool) -> Any:
    """Return both classes' scores from the second's alone, on an axis of size 1."""
    if transform == "LOGISTIC":
        return F.sigmoid(F.concat(F.negative(score), score, axis=1))
    if transform == "PROBIT":
        return _probit(F, score)
    other = F.subtract(F.like(1, score), score) if complement else F.negative(score)
    both = F.concat(other, score, axis=1)
    return post_transformed(F, both, transform if transform.startswith("SOFTMAX") else "NONE")


def chosen(F: Any, index: Any, words: Any, numbers: Any) -> Any:
    """Return the labels of class indices: strings on the host, integers where the indices are."""
    if words:
        places = to_host(index)
        return texts([words[i] for i in places.tolist()], places.shape)
    return F.take(F.place(np.array(numbers, np.int64)), index, axis=0)


def _rows(F: Any, x: Any) -> Any:
    x = cast(F, x, float32)
    return unsqueeze(F, x, (0,)) if len(x.shape) == 1 else x


def _columns(F: Any, given: Any, features: int, name: str) -> Any:
    """Return coefficients as a matrix of a column for each target."""
    if features < 1 or len(given) % features or not given:
        raise ShapeError(f"{len(given)} {name} do not fit {features} features")
    matrix = np.array(given, np.float32).reshape(-1, features)
    return F.place(np.ascontiguousarray(matrix.T))


@operator("LinearRegressor", domain=DOMAIN)
def _linear_regressor(
    F: Any,
    x: Any,
    *,
    coefficients: Any = (),
    intercepts: Any = (),
    post_transform: str = "NONE",
    targets: int = 1,
) -> Any:
    x = _rows(F, x)
    scores = F.matmul(x, _columns(F, coefficients, x.shape[1], "coefficients"))
    if intercepts:
        scores = F.add(scores, F.place(np.array(intercepts, np.float32)))
    return post_transformed(F, scores, post_transform)


@operator("LinearClassifier", domain=DOMAIN)
def _linear_classifier(
    F: Any,
    x: Any,
    *,
    coefficients: Any,
    intercepts: Any = (),
    classlabels_ints: Any = (),
    classlabels_strings: Any = (),
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> Any:
    x = _rows(F, x)
    scores = F.matmul(x, _columns(F, coefficients, x.shape[1], "coefficients"))
    if intercepts:
        scores = F.add(scores, F.place(np.array(intercepts, np.float32)))
    count = len(classlabels_strings or classlabels_ints)
    if scores.shape[1] == 1 and count == 2:
        index = F.cast(F.greater(F.reshape(scores, shape=(-1,)), 0.0), dtype=int64)
        found = two_classes(F, scores, post_transform, complement=False)
    else:
        index = F.argmax(scores, axis=1, keepdims=False)
        found = post_transformed(F, scores, post_transform)
    return chosen(F, index, classlabels_strings, classlabels_ints), found


# Support vector machines

Kernel = Callable[[Any, Any], Any]


def _kernel(F: Any, kind: str, params: Any) -> Kernel:
    gamma, coef0, degree = (*params, 0.0, 0.0, 0.0)[:3] if params else (0.0, 0.0, 0.0)

    def products(x: Any, y: Any) -> Any:
        return F.matmul(x, transpose(F, y, (1, 0)))

    def rbf(x: Any, y: Any) -> Any:
        away = F.subtract(unsqueeze(F, x, (1,)), unsqueeze(F, y, (0,)))
        return F.exp(F.multiply(F.sum(F.multiply(away, away), axis=(2,)), -gamma))

    kernels: dict[str, Kernel] = {
        "LINEAR": products,
        "POLY": lambda x, y: F.power(F.add(F.multiply(products(x, y), gamma), coef0), degree),
        "RBF": rbf,
        "SIGMOID": lambda x, y: F.tanh(F.add(F.multiply(products(x, y), gamma), coef0)),
    }
    if kind not in kernels:
        raise ValueRangeError(f"kernel_type is {kind!r}; it may be {', '.join(kernels)}")
    return kernels[kind]


@operator("SVMRegressor", domain=DOMAIN)
def _svm_regressor(
    F: Any,
    x: Any,
    *,
    coefficients: Any = (),
    kernel_params: Any = (),
    kernel_type: str = "LINEAR",
    n_supports: int = 0,
    one_class: int = 0,
    post_transform: str = "NONE",
    rho: Any = (0.0,),
    support_vectors: Any = (),
) -> Any:
    x = _rows(F, x)
    kernel = _kernel(F, kernel_type, kernel_params)
    if n_supports:
        vectors = transpose(F, _columns(F, support_vectors, x.shape[1], "support vectors"), (1, 0))
        weights = F.place(np.array(coefficients, np.float32).reshape(-1, 1))
        scores = F.matmul(kernel(x, vectors), weights)
    else:
        scores = kernel(
            x, transpose(F, _columns(F, coefficients, x.shape[1], "coefficients"), (1, 0))
        )
    scores = F.add(scores, float(rho[0]))
    if one_class:
        scores = F.where(F.greater(scores, 0.0), F.like(1, scores), F.like(-1, scores))
    return post_transformed(F, scores, post_transform)


@operator("SVMClassifier", domain=DOMAIN)
def _svm_classifier(
    F: Any,
    x: Any,
    *,
    classlabels_ints: Any = (),
    classlabels_strings: Any = (),
    coefficients: Any = (),
    kernel_params: Any = (),
    kernel_type: str = "LINEAR",
    post_transform: str = "NONE",
    prob_a: Any = (),
    prob_b: Any = (),
    rho: Any = (),
    support_vectors: Any = (),
    vectors_per_class: Any = (),
) -> Any:
    x = _rows(F, x)
    count = len(classlabels_strings or classlabels_ints)
    kernel = _kernel(F, kernel_type, kernel_params)
    if not vectors_per_class:
        matrix = transpose(F, _columns(F, coefficients, x.shape[1], "coefficients"), (1, 0))
        scores = F.add(kernel(x, matrix), F.place(np.array(rho[:1] or (0.0,), np.float32)))
        index = F.argmax(scores, axis=1, keepdims=False)
        found = post_transformed(F, scores, post_transform)
        return chosen(F, index, classlabels_strings, classlabels_ints), found
    pairs, votes = _pairwise(F, x, kernel, coefficients, rho, support_vectors, vectors_per_class)
    if prob_a:
        found = _probabilities(F, pairs, prob_a, prob_b, count)
        index = F.argmax(found, axis=1, keepdims=False)
        return (
            chosen(F, index, classlabels_strings, classlabels_ints),
            post_transformed(F, found, post_transform),
        )
    index = F.argmax(votes, axis=1, keepdims=False)
    if count == 2 and len(rho) == 1:
        found = two_classes(F, F.negative(pairs), post_transform, complement=False)
    else:
        found = post_transformed(F, pairs, post_transform)
    return chosen(F, index, classlabels_strings, classlabels_ints), found


def _pairwise(
    F: Any, x: Any, kernel: Kernel, coefficients: Any, rho: Any, support: Any, per_class: Any
) -> tuple[Any, Any]:
    """Return the decision for each pair of classes, and the votes for each class."""
    vectors = transpose(F, _columns(F, support, x.shape[1], "support vectors"), (1, 0))
    total, count = sum(per_class), len(per_class)
    if vectors.shape[0] != total or len(coefficients) != total * (count - 1):
        raise ShapeError(
            f"{vectors.shape[0]} support vectors and {len(coefficients)} coefficients do not fit "
            f"classes of {tuple(per_class)}"
        )
    if len(rho) != count * (count - 1) // 2:
        raise ShapeError(f"{len(rho)} values of rho do not fit {count} classes")
    near = kernel(x, vectors)
    weights = np.array(coefficients, np.float32).reshape(count - 1, total)
    starts = np.cumsum([0, *per_class])
    columns, first, second = [], [], []
    for i in range(count):
        for j in range(i + 1, count):
            column = np.zeros(total, np.float32)
            one, other = slice(starts[i], starts[i + 1]), slice(starts[j], starts[j + 1])
            column[one], column[other] = weights[j - 1, one], weights[i, other]
            columns.append(column)
            first.append(i)
            second.append(j)
    pairs = F.add(F.matmul(near, F.place(np.stack(columns, 1))), F.place(np.array(rho, np.float32)))
    wins = F.cast(F.greater(pairs, 0.0), dtype=float32)
    eye = np.eye(count, dtype=np.float32)
    votes = F.add(
        F.matmul(wins, F.place(eye[first])),
        F.matmul(F.subtract(F.like(1, wins), wins), F.place(eye[second])),
    )
    return pairs, votes


def _probabilities(F: Any, pairs: Any, prob_a: Any, prob_b: Any, count: int) -> Any:
    """Couple the pairs' probabilities (Wu, Lin and Weng, 2004), by their fixed-point iteration."""
    a, b = (F.place(np.array(p, np.float32)) for p in (prob_a, prob_b))
    win = F.sigmoid(F.negative(F.add(F.multiply(pairs, a), b)))
    win = F.minimum(F.maximum(win, 1e-7), 1 - 1e-7)
    if count == 2:
        return F.concat(win, F.subtract(F.like(1, win), win), axis=1)
    F.run.count_turns(F.step, count**3)
    rows = pairs.shape[0]
    one = F.like(1, win)
    parts: list[list[Any]] = [[None] * count for _ in range(count)]
    position = 0
    for i in range(count):
        for j in range(i + 1, count):
            parts[i][j] = cut(F, win, {1: (position, position + 1)})
            parts[j][i] = F.subtract(one, parts[i][j])
            position += 1
    zero = F.full(F.like(0, win), shape=(rows, 1))
    q: list[list[Any]] = [[zero] * count for _ in range(count)]
    for i in range(count):
        for j in range(count):
            if i != j:
                q[i][i] = F.add(q[i][i], F.multiply(parts[j][i], parts[j][i]))
                q[i][j] = F.negative(F.multiply(parts[j][i], parts[i][j]))
    p = [F.full(F.like(1 / count, win), shape=(rows, 1)) for _ in range(count)]
    for _ in range(100):
        for t in range(count):
            qp = [_sum(F, [F.multiply(q[i][j], p[j]) for j in range(count)]) for i in range(count)]
            pqp = _sum(F, [F.multiply(p[i], qp[i]) for i in range(count)])
            change = F.divide(F.subtract(pqp, qp[t]), q[t][t])
            scale = F.add(change, 1.0)
            p = [F.divide(F.add(v, change) if i == t else v, scale) for i, v in enumerate(p)]
    return F.concat(*p, axis=1)


def _sum(F: Any, values: list[Any]) -> Any:
    total = values[0]
    for value in values[1:]:
        total = F.add(total, value)
    return total
