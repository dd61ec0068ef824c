"""Whatever is passed to hal's public functions: a result, or an error of hal's, never a crash.

``pytest --hypothesis-profile=thorough`` tries many more arguments.
"""

from __future__ import annotations

import inspect
import operator
import re
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal import array_api, fft, linalg, nn
from hal.dtypes import ALL

EXAMPLES = max(10, settings().max_examples // 10)

# Sizes beyond any machine's memory: what is smaller would be allocated and filled.
huge = st.sampled_from([2**40, 2**62, 2**63, -(2**63), 10**30])
special = st.sampled_from([float("nan"), float("inf"), -0.0, 1e300, True, 1j])
integers = st.integers(-3, 4)
numbers = st.one_of(integers, st.floats(-2, 2), special, huge)
words = st.sampled_from(["same", "valid", "linear", "nearest", "left", "right", "xy", "tanh", ""])
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
few = st.one_of(integers, huge, st.lists(integers, max_size=3).map(tuple), st.none())
hosts = st.builds(
    lambda shape, dtype: np.ones(shape, dtype),
    shapes,
    st.sampled_from(["f4", "i8", "?", "c8", "M8[s]", "U1", "O", ">i2"]),
)


@st.composite
def tensors(draw):
    dtype = draw(st.sampled_from(ALL[:15] if draw(st.integers(0, 4)) else ALL))
    shape = draw(st.sampled_from([(3,), (2, 3), (3, 3), (2, 3, 4), (1, 2, 4, 4)]) | shapes)
    host = (np.arange(256) % 5).astype(dtype.numpy)
    x = hal.asarray(host[: int(np.prod(shape))].reshape(shape), copy=True, device="cpu:0")
    change = draw(st.integers(0, 5)) if x.ndim else 0
    if change == 1:
        x = x[::-1]
    if change == 2 and x.ndim >= 2:
        x = x.mT
    if change == 3:
        x = x[..., ::2]
    return x


wild = st.recursive(
    st.one_of(
        numbers,
        words,
        tensors(),
        hosts,
        st.none(),
        st.sampled_from(ALL),
        st.builds(slice, few, few, few),
        st.sampled_from([b"x", {}, object(), Ellipsis, range(3), int, "float32", "cpu:0", "cpu:9"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)
indices = st.one_of(
    integers, huge, st.none(), st.just(Ellipsis), st.builds(slice, few, few, few), tensors(), wild
)

# What a parameter of this name would usually get.
USUAL = {
    "axis": few,
    "axes": few,
    "dtype": st.sampled_from(ALL),
    "device": st.just("cpu:0"),
    "shape": shapes | few,
    "key": indices | st.lists(indices, max_size=4).map(tuple),
}


def usual(parameter):
    """Return a strategy for a parameter: mostly what it would usually get, at times anything."""
    if parameter.name in USUAL:
        return USUAL[parameter.name]
    kind = str(parameter.annotation)
    if parameter.default is None or parameter.default is inspect.Parameter.empty:
        return numbers | few if "int" in kind or "float" in kind else tensors() | few
    return st.one_of(st.just(parameter.default), numbers, few)


@st.composite
def arguments(draw, function):
    """Draw arguments that a call of the function accepts as such."""
    positional, named = [], {}
    for parameter in inspect.signature(function).parameters.values():
        strategy = wild if draw(st.integers(0, 7)) == 0 else usual(parameter)
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += draw(st.lists(strategy, max_size=4))
        elif parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(draw(strategy))
        elif parameter.kind is parameter.KEYWORD_ONLY and draw(st.booleans()):
            named[parameter.name] = draw(strategy)
    return positional, named


def answers(function, *positional, **named):
    """Call a function; return what it gave, or None for an error of hal's."""
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        try:
            return function(*positional, **named)
        except hal.HalError:
            return None


REFUSALS = (
    "unsupported operand|'.*' not supported|can only concat|operand 'Tensor' does not support"
)


def python_may_refuse(function):
    """Let the error pass with which Python or NumPy says that two operands do not go together."""

    def call(*operands):
        try:
            return function(*operands)
        except TypeError as error:
            if not re.match(REFUSALS, str(error)):
                raise
            return None

    return call


def check(result):
    """Whatever tensors a result holds are whole: their values can be read and shown."""
    if isinstance(result, hal.Tensor):
        if result.nbytes < 2**20:
            assert result.numpy().shape == result.shape
            assert result.numpy().dtype == result.dtype.numpy
            assert repr(result).startswith("Tensor(")
    elif isinstance(result, tuple | list):
        for part in result:
            check(part)


FUNCTIONS = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in (array_api, nn, linalg, fft)
    for name in module.__all__
    if inspect.isfunction(getattr(module, name))
}
METHODS = {
    name: method
    for name, method in inspect.getmembers(hal.Tensor, inspect.isfunction)
    if name[0] != "_" or name in ("__getitem__", "__setitem__", "__contains__", "__len__")
}
PROPERTIES = [n for n, v in inspect.getmembers(hal.Tensor) if isinstance(v, property)]
OPERATORS = (
    "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift lt le eq ne gt ge "
    "iadd isub imul itruediv ifloordiv imod ipow imatmul iand ior ixor ilshift irshift"
)
fuzz = settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("name", FUNCTIONS)
@fuzz
@given(data=st.data())
def test_a_function_gives_a_result_or_an_error_of_hals(name, data):
    positional, named = data.draw(arguments(FUNCTIONS[name]))
    check(answers(FUNCTIONS[name], *positional, **named))


@pytest.mark.parametrize("name", METHODS)
@fuzz
@given(data=st.data())
def test_a_method_gives_a_result_or_an_error_of_hals(name, data):
    x = data.draw(tensors())
    bound = METHODS[name].__get__(x)
    positional, named = data.draw(arguments(bound))
    check(answers(bound, *positional, **named))


@pytest.mark.parametrize("name", PROPERTIES)
@fuzz
@given(x=tensors())
def test_a_property_gives_a_result_or_an_error_of_hals(name, x):
    check(answers(getattr, x, name))


@pytest.mark.parametrize("name", OPERATORS.split(" "))
@fuzz
@given(x=tensors(), other=tensors() | numbers | hosts | wild, swapped=st.booleans())
def test_an_operator_gives_a_result_or_an_error_of_hals(name, x, other, swapped):
    function = getattr(operator, name)
    known = isinstance(other, hal.Tensor | int | float | complex) and "matmul" not in name
    if not (known or (isinstance(other, np.ndarray) and not swapped)):
        function = python_may_refuse(function)
    check(answers(function, other, x) if swapped else answers(function, x, other))


@fuzz
@given(values=st.one_of(wild, st.lists(wild, max_size=3)))
def test_whatever_is_made_a_tensor_gives_a_result_or_an_error_of_hals(values):
    check(answers(hal.asarray, values))
