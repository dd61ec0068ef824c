"""Ensembles of decision trees: all rows and trees go down together, one step at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hal import dtypes
from hal.errors import ModelError, ValueRangeError
from hal.onnx.operators.common import cast, unsqueeze
from hal.onnx.operators.ml_linear import chosen, post_transformed, two_classes
from hal.onnx.registry import operator
from hal.onnx.trees import Forest, forest_from_nodes, forest_from_tables
from hal.onnx.values import dtype_of

DOMAIN = "ai.onnx.ml"
_COMPARE = ("less_equal", "less", "greater_equal", "greater", "equal", "not_equal")
_TRANSFORMS = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")


def _reached(F: Any, x: Any, forest: Forest) -> Any:
    """Return the leaf that each row reaches in each tree: (rows, trees)."""
    features = int(forest.features.max(initial=0))
    if features >= x.shape[1] or forest.features.min(initial=0) < 0:
        raise ModelError(f"a tree looks at feature {features}; the input has {x.shape[1]}")
    rows, trees = x.shape[0], len(forest.roots)
    F.check((rows, trees, 4), dtypes.int64)
    place, splits = F.place, cast(F, F.place(forest.splits), dtype_of(x))
    column, yes, no = place(forest.features), place(forest.yes), place(forest.no)
    modes, missing = place(forest.modes), place(forest.missing)
    kinds = sorted(set(forest.modes.tolist()))
    sets, numbers = _sets(F, x, forest)
    now = F.copy(F.broadcast_to(place(forest.roots), shape=(rows, trees)))
    for _ in range(forest.depth):
        value = F.take_along_axis(x, F.take(column, now, axis=0), axis=1)
        split = F.take(splits, now, axis=0)
        kind = F.take(modes, now, axis=0) if len(kinds) > 1 else None
        go = None
        for code in kinds:
            if code < 6:
                found = getattr(F, _COMPARE[code])(value, split)
            else:
                members = F.take(sets, F.take(numbers, now, axis=0), axis=0)
                found = F.any(F.equal(members, unsqueeze(F, value, (2,))), axis=(2,))
            go = found if go is None else F.where(F.equal(kind, code), found, go)
        if forest.missing.any():
            go = F.logical_or(go, F.logical_and(F.isnan(value), F.take(missing, now, axis=0)))
        now = F.where(go, F.take(yes, now, axis=0), F.take(no, now, axis=0))
    return now


def _sets(F: Any, x: Any, forest: Forest) -> tuple[Any, Any]:
    """Return the members of each set in a row, filled with NaN, and each node's row."""
    if not forest.members:
        return None, None
    width = max(1, *(len(m) for m in forest.members))
    table = np.full((len(forest.members), width), np.nan)
    for row, members in enumerate(forest.members):
        table[row, : len(members)] = members
    numbers = np.zeros(len(forest.modes), np.int64)
    numbers[forest.modes == 6] = np.arange(len(forest.members))
    return cast(F, F.place(table), dtype_of(x)), F.place(numbers)


def _aggregated(
    F: Any, x: Any, forest: Forest, weights: Any, given: Any, aggregate: str, base: Any
) -> Any:
    """Return, for each row and target, the leaves' weights together.

    ``weights`` is (rows of weights, targets); ``given`` says which of them the model names.
    """
    if aggregate not in _AGGREGATES:
        raise ValueRangeError(f"aggregate_function is {aggregate!r}")
    F.check((x.shape[0], len(forest.roots), weights.shape[1]), dtype_of(x))
    leaf = F.take(F.place(forest.rows), _reached(F, x, forest), axis=0)
    if aggregate in ("MIN", "MAX"):
        lost = math.inf if aggregate == "MIN" else -math.inf
        table = F.place(np.where(given, weights, lost).astype(weights.dtype))
        found = F.take(cast(F, table, dtype_of(x)), leaf, axis=0)
        total = (F.min if aggregate == "MIN" else F.max)(found, axis=(1,), keepdims=False)
        total = F.where(F.isinf(total), F.like(0, total), total)
    else:
        found = F.take(cast(F, F.place(weights), dtype_of(x)), leaf, axis=0)
        total = F.sum(found, axis=(1,), keepdims=False)
        if aggregate == "AVERAGE":
            total = F.divide(total, float(len(forest.roots)))
    if base is not None and len(base):
        if len(base) != weights.shape[1]:
            raise ModelError(f"{len(base)} base_values do not fit {weights.shape[1]} targets")
        total = F.add(total, cast(F, F.place(np.asarray(base)), dtype_of(x)))
    return total


def _numbers(given: dict[str, Any], key: str) -> Any:
    tensor = given.get(f"{key}_as_tensor")
    return np.array(given.get(key, ()), np.float32) if tensor is None else tensor.reshape(-1)


def _table(
    given: dict[str, Any], prefix: str, forest: Forest, count: int, weights: Any
) -> tuple[Any, Any]:
    """Return the weight of each node for each target, and whether the model gives it."""
    names = list(zip(given["nodes_treeids"], given["nodes_nodeids"], strict=False))
    number = {name: n for n, name in enumerate(names)}
    table = np.zeros((len(forest.modes), count), weights.dtype)
    known = np.zeros(table.shape, bool)
    entries = [given[f"{prefix}_{k}"] for k in ("treeids", "nodeids", "ids")]
    if any(len(e) != len(weights) for e in entries):
        raise ModelError(f"the ensemble has {len(weights)} {prefix}_weights, other lists differ")
    for tree, node, target, weight in zip(*entries, weights, strict=True):
        if (tree, node) not in number or not 0 <= target < count:
            raise ModelError(f"a weight is for node {node} of tree {tree}, target {target}: none")
        table[number[tree, node], target] += weight
        known[number[tree, node], target] = True
    return table, known


def _input(F: Any, x: Any) -> Any:
    x = x if dtype_of(x) is dtypes.float64 else cast(F, x, dtypes.float32)
    return unsqueeze(F, x, (0,)) if len(x.shape) == 1 else x


@operator("TreeEnsembleRegressor", domain=DOMAIN)
def _tree_ensemble_regressor(F: Any, x: Any, **given: Any) -> Any:
    x, count = _input(F, x), int(given.get("n_targets", 1))
    forest = forest_from_nodes(given, _numbers(given, "nodes_values"))
    F.check((len(forest.modes), max(count, 0)), dtypes.float64)
    weights = _numbers(given, "target_weights")
    table, known = _table(given, "target", forest, count, weights)
    scores = _aggregated(
        F, x, forest, table, known, given.get("aggregate_function", "SUM"),
        _numbers(given, "base_values"),
    )  # fmt: skip
    found = post_transformed(F, scores, given.get("post_transform", "NONE"))
    return cast(F, found, dtypes.float32)


@operator("TreeEnsembleClassifier", domain=DOMAIN)
def _tree_ensemble_classifier(F: Any, x: Any, **given: Any) -> Any:
    x = _input(F, x)
    words, numbers = given.get("classlabels_strings", ()), given.get("classlabels_int64s", ())
    transform = given.get("post_transform", "NONE")
    count = len(words or numbers)
    forest = forest_from_nodes(given, _numbers(given, "nodes_values"))
    weights, base = _numbers(given, "class_weights"), _numbers(given, "base_values")
    table, known = _table(given, "class", forest, count, weights)
    if count == 2 and len(set(given["class_ids"])) == 1:
        # Only one class has weights: its score decides between both.
        own = given["class_ids"][0]
        column = table[:, own : own + 1]
        bias = base[1:2] if len(base) == 2 else base
        score = _aggregated(F, x, forest, column, known[:, own : own + 1], "SUM", bias)
        positive = bool((weights >= 0).all())
        index = cast(F, F.greater(score, 0.5 if positive else 0.0), dtypes.int64)
        index = F.reshape(index, shape=(x.shape[0],))
        if own == 0:
            # One score alone has no softmax; ONNX Runtime leaves it as it is.
            kept = "NONE" if transform.startswith("SOFTMAX") else transform
            found = two_classes(F, score, kept, complement=positive)
        else:
            found = post_transformed(F, F.concat(F.multiply(score, 0.0), score, axis=1), transform)
    else:
        scores = _aggregated(F, x, forest, table, known, "SUM", base)
        index = F.argmax(scores, axis=1, keepdims=False)
        found = post_transformed(F, scores, transform)
    return chosen(F, index, words, numbers), cast(F, found, dtypes.float32)


@operator("TreeEnsemble", 5, domain=DOMAIN)
def _tree_ensemble(F: Any, x: Any, **given: Any) -> Any:
    x = unsqueeze(F, x, (0,)) if len(x.shape) == 1 else x
    forest, count = forest_from_tables(given), int(given.get("n_targets", 1))
    targets = np.asarray(given["leaf_targetids"], np.int64)
    weights = given["leaf_weights"].reshape(-1)
    F.check((len(targets), max(count, 0)), dtypes.float64)
    if len(weights) != len(targets) or ((targets < 0) | (targets >= count)).any():
        raise ModelError(
            f"{len(weights)} leaf_weights and leaf_targetids do not fit {count} targets"
        )
    table = np.zeros((len(targets), count), weights.dtype)
    table[np.arange(len(targets)), targets] = weights
    known = np.zeros(table.shape, bool)
    known[np.arange(len(targets)), targets] = True
    aggregate = _AGGREGATES[given.get("aggregate_function", 1)]
    scores = _aggregated(F, x, forest, table, known, aggregate, None)
    return post_transformed(F, scores, _TRANSFORMS[given.get("post_transform", 0)])
