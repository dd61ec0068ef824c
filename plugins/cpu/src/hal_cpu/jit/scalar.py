"""What each operator does to single values, as LLVM code; decompositions are followed."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir

from hal import dtypes
from hal.dtypes import DType, as_dtype, promote_scalar
from hal.ops import operators
from hal.plugin import Layout
from hal_cpu.jit.real import FUNCTIONS, intrinsic

__all__ = ["HALVES", "MEMORY", "NotVectorised", "Scalar", "emit", "load", "store"]

_I1, _I8, _I16, _I32 = (ir.IntType(n) for n in (1, 8, 16, 32))
_FLOAT = ir.FloatType()
_REGISTER: dict[DType, Any] = {
    dtypes.bool: _I1,
    dtypes.int8: _I8,
    dtypes.int16: ir.IntType(16),
    dtypes.int32: ir.IntType(32),
    dtypes.int64: ir.IntType(64),
    dtypes.uint8: _I8,
    dtypes.uint16: ir.IntType(16),
    dtypes.uint32: ir.IntType(32),
    dtypes.uint64: ir.IntType(64),
    dtypes.float32: _FLOAT,
    dtypes.float64: ir.DoubleType(),
}
MEMORY: dict[DType, Any] = {**_REGISTER, dtypes.bool: _I8}
"""How an element lies in memory, for each dtype that loops are made for."""


def _converts_float16() -> bool:
    """Return whether the processor has instructions between float16 and float32."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    try:
        with open("/proc/cpuinfo") as file:
            return any(line.startswith("flags") and "f16c" in line.split() for line in file)
    except OSError:
        return False


# Half precision is calculated with in float32 and rounded after each operator, which is exact: a
# float32 has more than twice the digits. Processors without instructions for it go without loops.
MEMORY[dtypes.bfloat16] = _I16
if _converts_float16():
    MEMORY[dtypes.float16] = ir.HalfType()
HALVES = tuple([x for x in (dtypes.float16, dtypes.bfloat16) if x in MEMORY])
"""The dtypes of half precision that loops are made for."""
_REGISTER.update(dict.fromkeys(HALVES, _FLOAT))


class NotVectorised(Exception):
    """An operator, or a dtype, for which no loop is made."""


class Scalar(NamedTuple):
    """One element while it is calculated with: what a decomposition takes for a tensor."""

    value: Any
    dtype: DType
    shape: tuple[int, ...] = ()


def load(b: ir.IRBuilder, pointer: Any, dtype: DType) -> Scalar:
    """Read an element."""
    value = b.load(pointer)
    if dtype is dtypes.bool:
        value = b.icmp_unsigned("!=", value, ir.Constant(_I8, 0))
    elif dtype in HALVES:
        value = _long(b, value, dtype)
    return Scalar(value, dtype)


def _long(b: ir.IRBuilder, value: Any, dtype: DType) -> Any:
    """Return what lies in memory in half precision as a float32."""
    if dtype is dtypes.float16:
        return b.fpext(value, _FLOAT)
    return b.bitcast(b.shl(b.zext(value, _I32), ir.Constant(_I32, 16)), _FLOAT)


def store(b: ir.IRBuilder, scalar: Scalar, pointer: Any) -> None:
    """Write an element."""
    value = scalar.value
    if scalar.dtype is dtypes.bool:
        value = b.zext(value, _I8)
    elif scalar.dtype in HALVES:
        value = _short(b, value, scalar.dtype)
    b.store(value, pointer)


def _short(b: ir.IRBuilder, value: Any, dtype: DType) -> Any:
    """Return a float32 as it lies in memory in half precision, rounded to the nearest."""
    if dtype is dtypes.float16:
        return b.fptrunc(value, MEMORY[dtype])
    bits = b.bitcast(value, _I32)
    odd = b.and_(b.lshr(bits, ir.Constant(_I32, 16)), ir.Constant(_I32, 1))
    near = b.add(b.add(bits, ir.Constant(_I32, 0x7FFF)), odd)
    # What is no number stays none, whatever its digits.
    none = b.or_(bits, ir.Constant(_I32, 0x400000))
    chosen = b.select(b.fcmp_unordered("uno", value, value), none, near)
    return b.trunc(b.lshr(chosen, ir.Constant(_I32, 16)), _I16)


def _rounded(b: ir.IRBuilder, value: Any, dtype: DType) -> Scalar:
    """Return a value as one of a dtype: in half precision, a float32 that it can represent."""
    if dtype in HALVES:
        value = _long(b, _short(b, value, dtype), dtype)
    return Scalar(value, dtype)


def emit(b: ir.IRBuilder, name: str, operands: tuple[Any, ...], attributes: dict[str, Any]) -> Any:
    """Return the result of an operator on scalars; Python numbers among them become constants.

    Raises
    ------
    NotVectorised
        When there is neither code for the operator nor a decomposition into what there is.
    """
    op = operators[name]
    given = _operands(operands)
    layouts = tuple([None if x is None else Layout(x.dtype, ()) for x in given])
    inference = op.infer(layouts, attributes)
    converted = [
        x if x is None or d is None or x.dtype is d else _cast(b, x, d)
        for x, d in zip(given, inference.dtypes, strict=True)
    ]
    out = inference.outputs[0][0]
    if out not in _REGISTER:
        raise NotVectorised(f"{out}")
    if name == "cast":
        return _cast(b, converted[0], out)
    kind = converted[0].dtype.kind if converted and converted[0] is not None else ""
    code = _CODE.get((name, kind)) or _CODE.get((name, "any"))
    if code is not None:
        values = [x.value for x in converted if x is not None]
        return _rounded(b, code(b, *values), out)
    function = FUNCTIONS.get(name)
    if function is not None and (out is dtypes.float32 or out in HALVES):
        return _rounded(b, function(b, converted[0].value), out)
    if op.decompose is None:
        raise NotVectorised(name)
    return op.decompose(_Emitter(b), *converted, **inference.attributes)


class _Emitter:
    """Stands for the evaluator of a decomposition."""

    def __init__(self, b: ir.IRBuilder) -> None:
        self._builder = b

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return lambda *operands, **attributes: emit(self._builder, name, operands, attributes)


def _operands(operands: tuple[Any, ...]) -> list[Any]:
    like = next((x.dtype for x in operands if isinstance(x, Scalar)), None)
    found: list[Any] = []
    for x in operands:
        if isinstance(x, bool | int | float):
            dtype = as_dtype(type(x)) if like is None else promote_scalar(like, x)
            found.append(Scalar(_constant(dtype, x), dtype))
        else:
            found.append(x)
    return found


def _constant(dtype: DType, value: Any) -> ir.Constant:
    if dtype not in _REGISTER:
        raise NotVectorised(f"{dtype}")
    with np.errstate(all="ignore"):
        rounded = np.asarray(value, dtype.numpy)[()]
    plain = float(rounded) if dtype.kind == "float" else int(rounded)
    return ir.Constant(_REGISTER[dtype], plain)


def _cast(b: ir.IRBuilder, x: Scalar, dtype: DType) -> Scalar:
    if dtype not in _REGISTER or x.dtype not in _REGISTER:
        raise NotVectorised(f"{x.dtype} to {dtype}")
    if dtype is x.dtype:
        return x
    target, value = _REGISTER[dtype], x.value
    real = x.dtype.kind == "float"
    if dtype is dtypes.bool:
        zero = ir.Constant(value.type, 0.0 if real else 0)
        compare = b.fcmp_unordered if real else b.icmp_unsigned
        return Scalar(compare("!=", value, zero), dtype)
    if dtype in HALVES:
        exact = x.dtype.bits <= 16 or x.dtype is dtypes.float32
        if not exact:
            raise NotVectorised(f"{x.dtype} to {dtype}")  # it would be rounded twice
        if not real:
            value = _cast(b, x, dtypes.float32).value
        return _rounded(b, value, dtype)
    if x.dtype in HALVES:
        x = Scalar(value, dtypes.float32)
        return x if dtype is dtypes.float32 else _cast(b, x, dtype)
    if real and dtype.kind == "float":
        return Scalar((b.fpext if dtype.bits > x.dtype.bits else b.fptrunc)(value, target), dtype)
    if real:
        raise NotVectorised("float to integer")  # what NumPy gives out of range is its own
    unsigned = x.dtype.kind in ("uint", "bool")
    if dtype.kind == "float":
        return Scalar((b.uitofp if unsigned else b.sitofp)(value, target), dtype)
    width = 1 if x.dtype is dtypes.bool else x.dtype.bits
    if dtype.bits > width:
        return Scalar((b.zext if unsigned else b.sext)(value, target), dtype)
    return Scalar(b.trunc(value, target) if dtype.bits < width else value, dtype)


# Code by operator and kind of operand


def _float_extreme(compare: str) -> Callable[..., Any]:
    def code(b: ir.IRBuilder, x: Any, y: Any) -> Any:
        found = b.select(b.fcmp_ordered(compare, x, y), x, y)
        return b.select(b.fcmp_unordered("uno", x, x), x, found)

    return code


def _integer_extreme(compare: str, signed: bool) -> Callable[..., Any]:
    def code(b: ir.IRBuilder, x: Any, y: Any) -> Any:
        test = b.icmp_signed if signed else b.icmp_unsigned
        return b.select(test(compare, x, y), x, y)

    return code


def _sign(b: ir.IRBuilder, x: Any) -> Any:
    zero, one = ir.Constant(x.type, 0.0), ir.Constant(x.type, 1.0)
    rest = b.select(b.fcmp_ordered("==", x, zero), zero, x)
    rest = b.select(b.fcmp_ordered("<", x, zero), ir.Constant(x.type, -1.0), rest)
    return b.select(b.fcmp_ordered(">", x, zero), one, rest)


def _not_finite(b: ir.IRBuilder, x: Any) -> Any:
    infinite = ir.Constant(x.type, float("inf"))
    return b.fcmp_unordered("==", intrinsic(b, "fabs", x), infinite)


_CODE: dict[tuple[str, str], Callable[..., Any]] = {
    ("add", "float"): lambda b, x, y: b.fadd(x, y),
    ("subtract", "float"): lambda b, x, y: b.fsub(x, y),
    ("multiply", "float"): lambda b, x, y: b.fmul(x, y),
    ("divide", "float"): lambda b, x, y: b.fdiv(x, y),
    ("negative", "float"): lambda b, x: b.fneg(x),
    ("abs", "float"): lambda b, x: intrinsic(b, "fabs", x),
    ("sqrt", "float"): lambda b, x: intrinsic(b, "sqrt", x),
    ("floor", "float"): lambda b, x: intrinsic(b, "floor", x),
    ("ceil", "float"): lambda b, x: intrinsic(b, "ceil", x),
    ("trunc", "float"): lambda b, x: intrinsic(b, "trunc", x),
    ("round", "float"): lambda b, x: intrinsic(b, "roundeven", x),
    ("copysign", "float"): lambda b, x, y: intrinsic(b, "copysign", x, y),
    ("maximum", "float"): _float_extreme(">"),
    ("minimum", "float"): _float_extreme("<"),
    ("sign", "float"): _sign,
    ("isnan", "float"): lambda b, x: b.fcmp_unordered("uno", x, x),
    ("isinf", "float"): lambda b, x: b.fcmp_ordered(
        "==", intrinsic(b, "fabs", x), ir.Constant(x.type, float("inf"))
    ),
    ("isfinite", "float"): lambda b, x: b.not_(_not_finite(b, x)),
    ("equal", "float"): lambda b, x, y: b.fcmp_ordered("==", x, y),
    ("not_equal", "float"): lambda b, x, y: b.fcmp_unordered("!=", x, y),
    ("logical_and", "bool"): lambda b, x, y: b.and_(x, y),
    ("logical_or", "bool"): lambda b, x, y: b.or_(x, y),
    ("logical_xor", "bool"): lambda b, x, y: b.xor(x, y),
    ("logical_not", "bool"): lambda b, x: b.not_(x),
    ("where", "any"): lambda b, test, x, y: b.select(test, x, y),
}
for _name, _sign_of in (
    ("less", "<"),
    ("less_equal", "<="),
    ("greater", ">"),
    ("greater_equal", ">="),
):
    _CODE[_name, "float"] = lambda b, x, y, c=_sign_of: b.fcmp_ordered(c, x, y)
    _CODE[_name, "int"] = lambda b, x, y, c=_sign_of: b.icmp_signed(c, x, y)
    _CODE[_name, "uint"] = lambda b, x, y, c=_sign_of: b.icmp_unsigned(c, x, y)
for _kind in ("int", "uint"):
    _CODE["add", _kind] = lambda b, x, y: b.add(x, y)
    _CODE["subtract", _kind] = lambda b, x, y: b.sub(x, y)
    _CODE["multiply", _kind] = lambda b, x, y: b.mul(x, y)
    _CODE["negative", _kind] = lambda b, x: b.neg(x)
    _CODE["maximum", _kind] = _integer_extreme(">", _kind == "int")
    _CODE["minimum", _kind] = _integer_extreme("<", _kind == "int")
for _kind in ("int", "uint", "bool"):
    _CODE["equal", _kind] = lambda b, x, y: b.icmp_unsigned("==", x, y)
    _CODE["not_equal", _kind] = lambda b, x, y: b.icmp_unsigned("!=", x, y)
    _CODE["bitwise_and", _kind] = lambda b, x, y: b.and_(x, y)
    _CODE["bitwise_or", _kind] = lambda b, x, y: b.or_(x, y)
    _CODE["bitwise_xor", _kind] = lambda b, x, y: b.xor(x, y)
    _CODE["bitwise_invert", _kind] = lambda b, x: b.not_(x)
