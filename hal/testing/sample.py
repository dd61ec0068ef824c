"""Samples: for each operator, inputs and attributes it is tried with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from hal.dtypes import ALL, DType
from hal.errors import DTypeError, HalError, ValueRangeError
from hal.ops import Operator
from hal.plugin import Layout
from hal.testing.values import Values, ordinary

__all__ = ["Input", "Sample", "Sampler", "family_sampler", "sampler", "samples_of"]


@dataclass(frozen=True)
class Input:
    """One input of a sample.

    Attributes
    ----------
    shape : tuple of int
    values : callable
        What it is filled with; see :mod:`hal.testing.values`.
    dtype : DType or None
        Its own dtype, for indices and masks; None for the dtype under test.
    """

    shape: tuple[int, ...]
    values: Values = ordinary
    dtype: DType | None = None

    def of(self, dtype: DType) -> DType:
        """Return the dtype it has where ``dtype`` is under test."""
        return self.dtype or dtype


@dataclass(frozen=True)
class Sample:
    """Inputs and attributes for one call.

    Attributes
    ----------
    inputs : tuple of Input or None
    attributes : mapping
    note : str
        What is special about it, for the case's name.
    layouts : bool
        Whether the kit also tries it with inputs that lie in memory in every other way.
    delicate : bool
        Whether other values would not do, as those of an invertible matrix: the ways in which
        elements share memory are left out.
    large : bool
        Whether ``--quick`` leaves it out.
    """

    inputs: tuple[Input | None, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    layouts: bool = False
    delicate: bool = False
    large: bool = False


Sampler = Callable[[Operator, DType], Iterator[Sample]]

_by_name: dict[str, Sampler] = {}
_by_family: dict[str, Sampler] = {}
_MODULES = (
    "elementwise",
    "reduction",
    "movement",
    "indexing",
    "product",
    "linalg",
    "layers",
    "recurrent",
    "spatial",
    "fused",
)


def sampler(*names: str) -> Callable[[Sampler], Sampler]:
    """Register a generator of samples for operators.

    Examples
    --------
    >>> from hal.testing.sample import Input, Sample, sampler
    >>> @sampler("my_operator")
    ... def my_operator(op, dtype):
    ...     yield Sample((Input((3, 4)),), {"axis": 0})
    """

    def keep(function: Sampler) -> Sampler:
        for name in names:
            _by_name[name] = function
        return function

    return keep


def family_sampler(*families: str) -> Callable[[Sampler], Sampler]:
    """Register what serves the operators of a family that have no generator of their own."""

    def keep(function: Sampler) -> Sampler:
        for family in families:
            _by_family[family] = function
        return function

    return keep


def samples_of(op: Operator, dtype: DType) -> list[Sample]:
    """Return an operator's samples in a dtype; none where it is not defined for the dtype.

    Raises
    ------
    ValueRangeError
        When nobody has written samples for the operator.

    Examples
    --------
    >>> import hal
    >>> from hal.ops import operators
    >>> len(samples_of(operators["exp"], hal.float32)) > 5, samples_of(operators["exp"], hal.int8)
    (True, [])
    """
    return [s for s in _generator(op)(op, dtype) if _takes(op, s, dtype)]


def covered(op: Operator) -> Sequence[DType]:
    """Return the dtypes an operator has samples for."""
    return [dtype for dtype in ALL if samples_of(op, dtype)]


def _generator(op: Operator) -> Sampler:
    for module in _MODULES:
        import_module(f"hal.testing.samples.{module}")
    found = _by_name.get(op.name) or _by_family.get(op.family)
    if found is None:
        raise ValueRangeError(
            f"the operator {op.name!r} (family {op.family!r}) has no test cases; write a generator "
            f"of samples for it in a module of hal/testing/samples:\n"
            f"    @sampler({op.name!r})\n    def {op.name}(op, dtype):\n"
            "        yield Sample((Input((3, 4)),), {...attributes...}, layouts=True)"
        )
    return found


def _takes(op: Operator, sample: Sample, dtype: DType) -> bool:
    """Return whether the operator is calculated in the dtype itself, without conversion."""
    layouts = [None if i is None else Layout(i.of(dtype), i.shape) for i in sample.inputs]
    try:
        inference = op.infer(layouts, sample.attributes)
    except DTypeError:
        return False
    except HalError as error:
        raise ValueRangeError(f"the sample {sample} does not fit {op.name}: {error}") from error
    return all(
        x is None or wanted is x.dtype for x, wanted in zip(layouts, inference.dtypes, strict=True)
    )
