"""The types a model declares for its inputs and outputs, and whether a value has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from hal.dtypes import DType
from hal.errors import DTypeError, ModelError, ShapeError
from hal.onnx.tensors import STRING, element_dtype
from hal.onnx.values import describe, dtype_of, is_text
from hal.tensor import Tensor

__all__ = ["ValueType", "checked", "value_type"]


@dataclass(frozen=True)
class ValueType:
    """What a model says about one of its inputs or outputs.

    Attributes
    ----------
    name : str
    kind : str
        ``"tensor"``, ``"sequence"``, ``"optional"`` or ``"map"``.
    dtype : DType or None
        Of a tensor's elements; None for strings and where the model does not say.
    shape : tuple or None
        Sizes; a name or None for an axis of any size; None where the model does not say.
    text : bool
        Whether the elements are strings.
    element : ValueType or None
        What a sequence or an optional holds.
    """

    name: str
    kind: str = "tensor"
    dtype: DType | None = None
    shape: tuple[int | str | None, ...] | None = None
    text: bool = False
    element: ValueType | None = None

    def __str__(self) -> str:
        if self.kind != "tensor":
            return f"{self.kind}({self.element or ''})"
        dtype = "string" if self.text else str(self.dtype or "any dtype")
        if self.shape is None:
            return dtype
        return f"{dtype}[{', '.join('?' if n is None else str(n) for n in self.shape)}]"


def value_type(info: Any) -> ValueType:
    """Return the type that a ValueInfoProto declares.

    Raises
    ------
    ModelError
        When it declares an element type or a shape that cannot be.
    """
    return _type(info.name, info.type, 0)


def _type(name: str, proto: Any, depth: int) -> ValueType:
    kind = proto.WhichOneof("value")
    if depth > 8:
        raise ModelError(f"the type of {name!r} is nested more than 8 deep")
    if kind in ("tensor_type", "sparse_tensor_type"):
        return _tensor_type(name, getattr(proto, kind))
    if kind in ("sequence_type", "optional_type"):
        element = _type(name, getattr(proto, kind).elem_type, depth + 1)
        return ValueType(name, kind.removesuffix("_type"), element=element)
    if kind == "map_type":
        return ValueType(name, "map")
    return ValueType(name)


def _tensor_type(name: str, proto: Any) -> ValueType:
    shape: tuple[int | str | None, ...] | None = None
    if proto.HasField("shape"):
        shape = tuple(
            d.dim_value if d.HasField("dim_value") else d.dim_param or None for d in proto.shape.dim
        )
        if any(isinstance(n, int) and n < 0 for n in shape):
            raise ModelError(f"the shape of {name!r} is {shape}; no size may be negative")
    if proto.elem_type == STRING:
        return ValueType(name, shape=shape, text=True)
    try:
        dtype = element_dtype(proto.elem_type) if proto.elem_type else None
    except DTypeError as error:
        raise ModelError(f"the type of {name!r}: {error}") from None
    return ValueType(name, dtype=dtype, shape=shape)


def checked(value: Any, wanted: ValueType, sizes: dict[str, int]) -> Any:
    """Return an input's value as the run takes it: tensors as they are, the rest as host arrays.

    Parameters
    ----------
    value : Tensor, numpy.ndarray, numbers, list or None
    wanted : ValueType
    sizes : dict
        Sizes of named axes met so far; extended.

    Raises
    ------
    DTypeError, ShapeError
        When the value has not the declared type.
    """
    what = f"the input {wanted.name!r}"
    if wanted.kind == "optional" and wanted.element is not None:
        return None if value is None else checked(value, wanted.element, sizes)
    if wanted.kind == "sequence" and wanted.element is not None:
        if not isinstance(value, list | tuple):
            raise DTypeError(f"{what} takes a list of tensors, not {describe(value)}")
        # Each element has sizes of its own.
        return [checked(v, wanted.element, {}) for v in value]
    if wanted.kind == "map":
        if not isinstance(value, dict):
            raise DTypeError(f"{what} takes a dict, not {describe(value)}")
        return value
    if not isinstance(value, Tensor):
        value = _array(value, wanted, what)
    if wanted.text != is_text(value) or (
        wanted.dtype is not None and dtype_of(value) is not wanted.dtype
    ):
        raise DTypeError(f"{what} takes {wanted}, not {describe(value)}; convert it first")
    _check_shape(tuple(value.shape), wanted, what, sizes)
    return value


def _array(value: Any, wanted: ValueType, what: str) -> Any:
    given = isinstance(value, np.ndarray | np.generic) or hasattr(value, "__array__")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise DTypeError(f"{what} takes {wanted}; {error}") from None
    if wanted.text:
        return array.astype(object)
    if not given and wanted.dtype is not None and array.dtype.kind in "biuf":
        return array.astype(wanted.dtype.numpy)
    if array.dtype.kind in "OUS":
        raise DTypeError(f"{what} takes {wanted}, not {type(value).__name__}")
    return array


def _check_shape(
    shape: tuple[int, ...], wanted: ValueType, what: str, sizes: dict[str, int]
) -> None:
    if wanted.shape is None:
        return
    fits = len(shape) == len(wanted.shape)
    for have, want in zip(shape, wanted.shape, strict=False):
        if isinstance(want, str):
            want = sizes.setdefault(want, have)
        fits = fits and want in (None, have)
    if not fits:
        known = ", ".join(f"{n}={s}" for n, s in sizes.items() if n in wanted.shape)
        raise ShapeError(
            f"{what} has shape {shape}; the model takes {wanted}" + (f" with {known}" * bool(known))
        )
