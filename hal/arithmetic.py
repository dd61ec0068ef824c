"""What the operators ``+``, ``<``, ``@`` and their like do on tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from hal.dispatch import call, constant, plans
from hal.errors import DTypeError, ShapeError
from hal.indexing import assign_item
from hal.ops import Operator, operators
from hal.plans import shortcut
from hal.storage import Value

if TYPE_CHECKING:
    from hal.tensor import Tensor

__all__ = ["Arithmetic"]

_NUMBER_LIMIT = 4096


def _convert(op: Operator, x: Value, other: Any, reflected: bool) -> Any:
    """Run a binary operator whose operands were not met before in this form."""
    if isinstance(other, Value):
        return call(op, x, other)
    if isinstance(other, np.generic):  # a NumPy scalar is a number like Python's
        other = other.item()
    if not isinstance(other, bool | int | float | complex):
        return _refused(op.name, other)
    number = constant(x.device, other, x.dtype)
    return call(op, number, x) if reflected else call(op, x, number)


def _refused(name: str, other: Any) -> Any:
    """Leave an operand to Python, unless it is an array that belongs on a device first."""
    if hasattr(other, "__array__") or hasattr(other, "__dlpack__"):
        raise DTypeError(
            f"{name}: {type(other).__name__} is no hal tensor; make one with hal.asarray(...)"
        )
    return NotImplemented


def _binary(name: str) -> Callable[[Any, Any], Tensor]:
    op = operators[name]
    cache = plans(op)
    # Plans and constants for Python numbers. Zero and NaN are no keys: -0.0 equals 0.0.
    numbers = shortcut()

    def method(self: Any, other: Any) -> Any:
        try:
            if other.__class__ is self.__class__:
                plan = cache[self._spec, other._spec]
            else:
                plan, other = numbers[self._spec, other.__class__, other]
        except (KeyError, TypeError):
            result = _convert(op, self, other, reflected=False)
            if isinstance(other, int | float) and other and other == other:
                number = constant(self.device, other, self.dtype)
                if (self._spec, number._spec) in cache:
                    if len(numbers) >= _NUMBER_LIMIT:
                        numbers.clear()
                    plan = cache[self._spec, number._spec]
                    numbers[self._spec, other.__class__, other] = plan, number
            return result
        return plan(self, other)

    method.__doc__ = f"Return ``{name}`` of the two operands, element by element."
    return method


def _reflected(name: str) -> Callable[[Any, Any], Tensor]:
    op = operators[name]

    def method(self: Any, other: Any) -> Any:
        return _convert(op, self, other, reflected=True)

    method.__doc__ = f"Return ``{name}`` of a number and a tensor."
    return method


def _in_place(name: str) -> Callable[[Any, Any], Tensor]:
    op = operators[name]

    def method(self: Any, other: Any) -> Any:
        result = _convert(op, self, other, reflected=False)
        if result is NotImplemented:
            return result
        if result.shape != self.shape:
            raise ShapeError(
                f"{name} in place: the result has shape {result.shape}, the tensor {self.shape}"
            )
        assign_item(self, result)
        return self

    method.__doc__ = f"Put ``{name}`` of the two operands into this tensor's memory."
    return method


def _unary(name: str) -> Callable[[Any], Tensor]:
    op = operators[name]
    cache = plans(op)

    def method(self: Any) -> Any:
        try:
            plan = cache[(self._spec,)]
        except KeyError:
            return call(op, self)
        return plan(self)

    method.__doc__ = f"Return ``{name}`` of each element."
    return method


class Arithmetic(Value):
    """The part of a tensor that Python's operators call.

    Integer, floating and boolean operands promote as the Python Array API standard says:
    https://data-apis.org/array-api/latest/API_specification/array_object.html#operators
    """

    __slots__ = ()
    # NumPy must not take hal's tensors apart behind the user's back: mixing is an error.
    __array_ufunc__ = None

    __add__ = _binary("add")
    __sub__ = _binary("subtract")
    __mul__ = _binary("multiply")
    __truediv__ = _binary("divide")
    __floordiv__ = _binary("floor_divide")
    __mod__ = _binary("remainder")
    __pow__ = _binary("power")
    __radd__ = _reflected("add")
    __rsub__ = _reflected("subtract")
    __rmul__ = _reflected("multiply")
    __rtruediv__ = _reflected("divide")
    __rfloordiv__ = _reflected("floor_divide")
    __rmod__ = _reflected("remainder")
    __rpow__ = _reflected("power")
    __iadd__ = _in_place("add")
    __isub__ = _in_place("subtract")
    __imul__ = _in_place("multiply")
    __itruediv__ = _in_place("divide")
    __ifloordiv__ = _in_place("floor_divide")
    __imod__ = _in_place("remainder")
    __ipow__ = _in_place("power")
    __eq__ = _binary("equal")  # type: ignore[assignment]
    __ne__ = _binary("not_equal")  # type: ignore[assignment]
    __lt__ = _binary("less")
    __le__ = _binary("less_equal")
    __gt__ = _binary("greater")
    __ge__ = _binary("greater_equal")
    __and__ = _binary("bitwise_and")
    __or__ = _binary("bitwise_or")
    __xor__ = _binary("bitwise_xor")
    __lshift__ = _binary("bitwise_left_shift")
    __rshift__ = _binary("bitwise_right_shift")
    __rand__ = _reflected("bitwise_and")
    __ror__ = _reflected("bitwise_or")
    __rxor__ = _reflected("bitwise_xor")
    __rlshift__ = _reflected("bitwise_left_shift")
    __rrshift__ = _reflected("bitwise_right_shift")
    __iand__ = _in_place("bitwise_and")
    __ior__ = _in_place("bitwise_or")
    __ixor__ = _in_place("bitwise_xor")
    __ilshift__ = _in_place("bitwise_left_shift")
    __irshift__ = _in_place("bitwise_right_shift")
    __neg__ = _unary("negative")
    __abs__ = _unary("abs")
    __invert__ = _unary("bitwise_invert")
    __hash__ = None  # type: ignore[assignment]

    def __pos__(self) -> Tensor:
        return call(operators["copy"], self)  # type: ignore[no-any-return]

    def __matmul__(self, other: Any) -> Tensor:
        return self._product(other)  # type: ignore[no-any-return]

    def __rmatmul__(self, other: Any) -> Any:
        return _refused("matmul", other)

    def __imatmul__(self, other: Any) -> Tensor:
        result = self._product(other)
        if result is NotImplemented:
            return NotImplemented
        if result.shape != self.shape:
            raise ShapeError(
                f"matmul in place: the result has shape {result.shape}, the tensor {self.shape}"
            )
        assign_item(self, result)
        return self  # type: ignore[return-value]

    def _product(self, other: Any) -> Any:
        from hal.precision import current_precision

        if not isinstance(other, Value):
            return _refused("matmul", other)
        return call(operators["matmul"], self, other, precision=current_precision())
