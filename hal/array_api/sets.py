"""Set functions of the standard. They wait for the device: how many elements there are is data.

Source: https://data-apis.org/array-api/latest/API_specification/set_functions.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

from hal import dtypes
from hal.array_api.operands import check_tensor, number_or_tensor, run
from hal.dispatch import evaluator
from hal.errors import DTypeError
from hal.tensor import Tensor

__all__ = [
    "UniqueAll",
    "UniqueCounts",
    "UniqueInverse",
    "isin",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


class UniqueAll(NamedTuple):
    """What :func:`unique_all` returns."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCounts(NamedTuple):
    """What :func:`unique_counts` returns."""

    values: Tensor
    counts: Tensor


class UniqueInverse(NamedTuple):
    """What :func:`unique_inverse` returns."""

    values: Tensor
    inverse_indices: Tensor


def unique_all(x: Tensor, /) -> UniqueAll:
    """Return the distinct elements in sorted order, where each is first, and how often.

    Every NaN is distinct from every other; -0.0 and 0.0 are the same.

    Parameters
    ----------
    x : Tensor
        Of any shape; it is flattened.

    Returns
    -------
    UniqueAll
        ``values``; ``indices`` of their first occurrence; ``inverse_indices`` of the tensor's
        shape, which say for each element which value it is; ``counts``.

    Examples
    --------
    >>> import hal
    >>> hal.unique_all(hal.asarray([3, 1, 3], device="cpu:0")).indices
    Tensor([1, 0], dtype=int64, device='cpu:0')
    """
    found = _Groups("unique_all", x)
    return UniqueAll(found.values(), found.indices(), found.inverse(), found.counts())


def unique_counts(x: Tensor, /) -> UniqueCounts:
    """Return the distinct elements in sorted order, and how often each occurs.

    Parameters
    ----------
    x : Tensor
        Of any shape; it is flattened.

    Returns
    -------
    UniqueCounts
        ``values`` and ``counts``.

    Examples
    --------
    >>> import hal
    >>> hal.unique_counts(hal.asarray([3, 1, 3], device="cpu:0")).counts
    Tensor([1, 2], dtype=int64, device='cpu:0')
    """
    found = _Groups("unique_counts", x)
    return UniqueCounts(found.values(), found.counts())


def unique_inverse(x: Tensor, /) -> UniqueInverse:
    """Return the distinct elements in sorted order, and for each element which one it is.

    Parameters
    ----------
    x : Tensor
        Of any shape; the values are of the flattened tensor.

    Returns
    -------
    UniqueInverse
        ``values``, and ``inverse_indices`` of the tensor's shape.

    Examples
    --------
    >>> import hal
    >>> hal.unique_inverse(hal.asarray([3, 1, 3], device="cpu:0")).inverse_indices
    Tensor([1, 0, 1], dtype=int64, device='cpu:0')
    """
    found = _Groups("unique_inverse", x)
    return UniqueInverse(found.values(), found.inverse())


def unique_values(x: Tensor, /) -> Tensor:
    """Return the distinct elements in sorted order.

    Parameters
    ----------
    x : Tensor
        Of any shape; it is flattened.

    Returns
    -------
    Tensor
        Of one axis.

    Examples
    --------
    >>> import hal
    >>> hal.unique_values(hal.asarray([3, 1, 3], device="cpu:0"))
    Tensor([1, 3], dtype=int64, device='cpu:0')
    """
    return _Groups("unique_values", x).values()


def isin(x1: Tensor | int, x2: Tensor | int, /, *, invert: bool = False) -> Tensor:
    """Return for each element of the first whether it equals one of the second.

    Parameters
    ----------
    x1, x2 : Tensor or number
        At least one must be a tensor.
    invert : bool
        Whether to return the opposite.

    Returns
    -------
    Tensor
        Boolean, of the shape of ``x1``.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([1, 2, 3], device="cpu:0")
    >>> hal.isin(x, hal.asarray([3, 1], device="cpu:0"))
    Tensor([ True, False,  True], dtype=bool, device='cpu:0')
    """
    if isinstance(x1, Tensor):
        sought, among = x1, number_or_tensor("isin", x2, x1)
    elif isinstance(x2, Tensor):
        sought, among = number_or_tensor("isin", x1, x2), x2
    else:
        raise DTypeError("isin takes at least one hal tensor; make one with hal.asarray(...)")
    F = evaluator(sought.device)
    flat = F.reshape(sought, shape=(-1,))
    both = F.concat(F.reshape(among, shape=(-1,)), flat, axis=0)
    if both.dtype.kind in ("complex", "bool"):
        # Neither has an order that searching knows: their ranks among each other have.
        both = unique_inverse(both).inverse_indices
    among, flat = both[: among.size], both[among.size :]
    if among.size == 0:
        found = F.full(F.cast(invert, dtype=dtypes.bool), shape=flat.shape)
    else:
        ordered = F.sort(among)
        place = F.minimum(F.searchsorted(ordered, flat), among.size - 1)
        compare = F.not_equal if invert else F.equal
        found = compare(F.take(ordered, place, axis=0), flat)
    return run("reshape", found, shape=sought.shape)


class _Groups:
    """The elements of a tensor in sorted order, and where each group of equal ones starts."""

    def __init__(self, name: str, x: Tensor) -> None:
        check_tensor(name, x)
        self._shape = x.shape
        self._F = F = evaluator(x.device)
        flat = F.reshape(x, shape=(-1,))
        self._size = size = flat.shape[0]
        self._order = _order(F, flat)
        self._sorted = F.take(flat, self._order, axis=0)
        differs = F.not_equal(self._sorted[1:], self._sorted[:-1])
        first = F.full(F.cast(True, dtype=dtypes.bool), shape=(min(size, 1),))
        self._begins = F.concat(first, differs, axis=0)
        count = int(F.count_nonzero(self._begins))
        self._starts: Tensor = F.reshape(F.nonzero(self._begins, size=count), shape=(count,))

    def values(self) -> Tensor:
        return run("take", self._sorted, self._starts, axis=0)

    def indices(self) -> Tensor:
        return run("take", self._order, self._starts, axis=0)

    def inverse(self) -> Tensor:
        F = self._F
        rank = F.subtract(F.cumulative_sum(F.cast(self._begins, dtype=dtypes.int64), axis=0), 1)
        unordered = F.put(rank, self._order, rank, axis=0)
        return run("reshape", unordered, shape=self._shape)

    def counts(self) -> Tensor:
        F = self._F
        end = F.full(F.cast(self._size, dtype=dtypes.int64), shape=(1,))
        ends = F.concat(self._starts, end, axis=0)
        return run("subtract", ends[1:], ends[:-1])


def _order(F: Any, flat: Tensor) -> Any:
    """Return the positions in sorted order: NaN last, complex numbers by real, then other part."""
    if flat.dtype.kind != "complex":
        return F.argsort(flat, axis=0)
    order = F.argsort(F.imag(flat), axis=0)
    for key in (F.real(flat), F.isnan(flat)):
        order = F.take(order, F.argsort(F.take(key, order, axis=0), axis=0), axis=0)
    return order
