"""A model ready to run on a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

from hal.device import as_device
from hal.errors import DTypeError, Unsupported, ValueRangeError
from hal.onnx.execution import Observer, Run
from hal.onnx.folding import changes, fold_constants
from hal.onnx.graph import Builder
from hal.onnx.limits import Limits
from hal.onnx.programs import Programs
from hal.onnx.reading import check_model, damage, open_model, without_weights
from hal.onnx.types import ValueType, checked, value_type
from hal.onnx.values import is_text, to_device
from hal.precision import precision as precision_level
from hal.profiling import Profile
from hal.stream import Stream

__all__ = ["Session", "load"]


class Session:
    """A model on a device: call it with inputs by name. Made by :func:`hal.onnx.load`.

    Attributes
    ----------
    inputs : tuple of ValueType
        What a call must give: name, dtype and shape.
    outputs : tuple of ValueType
        What a call returns.
    device : Device
    model : onnx.ModelProto
        As it was given; of one that was read from a file or from bytes, large weights are left out
        and inputs stand for them.
    """

    def __init__(
        self,
        source: Any,
        device: Any,
        limits: Limits,
        check: bool,
        compile: bool | None,
        observer: Observer | None,
    ) -> None:
        if compile and observer is not None:
            raise ValueRangeError("a compiled program runs no nodes that an observer could see")
        self.device = as_device(device)
        self.limits = limits
        self._observer = observer
        with damage():
            self.model, folder, raw = open_model(source, limits)
            self._graph = Builder(self.model, folder, limits, raw).build()
            if check:
                check_model(self.model)
            graph = self.model.graph
            declared = {i.name: value_type(i) for i in graph.input}
            self.inputs: tuple[ValueType, ...] = tuple(
                t for name, t in declared.items() if name not in self._graph.constants
            )
            self.outputs: tuple[ValueType, ...] = tuple(value_type(o) for o in graph.output)
            if self.model is not source:
                self.model = without_weights(self.model)
        self._declared = declared
        fold_constants(self._graph, Run(self.device, limits, observer), set(declared))
        self._programs = Programs(self._calculate, self.device, always=bool(compile))
        if any(map(changes, self._graph.steps)):
            why = "the model draws random numbers, which a compiled program would repeat"
            if compile:
                raise Unsupported(f"{why}; load it without compile")
            self._programs.give_up(why)
        elif observer is not None:
            self._programs.give_up("an observer sees each node run")
        elif compile is False:
            self._programs.give_up("asked for")

    @property
    def eager(self) -> str:
        """Why the model runs node by node; empty where it runs as a program.

        Known from the second call on: the first runs node by node unless ``compile=True``.
        """
        return self._programs.obstacle

    def __call__(self, **inputs: Any) -> dict[str, Any]:
        """Run the model on inputs given by name; see :meth:`run`."""
        return self.run(inputs)

    def run(
        self,
        inputs: Mapping[str, Any],
        outputs: Iterable[str] | None = None,
        *,
        stream: Stream | None = None,
        precision: str | None = None,
    ) -> dict[str, Any]:
        """Run the model.

        Parameters
        ----------
        inputs : mapping
            Values by name. Tensors on the session's device are used as they are; NumPy arrays and
            numbers are copied to it.
        outputs : iterable of str, optional
            Which outputs to return; all when left out.
        stream : Stream, optional
            The stream to run on.
        precision : {"highest", "high", "medium"}, optional
            As :func:`hal.precision`.

        Returns
        -------
        dict
            Values by name: tensors on the device, NumPy arrays of strings, lists for sequences,
            None for an empty optional.

        Raises
        ------
        DTypeError, ShapeError, ValueRangeError
            When the inputs are not those that the model takes.
        ModelError, Unsupported
            When a node does not fit its inputs.

        Examples
        --------
        >>> import hal.onnx, numpy as np
        >>> from onnx import parser
        >>> model = parser.parse_model('''
        ...     <ir_version: 10, opset_import: ["" : 22]>
        ...     double (float[n] x) => (float[n] y) { y = Add(x, x) }
        ... ''')
        >>> session = hal.onnx.load(model, device="cpu:0")
        >>> session.run({"x": np.float32([1, 2])})["y"]
        Tensor([2., 4.], dtype=float32, device='cpu:0')
        """
        with ExitStack() as stack:
            if stream is not None:
                stack.enter_context(stream)
            if precision is not None:
                stack.enter_context(precision_level(precision))
            return self._run(inputs, outputs)

    @property
    def nodes(self) -> int:
        """How many nodes a run takes, those of branches, loops and functions left out."""
        return len(self._graph.steps)

    def prepare(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Make the model as quick as it gets for inputs of these shapes and dtypes, by running it.

        Parameters
        ----------
        inputs : mapping
            As for :meth:`run`.

        Returns
        -------
        dict
            The inputs, on the session's device.

        Examples
        --------
        >>> import hal.onnx, numpy as np
        >>> from onnx import parser
        >>> model = parser.parse_model('''
        ...     <ir_version: 10, opset_import: ["" : 22]>
        ...     double (float[n] x) => (float[n] y) { y = Add(x, x) }
        ... ''')
        >>> session = hal.onnx.load(model, device="cpu:0")
        >>> session.prepare({"x": np.float32([1, 2])})
        {'x': Tensor([1., 2.], dtype=float32, device='cpu:0')}
        """
        given = self._given(inputs)
        self._programs.expect(given)
        # A device may record the second run, to replay it from then on.
        for _ in range(2):
            self._run(given, None)
        return given

    def profile(self, inputs: Mapping[str, Any], repeat: int = 1) -> Profile:
        """Run the model inside :class:`hal.profile`, which records each node by its name.

        Parameters
        ----------
        inputs : mapping
            As for :meth:`run`.
        repeat : int
            How often; the runs that prepare it come on top and are not counted.

        Returns
        -------
        Profile
            ``profile.table("name")`` sums it by node.

        Examples
        --------
        >>> import hal.onnx, numpy as np
        >>> from onnx import parser
        >>> model = parser.parse_model('''
        ...     <ir_version: 10, opset_import: ["" : 22]>
        ...     double (float[n] x) => (float[n] y) { y = Add(x, x) }
        ... ''')
        >>> profile = hal.onnx.load(model, device="cpu:0").profile({"x": np.float32([1])})
        >>> [(row.name, row.operator, row.calls) for row in profile.rows("name")]
        [('y', 'add', 1)]
        """
        if not isinstance(repeat, int) or repeat < 1:
            raise ValueRangeError(f"repeat is {repeat!r}; it must be a number of runs, 1 or more")
        given = self.prepare(inputs)
        with Profile() as profile:
            for _ in range(repeat):
                self._run(given, None)
        return profile

    def _run(self, inputs: Mapping[str, Any], outputs: Iterable[str] | None) -> dict[str, Any]:
        names, given = self._wanted(outputs), self._given(inputs)
        found = self._programs.choose(given)(given)
        values = dict(zip(self._graph.outputs, found, strict=True))
        return {name: values[name] for name in names}

    def _calculate(self, given: dict[str, Any]) -> list[Any]:
        run = Run(self.device, self.limits, self._observer)
        return [self._placed(value) for value in run.graph(self._graph, given)]

    def _wanted(self, outputs: Iterable[str] | None) -> list[str]:
        if outputs is None:
            return list(self._graph.outputs)
        names = [outputs] if isinstance(outputs, str) else list(outputs)
        for name in names:
            if name not in self._graph.outputs:
                listed = ", ".join(self._graph.outputs)
                raise ValueRangeError(f"the model has no output {name!r}; it has: {listed}")
        return names

    def _given(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        if not isinstance(inputs, Mapping):
            raise DTypeError(
                f"inputs are a mapping from names to values, not {type(inputs).__name__}"
            )
        unknown = [n for n in inputs if n not in self._declared]
        missing = [t.name for t in self.inputs if t.name not in inputs and t.kind != "optional"]
        if unknown or missing:
            wrong = f"unknown: {', '.join(map(str, unknown))}" if unknown else ""
            wrong += "; " * bool(unknown and missing)
            wrong += f"missing: {', '.join(missing)}" if missing else ""
            listed = ", ".join(f"{t.name}: {t}" for t in self.inputs) or "none"
            raise ValueRangeError(f"{wrong}; the model takes: {listed}")
        sizes: dict[str, int] = {}
        given: dict[str, Any] = {t.name: None for t in self.inputs}
        for name, value in inputs.items():
            given[name] = self._placed(checked(value, self._declared[name], sizes))
        return given

    def _placed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._placed(v) for v in value]
        if value is None or isinstance(value, dict) or is_text(value):
            return value
        return to_device(value, self.device)


def load(
    source: Any,
    device: Any = None,
    *,
    limits: Limits | None = None,
    check: bool = True,
    compile: bool | None = None,
    observer: Observer | None = None,
) -> Session:
    """Read an ONNX model and make it ready to run on a device.

    Parameters
    ----------
    source : str, os.PathLike, bytes or onnx.ModelProto
        The model. External data is read from the folder of a path, never from elsewhere.
    device : Device or str, optional
        The default device when left out.
    limits : Limits, optional
        What the model may take; see :class:`hal.onnx.Limits`.
    check : bool
        Whether the onnx package's checker looks at the model too.
    compile : bool, optional
        Whether to run the model as a compiled program, one for each set of input shapes, as
        :func:`hal.compile` makes them. When left out, it runs node by node at the first call with
        given shapes and as a program from the second on, unless it cannot be one because it draws
        random numbers or its shapes and branches depend on values; :attr:`Session.eager` says so.
        True compiles at the first call and raises where that is not possible; False never does.
    observer : callable, optional
        Sees each node run, with its results: ``observer(run, step, call)`` calls ``call()`` and
        returns what that returns. For tools; not with ``compile``.

    Returns
    -------
    Session

    Raises
    ------
    ModelError
        When the model is damaged, contradicts itself, or is above a limit.
    Unsupported
        When it uses an operator or version that hal does not have, or the onnx package is missing.

    Examples
    --------
    >>> import hal.onnx
    >>> from onnx import parser
    >>> model = parser.parse_model('''
    ...     <ir_version: 10, opset_import: ["" : 22]>
    ...     double (float[n] x) => (float[n] y) { y = Add(x, x) }
    ... ''')
    >>> session = hal.onnx.load(model, device="cpu:0")
    >>> [(i.name, str(i)) for i in session.inputs]
    [('x', 'float32[n]')]
    """
    return Session(source, device, limits or Limits(), check, compile, observer)
