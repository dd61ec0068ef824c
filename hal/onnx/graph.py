"""A model's graph made ready to run: operators resolved, constants read, names checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hal.errors import ModelError, Unsupported
from hal.onnx.attributes import attribute_value
from hal.onnx.external import Folder
from hal.onnx.limits import Limits
from hal.onnx.package import onnx_package
from hal.onnx.registry import Definition, canonical_domain, find_definition
from hal.onnx.stored import Source, Weight
from hal.onnx.tensors import read_tensor
from hal.onnx.types import ValueType, value_type
from hal.onnx.values import Constant
from hal.onnx.wire import Run

__all__ = ["Builder", "Graph", "Step"]


class Step:
    """One node: what to call, on which names, with which attributes."""

    __slots__ = (
        "attributes", "body", "captured", "definition", "domain", "inputs", "name", "operator",
        "outputs", "release", "version",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        domain: str,
        operator: str,
        version: int,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
    ) -> None:
        self.name = name
        self.domain = domain
        self.operator = operator
        self.version = version
        self.inputs = inputs
        self.outputs = outputs
        self.attributes: dict[str, Any] = {}
        self.definition: Definition | None = None
        self.body: Graph | None = None
        self.captured: tuple[str, ...] = ()
        self.release: tuple[str, ...] = ()

    def graphs(self) -> Iterable[Graph]:
        """Yield the subgraphs among the attributes."""
        for value in self.attributes.values():
            if isinstance(value, Graph):
                yield value
            elif isinstance(value, tuple):
                yield from (v for v in value if isinstance(v, Graph))

    def __str__(self) -> str:
        name = f" {self.name!r}" if self.name else f" that makes {', '.join(self.outputs[:2])}"
        return f"the node {self.operator}{name}"


class Graph:
    """Steps in order, with the constants they use and the names that go in and out."""

    __slots__ = ("constants", "free", "inputs", "outputs", "steps", "types")

    def __init__(
        self,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        types: tuple[ValueType, ...] = (),
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.types = types
        self.steps: list[Step] = []
        self.constants: dict[str, Constant] = {}
        self.free: set[str] = set()


class _Place(NamedTuple):
    """Where in a model a graph stands: opsets, names from outside, values of references, depth."""

    opsets: Mapping[str, int]
    outer: frozenset[str]
    references: Mapping[str, Any] | None
    depth: int
    active: tuple[Any, ...] = ()


class Builder:
    """Builds graphs of one model.

    Parameters
    ----------
    model : onnx.ModelProto
    folder : Path or None
        Where external data may lie.
    limits : Limits
    raw : mapping of int to (Source, Run), optional
        Where the data of initializers of the main graph lies that was left out of the model.
    """

    def __init__(
        self,
        model: Any,
        folder: Path | None,
        limits: Limits,
        raw: Mapping[int, tuple[Source, Run]] | None = None,
    ) -> None:
        self._folder = Folder(folder)
        self._raw = raw or {}
        self._limits = limits
        self._nodes = 0
        self._total = 0
        self._opsets = _opsets(model.opset_import)
        self._functions = {
            (canonical_domain(f.domain), f.name, getattr(f, "overload", "")): f
            for f in model.functions
        }
        if len(self._functions) != len(model.functions):
            raise ModelError("the model defines a function twice; each may be defined once")
        self._model = model

    def build(self) -> Graph:
        """Return the model's main graph.

        Raises
        ------
        ModelError
            When names, order, sizes or attributes are wrong.
        Unsupported
            When the model uses an operator that hal does not have.
        """
        place = _Place(self._opsets, frozenset(), None, 0)
        return self._graph(self._model.graph, place, self._raw)

    def _graph(
        self, proto: Any, place: _Place, raw: Mapping[int, tuple[Source, Run]] | None = None
    ) -> Graph:
        self._limits.check("depth", place.depth, "the depth of nested subgraphs and functions")
        inputs = tuple(i.name for i in proto.input)
        types = tuple(value_type(o) for o in proto.output)
        graph = Graph(inputs, tuple(t.name for t in types), types)
        _check_unique(inputs, "an input")
        for number, tensor in enumerate(proto.initializer):
            self._constant(graph, tensor.name, self._weight(tensor, (raw or {}).get(number)))
        for sparse in proto.sparse_initializer:
            self._constant(graph, sparse.values.name, self._dense(sparse))
        self._steps(graph, proto.node, place)
        return graph

    def _host(self, tensor: Any) -> Any:
        found = self._weight(tensor)
        return found.host() if isinstance(found, Weight) else found

    def _weight(self, tensor: Any, raw: tuple[Source, Run] | None = None) -> Any:
        found = read_tensor(tensor, self._folder, self._limits, raw)
        self._total += found.nbytes
        self._limits.check("total_bytes", self._total, "the size of all weights in bytes")
        return found

    def _dense(self, sparse: Any) -> Any:
        from hal.onnx.sparse import sparse_to_host

        return sparse_to_host(sparse, self._folder, self._limits)

    def _constant(self, graph: Graph, name: str, array: Any) -> None:
        if not name:
            raise ModelError("an initializer has no name; each needs one")
        if name in graph.constants:
            raise ModelError(f"there are two initializers named {name!r}; names must differ")
        graph.constants[name] = Constant(array)

    # Nodes

    def _steps(self, graph: Graph, nodes: Sequence[Any], place: _Place) -> None:
        known = {*graph.inputs, *graph.constants}
        made = {o for node in nodes for o in node.output if o}
        for node in nodes:
            self._nodes += 1
            self._limits.check("nodes", self._nodes, "the number of nodes")
            step = self._step(node, place, frozenset(known) if _has_graphs(node) else None)
            for name in (*step.inputs, *step.captured):
                if not name or name in known:
                    continue
                if name not in place.outer:
                    raise _missing(step, name, name in made)
                graph.free.add(name)
            for name in filter(None, step.outputs):
                if name in known:
                    raise ModelError(
                        f"{step} makes {name!r}, which exists already; every name may be made once"
                    )
                known.add(name)
            graph.steps.append(step)
        for name in graph.outputs:
            if name not in known:
                if name not in place.outer:
                    raise ModelError(f"nothing makes the output {name!r} of the graph")
                graph.free.add(name)
        _plan_release(graph)

    def _step(self, node: Any, place: _Place, known: frozenset[str] | None) -> Step:
        domain = canonical_domain(node.domain)
        step = Step(
            node.name, domain, node.op_type, 0, tuple(node.input), _trimmed(tuple(node.output))
        )
        inner = place._replace(depth=place.depth + 1, outer=place.outer | (known or frozenset()))
        for attribute in node.attribute:
            value = attribute_value(
                attribute, place.references, self._host, self._dense,
                lambda g: self._graph(g, inner),
            )  # fmt: skip
            if value is not None:
                step.attributes[attribute.name] = value
        key = (domain, node.op_type, getattr(node, "overload", ""))
        if key in self._functions:
            step.body = self._function(self._functions[key], key, step, place)
            return step
        self._resolve(step, node, place)
        step.captured = tuple(sorted(set().union(*[g.free for g in step.graphs()])))
        return step

    def _resolve(self, step: Step, node: Any, place: _Place) -> None:
        version = place.opsets.get(step.domain)
        if version is None:
            listed = ", ".join(f"{d or 'ai.onnx'} {v}" for d, v in place.opsets.items())
            raise ModelError(
                f"{step} is of the domain {step.domain or 'ai.onnx'!r}, which the model does not "
                f"import; it imports: {listed or 'none'}"
            )
        schema = _schema(step, version)
        step.version = version if schema is None else schema.since_version
        step.definition = find_definition(step.domain, step.operator, step.version)
        if step.definition is None:
            if schema is not None and schema.has_function:
                body = schema.get_function_with_opset_version(version) or schema.function_body
                _fill_defaults(step, schema)
                key = (step.domain, step.operator, "")
                step.body = self._function(body, key, step, place, {"": version})
                return
            raise Unsupported(
                f"hal has no operator {step.operator} of {step.domain or 'ai.onnx'} version "
                f"{step.version}; {step} needs it"
            )
        if schema is not None:
            _fill_defaults(step, schema)
        allowed = step.definition.attributes
        if allowed is not None:
            if schema is None and (unknown := sorted(set(step.attributes) - allowed)):
                raise Unsupported(
                    f"{step} has attributes {', '.join(unknown)}, which hal does not know; "
                    f"known are: {', '.join(sorted(allowed)) or 'none'}"
                )
            step.attributes = {k: v for k, v in step.attributes.items() if k in allowed}

    def _function(
        self, proto: Any, key: Any, step: Step, place: _Place, opsets: Any = None
    ) -> Graph:
        """Return the body of a function with this call's attributes in place."""
        if key in place.active:
            raise ModelError(f"the function {key[1]} calls itself; functions may not")
        references = {a.name: attribute_value(a, None, self._host, self._dense, None)
                      for a in getattr(proto, "attribute_proto", ())}  # fmt: skip
        references.update(step.attributes)
        step.attributes = {}
        found = _opsets(proto.opset_import) or dict(opsets or place.opsets)
        inner = _Place(found, frozenset(), references, place.depth + 1, (*place.active, key))
        self._limits.check("depth", inner.depth, "the depth of nested subgraphs and functions")
        graph = Graph(tuple(proto.input), tuple(proto.output))
        _check_unique(graph.inputs, "an input")
        if len(step.inputs) > len(graph.inputs) or len(step.outputs) > len(graph.outputs):
            raise ModelError(
                f"{step} has {len(step.inputs)} inputs and {len(step.outputs)} outputs; the "
                f"function has {len(graph.inputs)} and {len(graph.outputs)}"
            )
        self._steps(graph, proto.node, inner)
        return graph


def _opsets(imports: Iterable[Any]) -> dict[str, int]:
    return {canonical_domain(o.domain): o.version for o in imports}


def _has_graphs(node: Any) -> bool:
    return any(a.type in (5, 10) for a in node.attribute)


def _trimmed(names: tuple[str, ...]) -> tuple[str, ...]:
    while names and not names[-1]:
        names = names[:-1]
    return names


def _check_unique(names: Sequence[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if not name:
            raise ModelError(f"{what} has no name; each needs one")
        if name in seen:
            raise ModelError(f"there are two inputs named {name!r}; names must differ")
        seen.add(name)


def _missing(step: Step, name: str, made_later: bool) -> ModelError:
    if made_later:
        return ModelError(
            f"{step} needs {name!r}, which is made only later: the graph has a cycle, or its nodes "
            "are not in topological order"
        )
    return ModelError(f"{step} needs {name!r}, which is no input, no initializer and no result")


def _schema(step: Step, version: int) -> Any:
    """Return the schema in force; None for domains that the onnx package does not define."""
    if not 0 < version < 2**31:
        raise ModelError(f"the opset version {version} of {step.domain or 'ai.onnx'} is none")
    defs = onnx_package().defs
    newest = {"": defs.onnx_opset_version()}.get(step.domain)
    if newest is not None and version > newest:
        raise Unsupported(
            f"the model uses opset {version}; the installed onnx package knows up to {newest}: "
            "upgrade it with pip install -U onnx"
        )
    try:
        return defs.get_schema(step.operator, version, step.domain)
    except defs.SchemaError:
        known = {s.domain for s in defs.get_all_schemas()}
        if step.domain in known:
            raise ModelError(
                f"{step}: {step.domain or 'ai.onnx'} has no operator {step.operator} in version "
                f"{version}"
            ) from None
        return None


def _fill_defaults(step: Step, schema: Any) -> None:
    for name, attribute in schema.attributes.items():
        if name in step.attributes:
            continue
        if attribute.required:
            raise ModelError(f"{step} lacks the attribute {name!r}, which must be given")
        if attribute.default_value.type:
            step.attributes[name] = attribute_value(
                attribute.default_value, None, lambda t: t, lambda t: t, None
            )


def _plan_release(graph: Graph) -> None:
    """Note with each step the names that nothing needs after it."""
    keep = {*graph.outputs, *graph.constants}
    seen: set[str] = set()
    for step in reversed(graph.steps):
        names = (
            {n for n in (*step.inputs, *step.captured, *step.outputs) if n}
            - keep
            - seen
            - graph.free
        )
        step.release = tuple(names)
        seen |= names
