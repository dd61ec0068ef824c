"""Strings, which live on the host: joining, splitting, normalizing, matching, counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hal.errors import DTypeError, ShapeError, Unsupported, ValueRangeError
from hal.onnx.registry import operator
from hal.onnx.values import is_text


def texts(values: list[str], shape: tuple[int, ...]) -> Any:
    """Return strings as an array of that shape."""
    result = np.empty(len(values), object)
    result[:] = values
    return result.reshape(shape)


@operator("StringConcat", host=None)
def _string_concat(F: Any, x: Any, y: Any) -> Any:
    if not (is_text(x) and is_text(y)):
        raise DTypeError("both inputs must be strings")
    return np.asarray(x + y, object)


@operator("StringSplit", host=None)
def _string_split(F: Any, x: Any, *, delimiter: str = "", maxsplit: int | None = None) -> Any:
    most = -1 if maxsplit is None else maxsplit
    parts = [t.split(delimiter or None, most) if t else [] for t in x.reshape(-1)]
    width = max(map(len, parts), default=0)
    filled = [word for p in parts for word in (*p, *[""] * (width - len(p)))]
    counts = np.array([len(p) for p in parts], np.int64)
    return texts(filled, (*x.shape, width)), counts.reshape(x.shape)


@operator("StringNormalizer", host=None)
def _string_normalizer(
    F: Any,
    x: Any,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str = "",
    stopwords: Any = (),
) -> Any:
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[0] != 1):
        raise ShapeError(f"strings of shape {x.shape} must be (words,) or (1, words)")
    actions: dict[str, Callable[[str], str]] = {"NONE": str, "LOWER": str.lower, "UPPER": str.upper}
    if case_change_action not in actions:
        raise ValueRangeError(
            f"case_change_action is {case_change_action!r}; it may be {', '.join(actions)}"
        )
    key: Callable[[str], str] = str if is_case_sensitive else str.lower
    stops = {key(s) for s in stopwords}
    kept = [t for t in x.reshape(-1) if key(t) not in stops] or [""]
    changed = [actions[case_change_action](t) for t in kept]
    return texts(changed, (len(kept),) if x.ndim == 1 else (1, len(kept)))


@operator("RegexFullMatch", host=None)
def _regex_full_match(F: Any, x: Any, *, pattern: str) -> Any:
    """Match with RE2, whose time grows with the text alone, whatever the pattern."""
    try:
        import re2
    except ImportError:
        raise Unsupported(
            "RegexFullMatch needs google-re2; install it with: pip install 'hal-sdk[onnx]'"
        ) from None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options=options)
    except re2.error as error:
        raise ValueRangeError(f"the pattern {pattern!r} is none of RE2: {error}") from None
    found = [compiled.fullmatch(t) is not None for t in x.reshape(-1)]
    return np.array(found, bool).reshape(x.shape)
