"""Creation functions of the standard: ranges, identity matrices, grids, triangles.

Source: https://data-apis.org/array-api/latest/API_specification/creation_functions.html
"""

from __future__ import annotations

from typing import Any, Literal

from hal.array_api.operands import as_integer, check_tensor, run
from hal.device import as_device
from hal.dispatch import call
from hal.dtypes import DEFAULT_COMPLEX, DEFAULT_FLOATING, DEFAULT_INTEGER, as_dtype
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.ops import operators
from hal.tensor import Tensor

__all__ = ["arange", "eye", "linspace", "meshgrid", "tril", "triu"]


def arange(
    start: int | float,
    /,
    stop: int | float | None = None,
    step: int | float = 1,
    *,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Return evenly spaced numbers from ``start`` up to, but not including, ``stop``.

    Parameters
    ----------
    start : number
        The first number; with ``stop`` left out, where to stop, beginning at 0.
    stop : number, optional
        Where to stop.
    step : number
        The distance from one number to the next; not 0.
    dtype : DType or str, optional
        int64 if all three are integers, else float32, when left out.
    device : Device or str, optional
        The default device when left out.

    Returns
    -------
    Tensor
        Of one axis.

    Examples
    --------
    >>> import hal
    >>> hal.arange(2, 10, 3, device="cpu:0")
    Tensor([2, 5, 8], dtype=int64, device='cpu:0')
    """
    if stop is None:
        start, stop = 0, start
    numbers = tuple(_real("arange", v) for v in (start, stop, step))
    if dtype is None:
        whole = all(isinstance(v, int) for v in numbers)
        dtype = DEFAULT_INTEGER if whole else DEFAULT_FLOATING
    start, stop, step = numbers
    attributes = {"start": start, "stop": stop, "step": step, "dtype": as_dtype(dtype)}
    return call(operators["arange"], device=as_device(device), **attributes)  # type: ignore[no-any-return]


def linspace(
    start: int | float | complex,
    stop: int | float | complex,
    /,
    num: int,
    *,
    dtype: Any = None,
    device: Any = None,
    endpoint: bool = True,
) -> Tensor:
    """Return a number of evenly spaced numbers from ``start`` to ``stop``.

    Parameters
    ----------
    start, stop : number
        The ends.
    num : int
        How many numbers.
    dtype : DType or str, optional
        float32, or complex64 if an end is complex, when left out.
    device : Device or str, optional
        The default device when left out.
    endpoint : bool
        Whether the last number is ``stop``.

    Returns
    -------
    Tensor
        Of one axis.

    Examples
    --------
    >>> import hal
    >>> hal.linspace(0, 1, 3, device="cpu:0")
    Tensor([0. , 0.5, 1. ], dtype=float32, device='cpu:0')
    """
    # A zero without its sign: attributes that are equal must mean the same.
    ends = tuple((v if isinstance(v, complex) else _real("linspace", v)) + 0 for v in (start, stop))
    if dtype is None:
        is_complex = any(isinstance(v, complex) for v in ends)
        dtype = DEFAULT_COMPLEX if is_complex else DEFAULT_FLOATING
    wanted = as_dtype(dtype)
    if wanted.kind != "complex" and any(isinstance(v, complex) for v in ends):
        raise DTypeError(f"linspace: {start!r} and {stop!r} do not fit {wanted}")
    return call(  # type: ignore[no-any-return]
        operators["linspace"],
        device=as_device(device),
        start=ends[0],
        stop=ends[1],
        num=as_integer("linspace", "num", num),
        endpoint=bool(endpoint),
        dtype=wanted,
    )


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: Any = None,
    device: Any = None,
) -> Tensor:
    """Return a matrix with ones on a diagonal and zeros elsewhere.

    Parameters
    ----------
    n_rows : int
        Number of rows.
    n_cols : int, optional
        Number of columns; that of the rows when left out.
    k : int
        Which diagonal: 0 the main one, above it positive, below it negative.
    dtype : DType or str, optional
        float32 when left out.
    device : Device or str, optional
        The default device when left out.

    Returns
    -------
    Tensor
        Of shape ``(n_rows, n_cols)``.

    Examples
    --------
    >>> import hal
    >>> hal.eye(2, 3, k=1, device="cpu:0")
    Tensor([[0., 1., 0.],
            [0., 0., 1.]], dtype=float32, device='cpu:0')
    """
    wanted = DEFAULT_FLOATING if dtype is None else as_dtype(dtype)
    rows = as_integer("eye", "n_rows", n_rows)
    columns = rows if n_cols is None else as_integer("eye", "n_cols", n_cols)
    diagonal = as_integer("eye", "k", k)
    attributes = {"rows": rows, "columns": columns, "k": diagonal, "dtype": wanted}
    return call(operators["eye"], device=as_device(device), **attributes)  # type: ignore[no-any-return]


def meshgrid(*arrays: Tensor, indexing: Literal["xy", "ij"] = "xy") -> tuple[Tensor, ...]:
    """Return the coordinates of every point of a grid, one tensor per axis.

    Parameters
    ----------
    *arrays : Tensor
        The positions along each axis; one axis each, all of one dtype.
    indexing : {"xy", "ij"}
        With "xy" the first two axes of the results are exchanged, as in a picture.

    Returns
    -------
    tuple of Tensor
        As many as were given, each with the shape of the grid.

    Examples
    --------
    >>> import hal
    >>> x, y = hal.arange(3, device="cpu:0"), hal.arange(2, device="cpu:0")
    >>> hal.meshgrid(x, y)[1]
    Tensor([[0, 0, 0],
            [1, 1, 1]], dtype=int64, device='cpu:0')
    """
    # An array would be compared element by element.
    if not isinstance(indexing, str) or indexing not in ("xy", "ij"):
        raise ValueRangeError(f"meshgrid: indexing is {indexing!r}; use 'xy' or 'ij'")
    for x in arrays:
        check_tensor("meshgrid", x)
        if x.ndim != 1:
            raise ShapeError(f"meshgrid: positions have one axis; got the shape {x.shape}")
        if x.dtype is not arrays[0].dtype:
            raise DTypeError(f"meshgrid: the dtypes {arrays[0].dtype} and {x.dtype} differ")
    places = list(range(len(arrays)))
    if indexing == "xy" and len(arrays) > 1:
        places[:2] = [1, 0]
    shape = [0] * len(arrays)
    for place, x in zip(places, arrays, strict=True):
        shape[place] = x.shape[0]
    grids = []
    for place, x in zip(places, arrays, strict=True):
        column = run("reshape", x, shape=(1,) * place + x.shape + (1,) * (len(arrays) - 1 - place))
        grids.append(run("copy", run("broadcast_to", column, shape=shape)))
    return tuple(grids)


def tril(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Return the lower triangle of matrices, with zeros above a diagonal.

    Parameters
    ----------
    x : Tensor
        Of two or more axes; the last two are rows and columns.
    k : int
        The last diagonal that is kept: 0 the main one, above it positive, below it negative.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Examples
    --------
    >>> import hal
    >>> hal.tril(hal.ones((2, 2), device="cpu:0"))
    Tensor([[1., 0.],
            [1., 1.]], dtype=float32, device='cpu:0')
    """
    return run("tril", x, k=as_integer("tril", "k", k))


def triu(x: Tensor, /, *, k: int = 0) -> Tensor:
    """Return the upper triangle of matrices, with zeros below a diagonal.

    Parameters
    ----------
    x : Tensor
        Of two or more axes; the last two are rows and columns.
    k : int
        The first diagonal that is kept: 0 the main one, above it positive, below it negative.

    Returns
    -------
    Tensor
        Of the same shape and dtype.

    Examples
    --------
    >>> import hal
    >>> hal.triu(hal.ones((2, 2), device="cpu:0"))
    Tensor([[1., 1.],
            [0., 1.]], dtype=float32, device='cpu:0')
    """
    return run("triu", x, k=as_integer("triu", "k", k))


def _real(name: str, value: Any) -> int | float:
    if isinstance(value, bool | int | float):
        return int(value) if isinstance(value, bool) else value
    raise DTypeError(f"{name} takes Python numbers, not {type(value).__name__} {value!r}")
