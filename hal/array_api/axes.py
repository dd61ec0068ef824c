"""Manipulation functions of the standard: the order, number and direction of axes.

Source: https://data-apis.org/array-api/latest/API_specification/manipulation_functions.html
"""

from __future__ import annotations

from hal.array_api.operands import as_shape, check_tensor, run
from hal.errors import ShapeError, ValueRangeError
from hal.ops import operators
from hal.ops.operator import normalize_axes, normalize_axis
from hal.plugin.layout import reshape_strides
from hal.tensor import Tensor

__all__ = ["expand_dims", "flip", "moveaxis", "permute_dims", "reshape", "roll", "squeeze"]


def expand_dims(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Return a tensor with new axes of size 1, as a view.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int
        Where the result has the new axes.

    Returns
    -------
    Tensor

    Raises
    ------
    HalIndexError, ShapeError
        When there is no such axis, or one is named twice.

    Examples
    --------
    >>> import hal
    >>> hal.expand_dims(hal.ones((2, 3), device="cpu:0"), (0, -1)).shape
    (1, 2, 3, 1)
    """
    check_tensor("expand_dims", x)
    axes = as_shape("expand_dims", axis, "an axis")
    count = len(axes)
    new = normalize_axes("expand_dims", axes, x.ndim + count)
    sizes = iter(x.shape)
    shape = [1 if a in new else next(sizes) for a in range(x.ndim + count)]
    return run("reshape", x, shape=shape)


def squeeze(x: Tensor, /, axis: int | tuple[int, ...]) -> Tensor:
    """Return a tensor without some of its axes of size 1, as a view.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int
        Which axes to remove.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When an axis has another size than 1, or is named twice.

    Examples
    --------
    >>> import hal
    >>> hal.squeeze(hal.ones((1, 2, 1), device="cpu:0"), 0).shape
    (2, 1)
    """
    check_tensor("squeeze", x)
    removed = normalize_axes("squeeze", axis, x.ndim)
    for a in removed:
        if x.shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} of {x.shape} has size {x.shape[a]}; it must be 1")
    return run("reshape", x, shape=[n for a, n in enumerate(x.shape) if a not in removed])


def flip(x: Tensor, /, *, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Return a tensor with the elements in reverse order, as a view.

    Parameters
    ----------
    x : Tensor
    axis : int or tuple of int, optional
        Along which axes; all when left out.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> import hal
    >>> hal.flip(hal.arange(3, device="cpu:0"))
    Tensor([2, 1, 0], dtype=int64, device='cpu:0')
    """
    check_tensor("flip", x)
    flipped = normalize_axes("flip", axis, x.ndim)
    return x[tuple([slice(None, None, -1 if a in flipped else 1) for a in range(x.ndim)])]


def moveaxis(
    x: Tensor, source: int | tuple[int, ...], destination: int | tuple[int, ...], /
) -> Tensor:
    """Return a tensor with axes moved to other places, the others in their order, as a view.

    Parameters
    ----------
    x : Tensor
    source : int or tuple of int
        Which axes.
    destination : int or tuple of int
        The place of each in the result.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When there are not as many places as axes, or one is named twice.

    Examples
    --------
    >>> import hal
    >>> hal.moveaxis(hal.ones((2, 3, 4), device="cpu:0"), 0, -1).shape
    (3, 4, 2)
    """
    check_tensor("moveaxis", x)
    taken, places = _axes("moveaxis", source, x.ndim), _axes("moveaxis", destination, x.ndim)
    if len(taken) != len(places):
        raise ShapeError(f"moveaxis: {source} and {destination} differ in length")
    moved = dict(zip(places, taken, strict=True))
    rest = iter([a for a in range(x.ndim) if a not in taken])
    return run("permute", x, axes=[moved[a] if a in moved else next(rest) for a in range(x.ndim)])


def permute_dims(x: Tensor, /, axes: tuple[int, ...]) -> Tensor:
    """Return a tensor with its axes in another order, as a view.

    Parameters
    ----------
    x : Tensor
    axes : tuple of int
        For each axis of the result, which axis of the tensor it is.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When not every axis is named once.

    Examples
    --------
    >>> import hal
    >>> hal.permute_dims(hal.ones((2, 3, 4), device="cpu:0"), (2, 0, 1)).shape
    (4, 2, 3)
    """
    check_tensor("permute_dims", x)
    return run("permute", x, axes=as_shape("permute_dims", axes, "an order of axes"))


def reshape(x: Tensor, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Tensor:
    """Return the elements of a tensor in another shape.

    Parameters
    ----------
    x : Tensor
    shape : tuple of int
        The wanted shape; one size may be -1 and is then what fits.
    copy : bool, optional
        True always copies, False raises instead of copying, None gives a view where the memory
        allows.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When the shape has another number of elements.
    ValueRangeError
        When ``copy=False`` and the elements lie so that a copy is needed.

    Examples
    --------
    >>> import hal
    >>> hal.reshape(hal.arange(6, device="cpu:0"), (2, -1))
    Tensor([[0, 1, 2],
            [3, 4, 5]], dtype=int64, device='cpu:0')
    """
    check_tensor("reshape", x)
    sizes = as_shape("reshape", shape)
    if copy:
        return run("reshape", run("copy", x), shape=sizes)
    if copy is False and x.size and reshape_strides(x.shape, x.strides, _filled(x, sizes)) is None:
        raise ValueRangeError(
            f"reshape: elements of {x.shape} with strides {x.strides} do not become {sizes} "
            "without a copy; allow one"
        )
    return run("reshape", x, shape=sizes)


def roll(
    x: Tensor,
    /,
    shift: int | tuple[int, ...],
    *,
    axis: int | tuple[int, ...] | None = None,
) -> Tensor:
    """Return a tensor with the elements moved along axes; those beyond the end come in front.

    Parameters
    ----------
    x : Tensor
    shift : int or tuple of int
        By how many places, towards the end.
    axis : int or tuple of int, optional
        Along which axes; along the flattened tensor when left out.

    Returns
    -------
    Tensor

    Raises
    ------
    ShapeError
        When there are not as many shifts as axes.

    Examples
    --------
    >>> import hal
    >>> hal.roll(hal.arange(4, device="cpu:0"), 1)
    Tensor([3, 0, 1, 2], dtype=int64, device='cpu:0')
    """
    check_tensor("roll", x)
    shifts = as_shape("roll", shift, "a shift")
    if axis is None:
        flat = run("roll", run("reshape", x, shape=(-1,)), shifts=(sum(shifts),), axes=(0,))
        return run("reshape", flat, shape=x.shape)
    axes = as_shape("roll", axis, "an axis")
    if len(shifts) == 1:
        shifts *= len(axes)
    return run("roll", x, shifts=shifts, axes=axes)


def _axes(name: str, axis: int | tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front, in the order in which they were given."""
    given = axis if isinstance(axis, tuple | list) else (axis,)
    found = tuple(normalize_axis(name, a, ndim) for a in given)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: the axes {axis} name an axis twice; name each once")
    return found


def _filled(x: Tensor, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with -1 replaced, as the operator's rule does."""
    return operators["reshape"].infer((x._spec,), {"shape": sizes}).outputs[0][1]
