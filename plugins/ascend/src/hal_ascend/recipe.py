"""How a kernel is put together: calls of CANN's operators on inputs, outputs and temporaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import DType
from hal.errors import Unsupported
from hal.plugin import Layout, Signature, broadcast_strides, reshape_strides
from hal_ascend.families import Family
from hal_ascend.prototypes import operator_prototypes

__all__ = ["MOST_AXES", "Recipe", "Ref", "Scalar", "Step", "movable", "signed"]

MOST_AXES = 8
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Ref:
    """A tensor of a recipe: a slot of memory, seen through a layout.

    Attributes
    ----------
    slot : int
        Position among the inputs, outputs and temporaries.
    layout : Layout
    offset : int
        Elements from the slot's address to the first one.
    """

    slot: int
    layout: Layout
    offset: int = 0

    @property
    def dtype(self) -> DType:
        """The elements' dtype."""
        return self.layout.dtype

    @property
    def shape(self) -> Shape:
        """Sizes of the axes."""
        return self.layout.shape

    def view(self, shape: Shape, strides: Shape, offset: int = 0) -> Ref:
        """Return the same memory under another shape; the offset is relative."""
        return Ref(self.slot, Layout(self.dtype, shape, strides), self.offset + offset)

    def reshape(self, shape: Shape) -> Ref:
        """Return the same elements, which must lie so that no copy is needed, in another shape."""
        strides = reshape_strides(self.shape, self.layout.strides, shape)
        assert strides is not None
        return self.view(shape, strides)

    def broadcast(self, shape: Shape) -> Ref:
        """Return the tensor as if repeated to a larger shape."""
        return self.view(shape, broadcast_strides(self.shape, self.layout.strides, shape))

    def permute(self, axes: Shape) -> Ref:
        """Return the tensor with its axes in another order."""
        strides = self.layout.strides
        return self.view(tuple(self.shape[a] for a in axes), tuple(strides[a] for a in axes))

    def part(self, axis: int, start: int, stop: int, step: int = 1) -> Ref:
        """Return every ``step``-th element of a range along an axis."""
        shape, strides = list(self.shape), list(self.layout.strides)
        shape[axis] = len(range(start, stop, step))
        offset = start * strides[axis]
        strides[axis] *= step
        return self.view(tuple(shape), tuple(strides), offset)

    def as_dtype(self, dtype: DType) -> Ref:
        """Return the same bytes as elements of another dtype of equal size."""
        return Ref(self.slot, Layout(dtype, self.shape, self.layout.strides), self.offset)


@dataclass(frozen=True)
class Scalar:
    """A number handed to an operator as an ``aclScalar`` of a dtype."""

    value: Any
    dtype: DType


@dataclass(frozen=True)
class Step:
    """One call of one of CANN's operators.

    Attributes
    ----------
    name : str
    arguments : tuple
        Refs, lists of them, Scalars, tuples of integers, numbers, text, dtypes, None.
    """

    name: str
    arguments: tuple[Any, ...]


class Recipe:
    """Collects the calls that make up one kernel.

    Parameters
    ----------
    signature : Signature
    family : Family
        Of the chip.
    """

    def __init__(self, signature: Signature, family: Family) -> None:
        count = len(signature.inputs)
        self.family = family
        self.attributes = signature.attributes
        self.inputs: tuple[Ref | None, ...] = tuple(
            None if x is None else Ref(i, x) for i, x in enumerate(signature.inputs)
        )
        self.outputs: tuple[Ref, ...] = tuple(
            Ref(count + i, x) for i, x in enumerate(signature.outputs)
        )
        self.temporaries: list[int] = []
        self.steps: list[Step] = []
        self._first = count + len(self.outputs)

    @property
    def out(self) -> Ref:
        """The first output."""
        return self.outputs[0]

    def input(self, position: int = 0) -> Ref:
        """Return an input that is there."""
        found = self.inputs[position]
        assert found is not None
        return found

    def optional(self, position: int) -> Ref | None:
        """Return an input that may be left out."""
        return self.inputs[position] if position < len(self.inputs) else None

    def temporary(self, dtype: DType, shape: Shape) -> Ref:
        """Return a new tensor that lives as long as the kernel's call."""
        layout = Layout(dtype, shape)
        self.temporaries.append(layout.nbytes)
        return Ref(self._first + len(self.temporaries) - 1, layout)

    def call(self, name: str, *arguments: Any) -> None:
        """Add a call; a number given where the operator takes a scalar gets a dtype of its own."""
        prototype = operator_prototypes()[name]
        assert len(arguments) == len(prototype.arguments), name
        converted = tuple(
            _scalar(a) if code == "S" and not isinstance(a, Scalar) else a
            for a, (code, _) in zip(arguments, prototype.arguments, strict=True)
        )
        self.steps.append(Step(name, converted))

    def cast(self, x: Ref, dtype: DType) -> Ref:
        """Return a tensor converted to a dtype, itself when it has it."""
        if x.dtype is dtype:
            return x
        made = self.temporary(dtype, x.shape)
        self.call("Cast", x, dtype, made)
        return made

    def packed(self, x: Ref) -> Ref:
        """Return a tensor whose elements lie in order, copied if they do not."""
        if x.layout.contiguous and x.offset == 0:
            return x
        made = self.temporary(x.dtype, x.shape)
        self.call("InplaceCopy", made, x)
        return made

    def filled(self, dtype: DType, shape: Shape, value: Any) -> Ref:
        """Return a new tensor of equal elements."""
        made = self.temporary(dtype, shape)
        self.fill(made, value)
        return made

    def fill(self, target: Ref, value: Any) -> None:
        """Add a call that writes one number into a whole tensor."""
        dtype = movable(self, "InplaceFillScalar", target.dtype)
        assert dtype is not None
        number = np.array(value).astype(target.dtype.numpy).view(dtype.numpy)[()]
        self.call("InplaceFillScalar", target.as_dtype(dtype), Scalar(number, dtype))

    def supports(self, name: str, dtype: DType) -> bool:
        """Return whether an operator takes a dtype on this chip."""
        taken = operator_prototypes()[name].dtypes_on(self.family.exceptions)
        return dtype.name in taken and dtype in self.family.dtypes

    def cube_math(self, name: str, dtype: DType) -> int:
        """Return ``cubeMathType`` for a product: how exact the user wants float32 to be.

        Raises
        ------
        Unsupported
            When the chip's cube unit lacks float32 and the user has not allowed less.
        """
        if dtype is not dtypes.float32:
            return 0
        precision = self.attributes.get("precision", "highest")
        if precision == "medium":
            return 1
        if not self.family.float32_products:
            raise Unsupported(
                f"{name}: the cube unit of {self.family.name} does not multiply float32; allow "
                "float16 products with hal.precision('medium'), or convert the tensors to float16"
            )
        return 3 if precision == "high" else 0


def _scalar(value: Any) -> Scalar:
    if isinstance(value, bool):
        return Scalar(value, dtypes.bool)
    return Scalar(value, dtypes.int64 if isinstance(value, int) else dtypes.float32)


_SIGNED = {
    dtypes.uint16: dtypes.int16,
    dtypes.uint32: dtypes.int32,
    dtypes.uint64: dtypes.int64,
}


def signed(x: Ref) -> Ref:
    """Return unsigned integers of 16 bits and more as the signed ones of the same bits."""
    return x.as_dtype(_SIGNED.get(x.dtype, x.dtype))


def movable(recipe: Recipe, name: str, dtype: DType) -> DType | None:
    """Return a dtype of the same size that an operator which only moves bytes takes, if any."""
    if recipe.supports(name, dtype):
        return dtype
    sizes: dict[int, Sequence[DType]] = {
        1: (dtypes.int8, dtypes.uint8),
        2: (dtypes.int16, dtypes.float16),
        4: (dtypes.int32, dtypes.float32),
        8: (dtypes.int64, dtypes.complex64),
        16: (dtypes.complex128,),
    }
    for candidate in sizes.get(dtype.itemsize, ()):
        if recipe.supports(name, candidate):
            return candidate
    return None
