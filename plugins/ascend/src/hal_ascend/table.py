"""Writes the documentation's table of operators: ``python -m hal_ascend.table > FILE``."""

from __future__ import annotations

from collections.abc import Iterable

from hal.dtypes import ALL
from hal.ops import operators
from hal_ascend.families import Family, family
from hal_ascend.operators import RULES, Rule
from hal_ascend.operators.unsigned import ORDER, WRAP
from hal_ascend.prototypes import operator_prototypes

__all__ = ["markdown"]

_COLUMNS = (
    ("Atlas A2 and A3 (910B, 910C)", "Ascend910B3"),
    ("Atlas inference (310P)", "Ascend310P3"),
)
_SHORT = {
    "floating": ("float16", "bfloat16", "float32", "float64"),
    "integer": ("int8", "int16", "int32", "int64", "uint8"),
    "complex": ("complex64", "complex128"),
}


def _dtypes(rule: Rule, chip: Family) -> str:
    """Say which dtypes CANN's operator takes on a chip, groups of them by the group's name."""
    prototype = operator_prototypes()[rule.operators[0]]
    held = {d.name for d in chip.dtypes}
    taken = [d.name for d in ALL if d.name in prototype.dtypes_on(chip.exceptions) & held]
    if not taken:
        return "none"
    listed = []
    for group, members in _SHORT.items():
        there = [m for m in members if m in held]
        if len(there) > 1 and all(m in taken for m in there):
            listed.append(group)
            taken = [t for t in taken if t not in there]
    text = ", ".join([*taken, *listed])
    notes = [operator_prototypes()[o].notes.get(chip.exceptions) for o in rule.operators]
    return f"{text} †" if "undocumented" in notes else text


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def markdown() -> str:
    """Return the table, a section for each family of hal's operators.

    Examples
    --------
    >>> "`aclnnAdd`" in markdown()
    True
    """
    lines = [
        "<!-- Written by `python -m hal_ascend.table`; do not edit. -->",
        "# Operators on Ascend",
        "",
        f"{len(RULES)} of hal's {len(operators)} operators are done by CANN's own; those that",
        "only look at memory in another way need none. The dtypes are those of the first of CANN's",
        "operators named; narrower ones that it lacks are calculated in wider ones. What is not",
        "here is decomposed into operators that are, or else runs on the host with a warning.",
        "",
        "† CANN's documentation of an operator named does not list the product. The plugin tries",
        "it, and goes another way where the operator's first phase refuses.",
        "",
        "CANN's arithmetic lacks unsigned integers of 16, 32 and 64 bits. Signed ones of the same",
        f"bits do {_listed(WRAP)}, sums and products;",
        f"kept in their order, {_listed(ORDER)}.",
        "Division, remainders and shifts to the right widen those of 16 and 32 bits; of 64 bits",
        "they run on the host, as powers of any do.",
        "",
        "`hal check` and `Backend.offers` answer from the same rules, where CANN is not installed.",
    ]
    families: dict[str, list[Rule]] = {}
    for op in operators.values():
        if op.name in RULES:
            families.setdefault(op.family, []).append(RULES[op.name])
    heads = [name for name, _ in _COLUMNS]
    for name, rules in families.items():
        lines += ["", f"## {name.capitalize()}", ""]
        lines += [f"| hal | CANN | {' | '.join(heads)} |", "|---|---|---|---|"]
        for rule in rules:
            cann = ", ".join(f"`aclnn{n}`" for n in rule.operators)
            cells = [_dtypes(rule, family(soc)) for _, soc in _COLUMNS]
            lines.append(f"| `{rule.name}` | {cann} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
