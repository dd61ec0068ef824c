"""List the devices that are there, and why others are not.

The default device is marked with a star. A device that is emulated, in whole or in part, says so.
A plugin that is installed but gives no device is listed below with the reason and what to do.
Chips that a device can emulate are named: "cpu:0/CHIP" is such a device, for every command that
takes one, and HAL_EMULATE=CHIP makes it the default.

With NAME, list only one backend ("cpu") or one device ("cpu:0"); it is an error when there is none.

exit status: 0, 1 when there is no device or HAL_DEVICE names none, 2 for an error
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from hal.cli.output import amount, console, print_json, remark, table
from hal.device import Device, default_device, device, devices
from hal.dtypes import ALL, DType
from hal.errors import HalError
from hal.plugin import backends, failures
from hal.plugin.discovery import devices_of

__all__ = ["add_arguments", "run"]


@dataclass(frozen=True)
class Absent:
    """A plugin that gives no device."""

    backend: str
    distribution: str
    reason: str
    remedy: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to list and how."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="a backend or a device")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    found, absent = _wanted(arguments.name)
    default, problem = _default()
    if arguments.json:
        print_json(
            {
                "default": default,
                "devices": [_as_json(d) for d in found],
                "unavailable": [asdict(a) for a in absent],
                "chips": {name: list(chips) for name, chips in _chips(found).items()},
            }
        )
    else:
        _print(found, absent, default)
    if problem:
        remark(problem)
    return 1 if problem or not found else 0


def _wanted(name: str | None) -> tuple[list[Device], list[Absent]]:
    if name is None:
        return _with_default(devices()), _absent()
    if ":" in name:
        return [device(name)], []
    return devices(name), [a for a in _absent() if a.backend == name]


def _with_default(found: list[Device]) -> list[Device]:
    """Return the devices, the default one too where it is emulated."""
    try:
        default = default_device()
    except HalError:  # It is told of below the list.
        return found
    return found if default in found else [*found, default]


def _chips(found: list[Device]) -> dict[str, list[str]]:
    """Return by the names of devices the chips that they can emulate."""
    able = {d.name: sorted(d.backend.chips()) for d in found if d.chip is None}
    return {name: chips for name, chips in able.items() if chips}


def _absent() -> list[Absent]:
    rows = [Absent(f.name, f.distribution, f.reason, f.remedy) for f in failures().values()]
    for name, backend in backends().items():
        state = devices_of(backend)
        if not state.found:
            reason, remedy = state.reason or "no device was found", state.remedy
            rows.append(Absent(name, "", reason, remedy))
    return rows


def _default() -> tuple[str | None, str]:
    """Return the default device's name, and what is wrong when there is none."""
    try:
        return default_device().name, ""
    except HalError as error:
        return None, str(error)


def _as_json(found: Device) -> dict[str, Any]:
    info = found.info
    return {
        "name": found.name,
        "description": info.description,
        "architecture": info.architecture,
        "memory": info.memory,
        "dtypes": [d.name for d in info.dtypes],
        "links": dict(info.links),
        "properties": {key: _plain(value) for key, value in info.properties.items()},
        "emulated": info.emulated,
    }


def _plain(value: Any) -> Any:
    """Return a value JSON has, or its text."""
    has = isinstance(value, str | int | None) or (isinstance(value, float) and isfinite(value))
    return value if has else str(value)


def _print(found: list[Device], absent: list[Absent], default: str | None) -> None:
    out = console()
    if found:
        rows = table("device", "description", "architecture", ">memory", "dtypes")
        for d in found:
            mark = " *" if d.name == default else ""
            described = d.info.description
            if d.info.emulated:
                described += f" (emulated: {d.info.emulated})"
            memory = amount(d.info.memory)
            held = _dtypes(d.info.dtypes)
            rows.add_row(d.name + mark, described, d.info.architecture, memory, held)
        out.print(rows)
    else:
        out.print("No device was found.")
    for name, chips in _chips(found).items():
        out.print(f"{name} can emulate: {', '.join(chips)}")
    for a in absent:
        source = f" ({a.distribution})" if a.distribution else ""
        out.print(f"{a.backend}{source} is not available: {a.reason}")
        if a.remedy:
            out.print(f"    {a.remedy}")


def _dtypes(held: tuple[DType, ...]) -> str:
    """Return the dtypes in the shorter of the two ways: those held, or those missing."""
    missing = [d.name for d in ALL if d not in held]
    if not missing:
        return "all"
    listed = [d.name for d in held]
    if len(listed) <= len(missing):
        return ", ".join(listed)
    return f"all but {', '.join(missing)}"
