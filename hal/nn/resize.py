"""Resampling of spatial axes.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html
"""

from __future__ import annotations

from collections.abc import Sequence

from hal.errors import ShapeError, ValueRangeError
from hal.nn.run import check_tensor, run
from hal.ops import operators
from hal.plugin import Layout
from hal.tensor import Tensor

__all__ = ["interpolate"]

# PyTorch's modes: hal's, and for how many spatial axes.
_MODES = {
    "nearest": ("nearest", (1, 2, 3)),
    "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "linear": ("linear", (1,)),
    "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)),
    "bicubic": ("cubic", (2,)),
}


def interpolate(
    input: Tensor,
    size: int | Sequence[int] | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Resample the spatial axes to another size.

    Parameters
    ----------
    input : Tensor, shape (batch, channels, spatial...)
        One to three spatial axes. Any dtype for the nearest modes, else floating-point.
    size : int or sequence of int, optional
        The spatial sizes of the result.
    scale_factor : float or sequence of float, optional
        Their ratio to those of the input, instead of ``size``.
    mode : {"nearest", "nearest-exact", "linear", "bilinear", "trilinear", "bicubic"}
        The nearest element, as PyTorch's "nearest" rounds coordinates down or exactly; or linear
        for one, two or three axes; or cubic for two.
    align_corners : bool, optional
        Whether the first and last elements of input and result coincide, instead of their outer
        edges. Only for the modes that calculate values in between.
    recompute_scale_factor : bool, optional
        Whether coordinates follow the ratio of the sizes instead of ``scale_factor`` itself,
        from which it differs when sizes are rounded.

    Returns
    -------
    Tensor, shape (batch, channels, *size)
        The dtype of the input.

    Raises
    ------
    ValueRangeError
        When the mode is unknown, when not exactly one of ``size`` and ``scale_factor`` is given,
        or an attribute is out of range.
    ShapeError
        When the mode is for another number of spatial axes, or sizes do not fit it.
    DTypeError
        When the input is no tensor, or its dtype does not fit the mode.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[[0.0, 10.0]]], device="cpu:0")
    >>> hal.nn.interpolate(x, scale_factor=2, mode="linear")
    Tensor([[[ 0. ,  2.5,  7.5, 10. ]]], dtype=float32, device='cpu:0')
    """
    check_tensor("interpolate", input)
    if not isinstance(mode, str) or mode not in _MODES:
        raise ValueRangeError(f"interpolate: mode is {mode!r}; it must be one of {tuple(_MODES)}")
    kind, counts = _MODES[mode]
    if input.ndim - 2 not in counts:
        listed = " or ".join(map(str, counts))
        raise ShapeError(
            f"interpolate: the input has shape {input.shape}; mode={mode!r} needs batch, channels "
            f"and {listed} spatial axes"
        )
    if (size is None) == (scale_factor is None):
        raise ValueRangeError(
            f"interpolate: size is {size} and scale_factor is {scale_factor}; give exactly one"
        )
    if align_corners is not None and kind.startswith("nearest"):
        raise ValueRangeError(f"interpolate: align_corners has no meaning for {mode!r}; leave it")
    attributes = {"mode": kind, "align_corners": bool(align_corners)}
    if recompute_scale_factor and scale_factor is not None:
        layout = Layout(input.dtype, input.shape)
        found = operators["interpolate"].infer([layout], {"scale": scale_factor, **attributes})
        size, scale_factor = found.attributes["size"], None
    return run("interpolate", input, size=size, scale=scale_factor, **attributes)
