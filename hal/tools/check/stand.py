"""A device that stands for the target while a model is traced: memory of the host, and a log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hal.device import Device
from hal.dtypes import ALL, DType
from hal.ops import Operator, evaluate_reference
from hal.plugin import Backend, DeviceInfo, Devices, Kernel, Runtime, Signature
from hal.plugin.chip import Offer
from hal.tools.check.target import Target

__all__ = ["Asked", "Stand"]


class Asked(NamedTuple):
    """A kernel that was asked for, and the answer."""

    op: Operator
    signature: Signature
    offer: Offer


class Stand(Device):
    """Stands for a target: has the kernels that it has, and holds constants in host memory.

    A kernel runs its operator's reference, for what is calculated once, from weights alone. Every
    dtype can be held, and what the target refuses is taken as if it had it, so that a model with
    something impossible is still seen to its end.

    Attributes
    ----------
    target : Target
    asked : list of Asked
        Every question for a kernel so far. Replace it to begin another list.
    held : set of DType
        Those of values that were put here or made here, before the trace.
    """

    def __init__(self, target: Target) -> None:
        info = DeviceInfo(
            0, target.description, target.architecture, target.memory, ALL, emulated="not present"
        )
        super().__init__(_Backend(self), info)
        self.name = target.name
        self.target = target
        self.asked: list[Asked] = []
        self.held: set[DType] = set()
        self._known: dict[Any, Offer] = {}

    def offer(self, op: Operator, signature: Signature) -> Offer:
        """Return whether the target has a kernel; for dtypes that it lacks, whether it could."""
        key = (op, signature.inputs, signature.outputs, tuple(signature.attributes.items()))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._offer(op, signature)
        self.asked.append(Asked(op, signature, found))
        return found

    def check_dtype(self, dtype: DType) -> None:
        """Note a dtype; none is refused."""
        self.held.add(dtype)

    def _offer(self, op: Operator, signature: Signature) -> Offer:
        layouts = [x for x in (*signature.inputs, *signature.outputs) if x is not None]
        if any(x.dtype not in self.target.dtypes for x in layouts):
            return Offer(True, "")
        return self.target.offer(op, signature)


class _Backend(Backend):
    """The backend of a stand-in; not registered anywhere."""

    def __init__(self, stand: Stand) -> None:
        self.name = "target"
        self.stand = stand

    def devices(self) -> Devices:
        return Devices((self.stand.info,))

    def open(self, index: int) -> Runtime:
        return _Runtime(self.stand)


class _Runtime(Runtime):
    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.alignment = stand.target.alignment

    def allocate(self, nbytes: int, stream: Any) -> Any:
        return np.empty(max(nbytes, 1), np.uint8)

    def free(self, buffer: Any, stream: Any) -> None:
        pass

    def view(
        self,
        buffer: Any,
        dtype: DType,
        shape: tuple[int, ...],
        strides: tuple[int, ...],
        offset: int,
    ) -> Any:
        size = dtype.itemsize
        steps = tuple([s * size for s in strides])
        return np.ndarray(shape, dtype.numpy, buffer, offset * size, steps)

    def upload(self, array: Any, host: Any, stream: Any) -> None:
        array[...] = host

    def download(self, array: Any, host: Any, stream: Any) -> None:
        host[...] = array

    def kernel(self, op: Operator, signature: Signature) -> Kernel | None:
        offer = self.stand.offer(op, signature)
        if not offer.native and not offer.refused:
            return None

        def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            found = evaluate_reference(op, inputs, signature.attributes)
            made = found if isinstance(found, tuple) else (found,)
            for output, result in zip(outputs, made, strict=True):
                output[...] = result

        return Kernel(into)
