"""``hal.compile``: a function that is traced once for each signature and then run as a program."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload

from hal.device import Device, as_device
from hal.errors import DeviceError, DTypeError, TraceError, ValueRangeError
from hal.memory import base
from hal.plugin import Program, Released
from hal.precision import current_precision
from hal.program.asking import asking_once
from hal.program.execute import Executable
from hal.program.passes import optimize
from hal.program.trace import record
from hal.program.tree import flatten, unflatten
from hal.storage import Spec, Value

__all__ = ["Compiled", "compile"]

P = ParamSpec("P")
R = TypeVar("R")


class _Specialised:
    """A function's program for one signature, with the shape of what it returns."""

    __slots__ = ("executable", "shared", "tree")

    def __init__(self, executable: Executable, tree: Any) -> None:
        self.executable = executable
        self.tree = tree
        written = {x.buffer for call in executable.program.calls for x in call.outputs}
        self.shared = any(x.buffer in written for x in executable.program.inputs)


class Compiled(Generic[P, R]):
    """A compiled function; made by :func:`compile`. Call it as the function it was made of."""

    def __init__(self, function: Callable[P, R], device: Any, limit: int) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._device = device
        self._limit = limit
        self._known: OrderedDict[Hashable, _Specialised] = OrderedDict()
        self._lock = threading.RLock()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function's program, tracing it first for a signature that is new."""
        tensors, key = self._flat(args, kwargs)
        if any(x.device.tracer is not None for x in tensors):
            return self._function(*args, **kwargs)
        found = self._find(key, tensors, args, kwargs)
        if found.shared:
            _check_apart(tensors)
        results = found.executable(tensors)
        return cast(R, unflatten(found.tree, results))

    def program(self, *args: P.args, **kwargs: P.kwargs) -> Program:
        """Return the program that a call with these arguments runs; print it to read it.

        Examples
        --------
        >>> import hal
        >>> double = hal.compile(lambda x: x * 2)
        >>> print(double.program(hal.ones(3)))
        <lambda>(%0:float32[3])
          multiply %0:float32[3], %1:float32[] -> %2:float32[3]
          return %2:float32[3]
        """
        tensors, key = self._flat(args, kwargs)
        program = self._find(key, tensors, args, kwargs).executable.program
        if any(isinstance(c, Released) for c in program.constants.values()):
            return self._trace(tensors, args, kwargs)[0]  # A reader may want their values.
        return program

    def executable(self, *args: P.args, **kwargs: P.kwargs) -> Executable:
        """Return the program that a call with these arguments runs, with its memory plan."""
        tensors, key = self._flat(args, kwargs)
        return self._find(key, tensors, args, kwargs).executable

    def _flat(self, args: Any, kwargs: Any) -> tuple[list[Value], Hashable]:
        tensors, key = flatten((args, kwargs), _spec)
        return tensors, (key, current_precision())

    def _find(self, key: Hashable, tensors: list[Value], args: Any, kwargs: Any) -> _Specialised:
        with self._lock:
            found = self._known.get(key)
            if found is None:
                found = self._specialise(tensors, args, kwargs)
                while len(self._known) >= self._limit:
                    self._known.popitem(last=False)
                self._known[key] = found
            elif len(self._known) > 1:
                self._known.move_to_end(key)
        return found

    def _specialise(self, tensors: list[Value], args: Any, kwargs: Any) -> _Specialised:
        with asking_once():
            program, tree = self._trace(tensors, args, kwargs)
            executable = Executable(self._target(tensors), program)
            del program  # None but the executable holds constants that are not needed once packed.
            executable.prepare()
        return _Specialised(executable, tree)

    def _trace(self, tensors: list[Value], args: Any, kwargs: Any) -> tuple[Program, Any]:
        """Return the program that a call runs, and what it returns."""
        device = self._target(tensors)
        returned: list[Any] = []

        def run(symbols: list[Value]) -> list[Value]:
            given_args, given_kwargs = unflatten((args, kwargs), symbols)
            tree = self._function(*given_args, **given_kwargs)
            returned.append(tree)
            return flatten(tree, _spec)[0]

        name = getattr(self._function, "__name__", type(self._function).__name__)
        return optimize(record(name, device, tensors, run), device), returned[0]

    def _target(self, tensors: list[Value]) -> Device:
        devices = {x.device for x in tensors}
        if self._device is not None:
            devices.add(as_device(self._device))
        if len(devices) > 1:
            listed = ", ".join(sorted(d.name for d in devices))
            raise DeviceError(
                f"a compiled function runs on one device, its tensors are on: {listed}; "
                "move them with to_device(...)"
            )
        return devices.pop() if devices else as_device(None)


def _spec(value: Value) -> Spec:
    return value._spec


def _check_apart(tensors: list[Value]) -> None:
    """Raise when arguments share memory, though the function writes into some of them."""
    storages = [id(base(x)[0]) for x in tensors]
    if len(set(storages)) != len(storages):
        raise TraceError(
            "a compiled function that writes into its arguments got two that share memory; "
            "copy one of them"
        )


@overload
def compile(function: Callable[P, R], *, device: Any = None, limit: int = 32) -> Compiled[P, R]: ...
@overload
def compile(
    function: None = None, *, device: Any = None, limit: int = 32
) -> Callable[[Callable[P, R]], Compiled[P, R]]: ...
def compile(function: Any = None, *, device: Any = None, limit: int = 32) -> Any:
    """Return a function that runs as a planned program instead of call by call.

    The first call with tensors of given shapes, dtypes, strides and device traces the function:
    it runs once on stand-ins for the tensors, and what it does to them is recorded, simplified,
    and prepared, with every buffer planned ahead. Later calls with the same signature run the
    recorded program. Other arguments are part of the signature by value.

    The function may use everything of hal but the values of its tensors: ``if x.sum() > 0``
    raises :class:`hal.TraceError`. It may write into its arguments. Tensors that it uses but does
    not get as arguments are taken as constants: they must not change after the first call.

    Parameters
    ----------
    function : callable
        Takes and returns tensors, alone or in tuples, lists and dictionaries.
    device : Device or str, optional
        Where it runs; where its tensors are when left out.
    limit : int
        How many signatures are kept; the one unused for longest is dropped.

    Returns
    -------
    Compiled
        With the method ``program(...)`` to look at what will run.

    Examples
    --------
    >>> import hal
    >>> @hal.compile
    ... def scaled(x, y):
    ...     return (x - x.mean()) * y
    >>> scaled(hal.asarray([1.0, 3.0]), 2.0)
    Tensor([-2.,  2.], dtype=float32, device='cpu:0')
    """
    if function is None:
        return functools.partial(compile, device=device, limit=limit)
    if not callable(function):
        raise DTypeError(f"hal.compile takes a function, not {type(function).__name__}")
    if not isinstance(limit, int) or limit < 1:
        raise ValueRangeError(f"limit is {limit!r}; it must be an integer of 1 or more")
    return Compiled(function, device, limit)
