"""A program's constants on its device, each held as long as a kernel reads it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from hal.device import Device
from hal.errors import HalError
from hal.memory import base, from_host
from hal.plugin import Call, Program, Released
from hal.storage import Storage

__all__ = ["Constants"]


class Constants(Mapping[int, Any]):
    """The constants of a program by buffer, without those that its kernels read no more.

    As a mapping it is what :class:`hal.plugin.Program` calls its constants: single numbers stay on
    the host, the others are storages, and what was given back is :class:`hal.plugin.Released`.

    Parameters
    ----------
    device : Device
    program : Program
    """

    def __init__(self, device: Device, program: Program) -> None:
        self._device = device
        self._numbers = {
            b: c for b, c in program.constants.items() if isinstance(c, np.ndarray) and c.size == 1
        }
        self._sizes = {b: int(c.nbytes) for b, c in program.constants.items()}
        self._storages = {b: _placed(device, c) for b, c in program.constants.items()}
        self._readers = Counter(
            x.buffer
            for call in program.calls
            if not call.view
            for x in call.inputs
            if x is not None and x.buffer in self._storages
        )

    def __getitem__(self, buffer: int) -> Any:
        if buffer in self._numbers:
            return self._numbers[buffer]
        return self._storages.get(buffer) or Released(self._sizes[buffer])

    def __iter__(self) -> Iterator[int]:
        return iter(self._sizes)

    def __len__(self) -> int:
        return len(self._sizes)

    @property
    def storages(self) -> Iterable[Storage]:
        """The memory of those that are held."""
        return self._storages.values()

    @property
    def buffers(self) -> dict[int, Any]:
        """The backend's buffers of those that are held."""
        return {b: storage.buffer for b, storage in self._storages.items()}

    def buffer(self, number: int) -> Any:
        """Return the backend's buffer of one that is held."""
        return self._storages[number].buffer

    def settle(self, number: int) -> None:
        """Wait until the values of one that is held are there."""
        if not self._device.runtime.synchronous:
            self._storages[number].stream.synchronize()

    def release(self, call: Call, positions: Sequence[int]) -> None:
        """Note that a call's kernel reads some inputs no more; let go of what no call reads.

        The memory goes back once nobody else holds it either, such as a tensor of the user's.
        """
        for position in positions:
            array = call.inputs[position]
            if array is None or array.buffer not in self._storages:
                raise HalError(
                    f"a kernel of {call.op.name} has released input {position}, which is no "
                    "constant; Kernel.released names inputs that prepare was given"
                )
            self._readers[array.buffer] -= 1
            if not self._readers[array.buffer]:
                del self._storages[array.buffer]


def _placed(device: Device, given: Any) -> Storage:
    return given if isinstance(given, Storage) else base(from_host(given, device))[0]
