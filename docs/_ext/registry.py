"""Directives that write reference pages from what hal itself registers and exports."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import Any, ClassVar

from accepts import accepts
from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import hal
from hal import dtypes
from hal.dtypes import DType
from hal.ops import REQUIRED, Operator, operators
from hal.plugin import Chip, backends

Cells = list[str]


class Written(SphinxDirective):
    """A directive whose content is reStructuredText made by ``lines``."""

    def lines(self) -> list[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        content = StringList(self.lines(), source=f"<{self.name}>")
        container = nodes.container()
        self.state.nested_parse(content, 0, container)
        return container.children


class Functions(Written):
    """Documents the public names of modules under the name users import them by.

    ``{functions} hal.array_api`` with ``:under: hal`` documents ``hal.array_api.creation.zeros`` as
    ``hal.zeros``. Of a package, every module.
    """

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"under": directives.unchanged_required}

    def lines(self) -> list[str]:
        package = import_module(self.arguments[0])
        under = import_module(self.options["under"])
        written = []
        for module in [package, *_submodules(package)]:
            names = [
                n
                for n in getattr(module, "__all__", [])
                if inspect.isfunction(getattr(under, n, None))
                and getattr(under, n) is getattr(module, n)
                and getattr(under, n).__module__ == module.__name__
            ]
            if names:
                written += [f".. rubric:: {_summary(module)}", ""]
            for name in names:
                written += [f".. autofunction:: {under.__name__}.{name}", ""]
        return written


def _submodules(package: Any) -> list[Any]:
    if not hasattr(package, "__path__"):
        return []
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__))
    return [import_module(f"{package.__name__}.{name}") for name in names if name[0] != "_"]


def _summary(module: Any) -> str:
    return (module.__doc__ or module.__name__).splitlines()[0].rstrip(".")


class DTypes(Written):
    """A table of every dtype."""

    def lines(self) -> list[str]:
        rows = [
            [f"``hal.{d}``", d.kind, str(d.bits), "storage" if d.storage_only else "calculation"]
            for d in dtypes.ALL
        ]
        return _table("20 15 10 20", ["dtype", "kind", "bits", "for"], rows)


class Operators(Written):
    """A table of every operator, a section for each family."""

    def lines(self) -> list[str]:
        families: dict[str, list[Operator]] = {}
        for op in operators.values():
            families.setdefault(op.family, []).append(op)
        written = [f"hal {hal.__version__} has {len(operators)} operators.", ""]
        for family, members in families.items():
            written += [f".. rubric:: {family.capitalize()}", ""]
            rows = [[f"``{op.name}``", _kind(op), _accepted(op), _attributes(op)] for op in members]
            written += _table("24 14 34 34", ["name", "kind", "dtypes", "attributes"], rows)
        return written


def _kind(op: Operator) -> str:
    return "view" if op.view else "decomposed" if op.decompose else "primitive"


def _attributes(op: Operator) -> str:
    return ", ".join(
        f"``{name}``" if value is REQUIRED else f"``{name}={value}``"
        for name, value in op.defaults.items()
    )


_GROUPS: dict[str, tuple[DType, ...]] = {
    "bool": (dtypes.bool,),
    "integer": dtypes.INTEGER,
    "floating": dtypes.FLOATING,
    "complex": dtypes.COMPLEX,
    "storage": dtypes.STORAGE,
}


def _accepted(op: Operator) -> str:
    """Say which dtypes the operator's rule takes, groups of them by the group's name."""
    accepted = accepts(op)
    if accepted is None:
        return "see the function"
    listed = []
    for group, members in _GROUPS.items():
        inside = [d for d in members if d in accepted]
        listed += [group] if len(inside) == len(members) else [str(d) for d in inside]
    return ", ".join(listed)


class Chips(Written):
    """Tables of the chips that the CPU can emulate, and of where their figures come from."""

    def lines(self) -> list[str]:
        chips = backends()["cpu"].chips()
        head = [""] + [f"``{name}``" for name in chips]
        columns = [_figures(chip) for chip in chips.values()]
        labels = list(dict.fromkeys(label for column in columns for label in column))
        rows = [[label] + [column.get(label, "") for column in columns] for label in labels]
        written = _table("22 " + " ".join(["13"] * len(chips)), head, rows)
        for chip in chips.values():
            written += [f".. rubric:: Sources for {chip.name}", ""]
            written += _table(
                "20 80", ["figure", "from"], [[f"``{k}``", v] for k, v in chip.sources.items()]
            )
        return written


def _figures(chip: Chip) -> dict[str, str]:
    shares = ("matrix", "vector", "memory")
    return {
        "product": chip.description,
        "memory, GiB": f"{chip.memory / 2**30:.1f}",
        "bandwidth, GB/s": f"{chip.bandwidth / 1e9:g}",
        **{f"products of {d}": f"{rate / 1e12:g}" for d, rate in chip.matrix.items()},
        **{f"products in {to.upper()}": f"{rate / 1e12:g}" for to, rate in chip.rounded.items()},
        **{f"other work in {d}": f"{rate / 1e12:g}" for d, rate in chip.vector.items()},
        "shares of products, other work, memory": ", ".join(
            f"{chip.efficiency.get(share, 1.0):g}" for share in shares
        ),
        "cores": f"{chip.cores or ''}",
        "cache, MiB": f"{chip.cache / 2**20:g}",
        "bandwidth of the cache, GB/s": f"{chip.cache_bandwidth / 1e9:g}",
        "start of a kernel, µs": f"{chip.start * 1e6:g}",
        "launch, µs": f"{chip.launch * 1e6:g}",
        "link to the host, GB/s": f"{chip.host_bandwidth / 1e9:g}",
        "link to a chip, GB/s": f"{chip.link_bandwidth / 1e9:g}",
        "dtypes": str(len(chip.dtypes)),
    }


def _table(widths: str, head: Cells, rows: list[Cells]) -> list[str]:
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", ""]
    for row in [head, *rows]:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}".rstrip() for i, cell in enumerate(row)]
    return [*lines, ""]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_directive("functions", Functions)
    app.add_directive("dtypes", DTypes)
    app.add_directive("operators", Operators)
    app.add_directive("chips", Chips)
    return {"parallel_read_safe": True}
