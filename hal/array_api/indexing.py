"""Indexing functions of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/indexing_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import check_tensor, run
from hal.errors import ShapeError
from hal.ops.operator import normalize_axis
from hal.plugin.layout import broadcast_shapes
from hal.tensor import Tensor

__all__ = ["take", "take_along_axis"]


def take(x: Tensor, indices: Tensor, /, *, axis: int | None = None) -> Tensor:
    """Return the parts of a tensor at given positions of an axis.

    Parameters
    ----------
    x : Tensor
    indices : Tensor
        Integers; negative ones count from the end.
    axis : int, optional
        Along which axis; may be left out if there is only one.

    Returns
    -------
    Tensor
        With the axes of the indices in the place of the axis.

    Raises
    ------
    ShapeError
        When the axis is left out of a tensor that has several.
    HalIndexError
        When an index lies outside the axis and the work runs on the host.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([10, 20, 30], device="cpu:0")
    >>> hal.take(x, hal.asarray([2, 0], device="cpu:0"))
    Tensor([30, 10], dtype=int64, device='cpu:0')
    """
    check_tensor("take", x)
    if axis is None:
        if x.ndim != 1:
            raise ShapeError(f"take: the tensor has shape {x.shape}; say along which axis")
        axis = 0
    return run("take", x, indices, axis=axis)


def take_along_axis(x: Tensor, indices: Tensor, /, *, axis: int = -1) -> Tensor:
    """Return, for each position of the other axes, the elements at given positions of an axis.

    Parameters
    ----------
    x : Tensor
    indices : Tensor
        Integers, with as many axes; all sizes but that of the axis broadcast with the tensor's.
    axis : int
        Along which axis.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When the shapes do not fit.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1, 9, 5], [8, 2, 4]], device="cpu:0")
    >>> hal.take_along_axis(x, hal.argmax(x, axis=1, keepdims=True))
    Tensor([[9],
            [8]], dtype=int64, device='cpu:0')
    """
    check_tensor("take_along_axis", x)
    check_tensor("take_along_axis", indices)
    place = normalize_axis("take_along_axis", axis, x.ndim)
    if indices.ndim == x.ndim:
        others = broadcast_shapes(_without(x, place), _without(indices, place))
        x, indices = (
            run("broadcast_to", t, shape=(*others[:place], t.shape[place], *others[place:]))
            for t in (x, indices)
        )
    return run("take_along_axis", x, indices, axis=place)


def _without(x: Tensor, axis: int) -> tuple[int, ...]:
    return x.shape[:axis] + x.shape[axis + 1 :]
