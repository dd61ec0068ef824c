"""Linear layers and embeddings.

Source: https://docs.pytorch.org/docs/stable/nn.functional.html#linear-functions
"""

from __future__ import annotations

from hal.nn.run import run
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["embedding", "linear"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input @ weight.T + bias``.

    Parameters
    ----------
    input : Tensor, shape (..., in_features)
    weight : Tensor, shape (out_features, in_features)
    bias : Tensor, shape (out_features,), optional

    Returns
    -------
    Tensor, shape (..., out_features)
        The dtype that the tensors promote to. :func:`hal.precision` says how float32 is multiplied.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor, or the dtypes do not promote.

    Examples
    --------
    >>> import hal
    >>> x, weight = (hal.asarray(v, device="cpu:0") for v in ([1.0, 2.0], [[3.0, 4.0]]))
    >>> hal.nn.linear(x, weight, hal.asarray([0.5], device="cpu:0"))
    Tensor([11.5], dtype=float32, device='cpu:0')
    """
    return run("linear", input, weight, bias, precision=current_precision())


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """Return the rows of a table that the indices name.

    Parameters
    ----------
    input : Tensor
        Indices of rows, of any shape and any integer dtype; negative ones count from the end.
    weight : Tensor, shape (rows, features)
        The table.

    Returns
    -------
    Tensor, shape (*input.shape, features)
        The dtype of the table.

    Raises
    ------
    HalIndexError
        When an index lies outside the table, where the host runs it; a device may give any row.
    ShapeError, DTypeError
        When the table has not two axes, or the indices are no integers.

    Examples
    --------
    >>> import hal
    >>> table = hal.asarray([[1.0, 2.0], [3.0, 4.0]], device="cpu:0")
    >>> hal.nn.embedding(hal.asarray([1, 0, 1], device="cpu:0"), table)
    Tensor([[3., 4.],
            [1., 2.],
            [3., 4.]], dtype=float32, device='cpu:0')
    """
    return run("embedding", input, weight)
