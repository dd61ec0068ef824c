"""The table, and how its functions are written: they write their outputs in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hal.ops import evaluate_reference, operators

__all__ = ["SEMANTICS", "agree", "put", "reference", "semantics"]

SEMANTICS: dict[str, Callable[..., None]] = {}


def semantics(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function to the table under names of CANN's."""

    def add(function: Callable[..., None]) -> Callable[..., None]:
        for name in names:
            SEMANTICS[name] = function
        return function

    return add


def reference(name: str, *inputs: Any, **attributes: Any) -> Any:
    """Run the reference of one of hal's operators."""
    return evaluate_reference(operators[name], [_whole(x) for x in inputs], attributes)


def _whole(x: Any) -> Any:
    return None if x is None else np.asarray(x)


def put(out: Any, value: Any) -> None:
    """Write a result, which must have exactly the output's shape."""
    found = np.asarray(value)
    if found.shape != out.shape:
        raise ValueError(f"the result has shape {found.shape}, the output {out.shape}")
    if out.size:
        out[...] = found.astype(out.dtype, copy=False)


def agree(*arrays: Any) -> None:
    """Raise unless all arrays have one dtype."""
    found = {a.dtype for a in arrays if a is not None}
    if len(found) > 1:
        raise TypeError(f"the dtypes differ: {sorted(map(str, found))}")
