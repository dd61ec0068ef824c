"""Asks a device for the kernels of a program's calls, once for each signature while one is made."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hal.device import Device
from hal.ops import Operator
from hal.plugin import Kernel, Signature

__all__ = ["asking_once", "find_kernel", "signature_key"]

_answers: ContextVar[dict[Hashable, Kernel | None] | None] = ContextVar("answers", default=None)


@contextmanager
def asking_once() -> Iterator[None]:
    """Remember within this block what devices answered: a long program asks the same many times."""
    token = _answers.set({})
    try:
        yield
    finally:
        _answers.reset(token)


def signature_key(op: Operator, signature: Signature) -> Hashable:
    """Return what tells an operator and a signature from others."""
    return op, signature.inputs, signature.outputs, tuple(signature.attributes.items())


def find_kernel(op: Operator, signature: Signature, device: Device) -> Kernel | None:
    """Return the device's kernel for an operator and a signature; None where it has none."""
    answers = _answers.get()
    if answers is None:
        return device.runtime.kernel(op, signature)
    key = (device, signature_key(op, signature))
    if key not in answers:
        answers[key] = device.runtime.kernel(op, signature)
    return answers[key]
