"""What an operator is: a name, a shape and dtype rule, a NumPy reference, and a decomposition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any, NamedTuple, Protocol

import numpy as np

from hal.dtypes import DType, as_dtype
from hal.errors import DTypeError, HalError, HalIndexError, ShapeError, ValueRangeError
from hal.plugin.layout import Layout

__all__ = [
    "REQUIRED",
    "Evaluator",
    "Inference",
    "Operator",
    "ReferenceEvaluator",
    "define",
    "normalize_axes",
    "normalize_axis",
    "operators",
]

Shape = tuple[int, ...]
Inputs = tuple[Layout | None, ...]
Attributes = dict[str, Any]


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required()
"""The default of an attribute that a caller must give."""


class Inference(NamedTuple):
    """What an operator's rule says about a call.

    Attributes
    ----------
    dtypes : tuple of DType or None
        What each input is converted to before the kernel sees it; None for an absent input.
    outputs : tuple of (DType, shape)
    attributes : dict
        The attributes in canonical form.
    """

    dtypes: tuple[DType | None, ...]
    outputs: tuple[tuple[DType, Shape], ...]
    attributes: Attributes


class Evaluator(Protocol):
    """Calls operators by name: ``F.exp(x)``. Decompositions are written against it."""

    def __getattr__(self, name: str) -> Callable[..., Any]: ...


Rule = Callable[[str, Inputs, Attributes], Inference]
ViewRule = Callable[[Layout, Attributes], tuple[Shape, int] | None]


class Operator:
    """One operator. Made by :func:`define`, found in :data:`operators`.

    Attributes
    ----------
    name : str
    family : str
        The group it belongs to, for tables and documentation.
    reference : callable
        The meaning: ``reference(*arrays, **attributes)`` over NumPy arrays whose dtypes are the
        rule's, with canonical attributes; returns an array, or a tuple for several outputs.
    rule : callable
        ``rule(name, layouts, attributes)`` checks a call and returns its :class:`Inference`.
    defaults : dict
        Attribute names with default values, or :data:`REQUIRED`.
    decompose : callable or None
        ``decompose(F, *inputs, **attributes)`` writes the operator in terms of others; None for a
        primitive. Inputs have ``shape`` and ``dtype``.
    view : callable or None
        For an operator that only looks at memory differently: ``view(layout, attributes)`` returns
        the strides and the element offset of the result, or None where it needs a copy.
    """

    __slots__ = ("decompose", "defaults", "family", "name", "reference", "rule", "view")

    def __init__(
        self,
        name: str,
        family: str,
        reference: Callable[..., Any],
        rule: Rule,
        defaults: Attributes,
        decompose: Callable[..., Any] | None,
        view: ViewRule | None,
    ) -> None:
        self.name = name
        self.family = family
        self.reference = reference
        self.rule = rule
        self.defaults = defaults
        self.decompose = decompose
        self.view = view

    @property
    def primitive(self) -> bool:
        """Whether the operator has no decomposition, so that a device must bring it."""
        return self.decompose is None and self.view is None

    def infer(self, inputs: Sequence[Layout | None], attributes: Mapping[str, Any]) -> Inference:
        """Check a call and return the dtypes to convert to, the outputs, canonical attributes.

        Raises
        ------
        DTypeError, ShapeError, HalIndexError, ValueRangeError
            When the inputs or attributes do not fit the operator.
        """
        filled = {**self.defaults, **attributes}
        if len(filled) != len(self.defaults):
            unknown = ", ".join(sorted(set(attributes) - set(self.defaults)))
            known = ", ".join(self.defaults) or "none"
            raise DTypeError(f"{self.name}: unknown attributes {unknown}; it has: {known}")
        for key, value in filled.items():
            if value is REQUIRED:
                raise DTypeError(f"{self.name}: the attribute {key!r} must be given")
        try:
            inference = self.rule(self.name, tuple(inputs), filled)
        except HalError:
            raise
        # A rule may stumble over a value of the wrong type before it comes to judge it.
        except Exception as error:
            listed = ", ".join("None" if x is None else str(x) for x in inputs)
            raise DTypeError(
                f"{self.name}: {listed or 'no tensors'} with {dict(attributes)} do not fit the "
                f"operator, whose attributes are {self.defaults}: {error}"
            ) from None
        if len(inference.dtypes) != len(inputs):
            raise DTypeError(
                f"{self.name} takes {len(inference.dtypes)} tensors; got {len(inputs)}"
            )
        return inference

    def __repr__(self) -> str:
        return f"<operator {self.name}>"


operators: dict[str, Operator] = {}
"""Every operator of hal by name."""


def define(
    name: str,
    family: str,
    reference: Callable[..., Any],
    rule: Rule,
    decompose: Callable[..., Any] | None = None,
    view: ViewRule | None = None,
    **defaults: Any,
) -> Operator:
    """Create an operator and add it to :data:`operators`.

    Raises
    ------
    ValueRangeError
        When the name is taken: every operator is defined once.
    """
    if name in operators:
        raise ValueRangeError(f"an operator named {name!r} is already defined")
    op = Operator(name, family, reference, rule, defaults, decompose, view)
    operators[name] = op
    return op


class ReferenceEvaluator:
    """Evaluates operators on NumPy arrays by their references, as a device would.

    Examples
    --------
    >>> import numpy as np, hal.ops
    >>> ReferenceEvaluator().add(np.float32([1, 2]), 1)
    array([2., 3.], dtype=float32)
    """

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in operators:
            raise AttributeError(f"hal has no operator named {name!r}")
        op = operators[name]

        def evaluate(*inputs: Any, **attributes: Any) -> Any:
            like = next((x for x in inputs if isinstance(x, np.ndarray | np.generic)), None)
            arrays = [
                None if x is None else np.asarray(x, dtype=_scalar_dtype(x, like)) for x in inputs
            ]
            return evaluate_reference(op, arrays, attributes)

        return evaluate


def _scalar_dtype(value: Any, like: Any) -> Any:
    # NumPy's own scalars have a dtype, though some of them are Python numbers too.
    if isinstance(value, np.generic) or like is None:
        return None
    if isinstance(value, bool | int | float | complex):
        from hal.dtypes import promote_scalar

        return promote_scalar(as_dtype(like.dtype), value).numpy
    return None


def evaluate_reference(op: Operator, arrays: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
    """Run an operator's reference on host arrays, dtypes converted by its rule.

    Returns
    -------
    numpy.ndarray or tuple of numpy.ndarray
    """
    layouts = [None if a is None else Layout(as_dtype(a.dtype), a.shape) for a in arrays]
    inference = op.infer(layouts, attributes)
    cast = [
        None if a is None or d is None else a.astype(d.numpy, copy=False)
        for a, d in zip(arrays, inference.dtypes, strict=True)
    ]
    with np.errstate(all="ignore"):
        result = op.reference(*cast, **inference.attributes)
    if len(inference.outputs) == 1:
        return np.asarray(result)
    return tuple(np.asarray(r) for r in result)


def normalize_axis(name: str, axis: Any, ndim: int) -> int:
    """Return the axis counted from the front.

    Raises
    ------
    HalIndexError
        When there is no such axis.
    DTypeError
        When it is no integer.
    """
    try:
        found = index(axis)
    except TypeError:
        raise DTypeError(f"{name}: an axis must be an integer, not {axis!r}") from None
    if not -ndim <= found < ndim:
        allowed = f"from {-ndim} to {ndim - 1}" if ndim else "none: the tensor has no axes"
        raise HalIndexError(f"{name}: there is no axis {found}; allowed are {allowed}")
    return found % ndim


def normalize_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front, sorted; None means all of them.

    Raises
    ------
    HalIndexError, DTypeError
        As :func:`normalize_axis`.
    ShapeError
        When an axis is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    found = sorted(normalize_axis(name, a, ndim) for a in axes)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: the axes {axis} name an axis twice; name each once")
    return tuple(found)
