"""Takes tensors out of nested tuples, lists and dictionaries, and puts them back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from hal.errors import DTypeError
from hal.storage import Value

__all__ = ["flatten", "unflatten"]


def flatten(tree: Any, leaf: Callable[[Value], Hashable]) -> tuple[list[Value], Hashable]:
    """Return the tensors in a tree, in order, and a key for everything else about it.

    Parameters
    ----------
    tree : object
        Tensors, alone or in tuples, lists and dictionaries; every other value must be hashable.
    leaf : callable
        Gives what stands for a tensor in the key.

    Raises
    ------
    DTypeError
        When a value is neither a tensor nor hashable.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones(2)
    >>> flatten({"a": x, "b": (3, x)}, lambda value: value.shape)[1]
    ('dict', ('a', 'b'), ((2,), ('tuple', (('static', 'int', 3), (2,)))))
    """
    found: list[Value] = []
    return found, _flatten(tree, leaf, found)


def _flatten(tree: Any, leaf: Callable[[Value], Hashable], found: list[Value]) -> Hashable:
    if isinstance(tree, Value):
        found.append(tree)
        return leaf(tree)
    if isinstance(tree, tuple | list):
        kind = type(tree) if hasattr(tree, "_fields") else type(tree).__name__
        return kind, tuple([_flatten(x, leaf, found) for x in tree])
    if isinstance(tree, dict):
        keys = tuple(tree)
        return "dict", keys, tuple([_flatten(tree[k], leaf, found) for k in keys])
    try:
        hash(tree)
    except TypeError:
        raise DTypeError(
            f"a compiled function takes tensors, tuples, lists, dictionaries and hashable values, "
            f"not {type(tree).__name__}"
        ) from None
    # 1, 1.0 and True are equal, but a function may treat them differently.
    return "static", type(tree).__name__, tree


def unflatten(tree: Any, values: Iterable[Any]) -> Any:
    """Return the tree with its tensors replaced, in order.

    Examples
    --------
    >>> import hal
    >>> unflatten([hal.ones(2), 5], ["tensor"])
    ['tensor', 5]
    """
    return _unflatten(tree, iter(values))


def _unflatten(tree: Any, values: Any) -> Any:
    if isinstance(tree, Value):
        return next(values)
    if isinstance(tree, tuple | list):
        items = [_unflatten(x, values) for x in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    if isinstance(tree, dict):
        return {k: _unflatten(x, values) for k, x in tree.items()}
    return tree
