"""The operators of ONNX that hal knows: a Python function for each, by domain, name and version."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["Definition", "canonical_domain", "find_definition", "operator"]

Function = Callable[..., Any]


class Definition(NamedTuple):
    """One operator from one version on.

    Attributes
    ----------
    function : callable
        ``function(F, *inputs, **attributes)``; F is a :class:`hal.onnx.context.Context`.
    since : int
        The first version of the operator that the function stands for.
    host : frozenset of int or None
        Positions of the inputs it wants as NumPy arrays; None means all of them.
    raw : bool
        Whether it takes values as they are: tensors, host arrays, sequences, optionals.
    random : bool
        Whether it gives another result each time, so that its result is never kept.
    moves : bool
        Whether it only moves elements, so that it can move strings too, by their positions.
    attributes : frozenset of str or None
        The attributes it takes; None means any.
    """

    function: Function
    since: int
    host: frozenset[int] | None
    raw: bool
    random: bool
    moves: bool
    attributes: frozenset[str] | None


_definitions: dict[tuple[str, str], list[Definition]] = {}


def canonical_domain(domain: str) -> str:
    """Return the name of a domain; ``ai.onnx`` is the one without a name.

    Examples
    --------
    >>> canonical_domain("ai.onnx")
    ''
    """
    return "" if domain == "ai.onnx" else domain


def operator(
    name: str,
    since: int = 1,
    domain: str = "",
    *,
    host: tuple[int, ...] | None = (),
    raw: bool = False,
    random: bool = False,
    moves: bool = False,
) -> Callable[[Function], Function]:
    """Register a function as the meaning of an operator, from a version on.

    Parameters
    ----------
    name : str
    since : int
    domain : str
    host : tuple of int or None
        Positions of the inputs the function wants as NumPy arrays: shapes, axes and their like.
    raw : bool
        Whether it takes values as they are.
    random : bool
        Whether it gives another result each time.
    moves : bool
        Whether it only moves elements.
    """

    def register(function: Function) -> Function:
        found = Definition(
            function,
            since,
            None if host is None else frozenset(host),
            raw,
            random,
            moves,
            _keywords(function),
        )
        versions = _definitions.setdefault((domain, name), [])
        versions.append(found)
        versions.sort(key=lambda d: d.since)
        return function

    return register


def _keywords(function: Function) -> frozenset[str] | None:
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return frozenset(p.name for p in parameters if p.kind is p.KEYWORD_ONLY)


def find_definition(domain: str, name: str, version: int) -> Definition | None:
    """Return the definition in force for a version of an operator; None where there is none."""
    if not _definitions:
        import_module("hal.onnx.operators")
    known = [d for d in _definitions.get((domain, name), ()) if d.since <= version]
    return known[-1] if known else None
