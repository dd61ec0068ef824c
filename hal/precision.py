"""How exactly float32 products must be calculated: the user's leave to use faster units."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hal.errors import ValueRangeError
from hal.ops.product import PRECISIONS

__all__ = ["current_precision", "precision"]

_current: ContextVar[str] = ContextVar("hal_precision", default="highest")


def current_precision() -> str:
    """Return the precision in force: ``"highest"`` unless :func:`precision` says otherwise."""
    return _current.get()


@contextmanager
def precision(level: str) -> Iterator[None]:
    """Choose, for a ``with`` block, in what a device may multiply float32 tensors.

    The levels are PyTorch's (``torch.set_float32_matmul_precision``).

    Parameters
    ----------
    level : {"highest", "high", "medium"}
        Float32 throughout (the default); TF32 or HF32 (10 or 11 bits of mantissa) allowed;
        bfloat16 or float16 inputs with float32 accumulation allowed.

    Raises
    ------
    ValueRangeError
        For another level.

    Examples
    --------
    >>> import hal
    >>> x = hal.ones((2, 2), device="cpu:0")
    >>> with hal.precision("high"):
    ...     y = x @ x
    """
    if level not in PRECISIONS:
        raise ValueRangeError(f"precision {level!r} is unknown; use one of {PRECISIONS}")
    token = _current.set(level)
    try:
        yield
    finally:
        _current.reset(token)
