"""Ensembles of decision trees as arrays, checked: no cycle, no branch that leads nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hal.errors import ModelError

__all__ = ["MODES", "Forest", "forest_from_nodes", "forest_from_tables"]

MODES = (
    "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ",
    "BRANCH_MEMBER",
)  # fmt: skip


class Forest(NamedTuple):
    """Nodes of all trees in one numbering; a leaf leads to itself.

    Attributes
    ----------
    features, splits, modes, missing, yes, no : numpy.ndarray
        For each node: which feature it looks at, what it compares with, how, whether a missing
        value goes the way of "yes", and where both ways lead.
    roots : numpy.ndarray
        The first node of each tree.
    depth : int
        Steps after which every tree has reached a leaf.
    rows : numpy.ndarray
        For each node, the number of the row of weights that it stands for.
    members : list of numpy.ndarray
        For each node that asks for membership, in order, the values of its set.
    """

    features: Any
    splits: Any
    modes: Any
    missing: Any
    yes: Any
    no: Any
    roots: Any
    depth: int
    rows: Any
    members: list[Any]


def _depth(yes: Any, no: Any, leaf: Any, roots: Any) -> int:
    """Return the longest way from a root to a leaf.

    Raises
    ------
    ModelError
        When a way leads in a circle.
    """
    level, depth = np.unique(roots), 0
    while level.size and not leaf[level].all():
        inner = level[~leaf[level]]
        level = np.unique(np.concatenate([yes[inner], no[inner]]))
        depth += 1
        if depth > len(leaf):
            raise ModelError("the trees of the ensemble have a cycle")
    return depth


def _array(values: Sequence[Any], dtype: Any, count: int, name: str) -> Any:
    array = np.asarray(values, dtype).reshape(-1)
    if len(array) != count:
        raise ModelError(f"the ensemble has {len(array)} {name}; it needs {count}")
    return array


def forest_from_nodes(given: dict[str, Any], splits: Any) -> Forest:
    """Return the forest of a TreeEnsembleClassifier or TreeEnsembleRegressor.

    Parameters
    ----------
    given : dict
        The node's attributes.
    splits : numpy.ndarray
        The values that nodes compare with.
    """
    count = len(given["nodes_nodeids"])
    names = list(zip(given["nodes_treeids"], given["nodes_nodeids"], strict=False))
    number = {name: n for n, name in enumerate(names)}
    if not count or len(number) != count:
        raise ModelError("the ensemble has no nodes, or two of the same tree and number")
    modes = given["nodes_modes"]
    unknown = set(modes) - {*MODES[:6], "LEAF"}
    if unknown or len(modes) != count:
        raise ModelError(f"{len(modes)} nodes_modes, {', '.join(sorted(unknown))} do not fit")
    leaf = np.array([m == "LEAF" for m in modes])
    codes = np.array([0 if m == "LEAF" else MODES.index(m) for m in modes])
    ways = []
    for key in ("nodes_truenodeids", "nodes_falsenodeids"):
        targets = _array(given[key], np.int64, count, key).tolist()
        way = np.arange(count)
        for n, target in enumerate(targets):
            if leaf[n]:
                continue
            if (names[n][0], target) not in number:
                raise ModelError(f"a branch of tree {names[n][0]} leads to no node {target}")
            way[n] = number[names[n][0], target]
        ways.append(way)
    roots = [number[t, n] for t, n in dict(reversed(names)).items()]
    missing = given.get("nodes_missing_value_tracks_true") or (0,) * count
    yes, no = ways
    return Forest(
        _array(given["nodes_featureids"], np.int64, count, "nodes_featureids"),
        _array(splits, splits.dtype, count, "nodes_values"),
        codes,
        _array(missing, bool, count, "nodes_missing_value_tracks_true"),
        yes,
        no,
        np.array(sorted(roots)),
        _depth(yes, no, leaf, np.array(roots)),
        np.arange(count),
        [],
    )


def forest_from_tables(given: dict[str, Any]) -> Forest:
    """Return the forest of a TreeEnsemble, whose leaves are numbered apart from its nodes."""
    splits = given["nodes_splits"].reshape(-1)
    count, leaves = len(splits), len(given["leaf_targetids"])
    total = count + leaves
    ways = []
    for way in ("true", "false"):
        targets = _array(given[f"nodes_{way}nodeids"], np.int64, count, f"nodes_{way}nodeids")
        to_leaf = _array(given[f"nodes_{way}leafs"], bool, count, f"nodes_{way}leafs")
        bound = np.where(to_leaf, leaves, count)
        if ((targets < 0) | (targets >= bound)).any():
            raise ModelError("a branch of the ensemble leads to a node or leaf that is not there")
        ways.append(np.concatenate([targets + count * to_leaf, np.arange(count, total)]))
    roots = np.asarray(given["tree_roots"], np.int64)
    if roots.size == 0 or ((roots < 0) | (roots >= count)).any():
        raise ModelError("the ensemble has no roots, or one that is no node")
    modes = _array(given["nodes_modes"], np.int64, count, "nodes_modes")
    if ((modes < 0) | (modes >= len(MODES))).any():
        raise ModelError(f"nodes_modes must be from 0 to {len(MODES) - 1}")
    missing = given.get("nodes_missing_value_tracks_true") or (0,) * count
    leaf = np.arange(total) >= count
    yes, no = ways
    zeros = np.zeros(leaves, np.int64)
    return Forest(
        np.concatenate([_array(given["nodes_featureids"], np.int64, count, "features"), zeros]),
        np.concatenate([splits, zeros.astype(splits.dtype)]),
        np.concatenate([modes, zeros]),
        np.concatenate([_array(missing, bool, count, "missing"), zeros.astype(bool)]),
        yes,
        no,
        roots,
        _depth(yes, no, leaf, roots),
        np.maximum(np.arange(total) - count, 0),
        _member_sets(given.get("membership_values"), int((modes == 6).sum())),
    )


def _member_sets(values: Any, count: int) -> list[Any]:
    """Return the sets that NaN separates, one for each node that asks for membership."""
    if not count:
        return []
    flat = np.zeros(0) if values is None else values.reshape(-1)
    ends = np.flatnonzero(np.isnan(flat))
    sets = np.split(flat, ends)
    found = [s[~np.isnan(s)] for s in sets][:count]
    if len(found) != count:
        raise ModelError(f"membership_values hold {len(found)} sets for {count} nodes")
    return found
