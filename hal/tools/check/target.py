"""What a model is checked for: a chip's figures, or a device that is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hal.device import Device, device, devices
from hal.dtypes import DType
from hal.errors import HalError, PluginMissing, Unsupported, ValueRangeError
from hal.ops import Operator, operators
from hal.plugin import Backend, Layout, Signature, backends, failures
from hal.plugin.chip import Chip, Offer

__all__ = ["Target", "find_target", "known_chips"]


@dataclass(frozen=True)
class Target:
    """What a model is checked for.

    Attributes
    ----------
    name : str
        As it was asked for: a chip's name, the path of a chip's file, or a device's name.
    description : str
        The product's name.
    architecture : str
    memory : int
        Bytes.
    dtypes : tuple of DType
        What tensors may have there.
    alignment : int
        Bytes.
    chip : Chip or None
        The figures that times are predicted from; None where no chip of this kind is known.
    offer : callable
        ``offer(op, signature)`` says whether there is a kernel.
    emulated : str
        As in :class:`hal.plugin.DeviceInfo`; ``"not present"`` for a chip that is only figures.
    """

    name: str
    description: str
    architecture: str
    memory: int
    dtypes: tuple[DType, ...]
    alignment: int
    chip: Chip | None
    offer: Callable[[Operator, Signature], Offer]
    emulated: str


def known_chips() -> dict[str, Chip]:
    """Return the chips that installed plugins have figures of, by name.

    Examples
    --------
    >>> from hal.tools.check import known_chips
    >>> all(name == chip.name for name, chip in known_chips().items())
    True
    """
    return {name: chip for backend in backends().values() for name, chip in backend.chips().items()}


def find_target(name: str | Device) -> Target:
    """Return what a name stands for.

    Parameters
    ----------
    name : str or Device
        A chip such as ``"vendor-x100"``, the path of a chip's TOML file, or a device such as
        ``"cpu:0"``.

    Raises
    ------
    ValueRangeError
        When nothing has that name; says what there is.
    PluginMissing
        When the plugin that knows the chip's kernels is not installed.
    """
    if isinstance(name, Device):
        return _present(name)
    if not isinstance(name, str):
        raise ValueRangeError(f"a device is named like 'cpu:0', not {name!r}")
    chips = known_chips()
    if name in chips:
        return _absent(name, chips[name])
    if name.endswith(".toml") and Path(name).is_file():
        return _absent(name, Chip.read(name))
    family, colon, _ = name.partition(":")
    if family in backends() or family in failures() or (colon and not name.endswith(".toml")):
        return _present(device(name))
    if name.endswith(".toml"):
        raise ValueRangeError(f"{name} is no file; give the path of a chip's TOML file")
    raise ValueRangeError(
        f"no chip or device is named {name!r}; chips: {', '.join(sorted(chips)) or 'none'}; "
        f"devices: {', '.join(d.name for d in devices()) or 'none'}; a file of figures: NAME.toml"
    )


def _absent(name: str, chip: Chip) -> Target:
    """Return a target that is only figures, and the table of kernels of its backend."""
    backend = backends().get(chip.backend)
    if backend is None:
        failed = failures().get(chip.backend)
        why = f": {failed.reason}; {failed.remedy}" if failed else ""
        raise PluginMissing(
            f"what runs on {name} is known to the plugin hal-{chip.backend}, which is not "
            f"loaded{why or f'; pip install hal-{chip.backend} (it needs no driver for this)'}"
        )

    layout = Layout(chip.dtypes[0], (1,))
    probe = Signature((layout,), (layout,), {})
    if backend.offers(chip.architecture, operators["copy"], probe) is None:
        raise ValueRangeError(
            f"the plugin hal-{chip.backend} does not say what runs on {chip.architecture!r}; "
            "update it, or check the model for a device that is there"
        )

    def offer(op: Operator, signature: Signature) -> Offer:
        found = backend.offers(chip.architecture, op, signature)
        return Offer(False, "the plugin does not say") if found is None else found

    return Target(
        name, chip.description, chip.architecture, chip.memory, chip.dtypes, chip.alignment, chip,
        offer, "not present",
    )  # fmt: skip


def _present(found: Device) -> Target:
    """Return a target that is there: its runtime is asked for each kernel."""
    info, chip = found.info, _chip(found)
    # An emulated chip's kernels are those that its own backend's table names.
    owner = backends().get(chip.backend, found.backend) if chip else found.backend

    def offer(op: Operator, signature: Signature) -> Offer:
        try:
            if found.runtime.kernel(op, signature) is not None:
                return Offer(True, "")
        except Unsupported as error:
            return Offer(False, str(error), refused=True)
        named = _named(owner, info.architecture, op, signature)
        return Offer(False, named or f"{found.name} has no kernel for it")

    return Target(
        found.name, info.description, info.architecture, info.memory, info.dtypes,
        found.runtime.alignment, chip, offer, info.emulated,
    )  # fmt: skip


def _named(backend: Backend, architecture: str, op: Operator, signature: Signature) -> str:
    """Return the reason that the backend's table gives for having no kernel, if it has one."""
    try:
        found = backend.offers(architecture, op, signature)
    except HalError:
        return ""
    return "" if found is None or found.native else found.detail


def _chip(found: Device) -> Chip | None:
    """Return the figures of a device that is there, by its backend and architecture."""
    if found.chip is not None:
        return found.chip
    chips = known_chips()
    alike = [
        chip
        for chip in chips.values()
        if (chip.backend, chip.architecture) == (found.backend.name, found.info.architecture)
    ]
    return next((c for c in alike if c.description == found.info.description), None) or next(
        iter(alike), None
    )
