"""Kernels of an emulated chip: the CPU's own where the chip has one, rounded as it rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hal.dtypes import DType, complex64, float32
from hal.errors import DeviceError, Unsupported
from hal.ops import Operator, ReferenceEvaluator, cost
from hal.plugin import Chip, Offer, Signature
from hal_cpu.emulate.rounding import flushed, rounded
from hal_cpu.kernels import find_kernel

__all__ = ["Offers", "Work", "find_work"]

Offers = Callable[[Operator, Signature], Offer | None]
Run = Callable[[Sequence[Any], Sequence[Any]], None]

_FACTORS = frozenset({"matmul", "linear", "convolution", "convolution_transpose"})
_SINGLE = (float32, complex64)
# What moves numbers calculates with none.
_MOVING = frozenset({"movement", "indexing", "sorting", "creation"})


class Work:
    """A kernel over NumPy arrays, and how long the chip takes for it.

    Attributes
    ----------
    run : callable
    nbytes : int
        What the kernel reads and writes.
    read : tuple of int
        Bytes of each input.
    """

    def __init__(self, chip: Chip, op: Operator, signature: Signature, run: Run) -> None:
        self.run = _named(op, run)
        self._chip = chip
        self._cost = cost(op, signature.inputs, signature.outputs, signature.attributes)
        self._seconds: dict[tuple[int, bool], float] = {}
        self.nbytes = self._cost.nbytes
        self.read = tuple([0 if x is None else x.nbytes for x in signature.inputs])

    def seconds(self, cold: int, recorded: bool) -> float:
        """Return the time, by how many bytes no cache can hold and whether it was recorded."""
        key = min(cold, self.nbytes), recorded
        found = self._seconds.get(key)
        if found is None:
            found = self._chip.estimate(self._cost, cold=key[0], recorded=recorded).seconds
            self._seconds[key] = found
        return found


def find_work(chip: Chip, offers: Offers | None, op: Operator, signature: Signature) -> Work | None:
    """Return what runs an operator for a signature; None where the chip has no kernel for it.

    Parameters
    ----------
    chip : Chip
    offers : callable or None
        What the chip's own backend answers; None, or an answer of None, where that is not known:
        the chip is then taken to have every operator of hal but chains of fused ones.
    op : Operator
    signature : Signature

    Raises
    ------
    Unsupported
        When the chip's backend refuses the call, or its matrix unit the dtype.
    """
    offer = None if offers is None else offers(op, signature)
    if offer is None or not offer.native:
        refusal = _refusal(chip, op, signature)
        if refusal or (offer is not None and offer.refused):
            raise Unsupported(refusal if offer is None else offer.detail)
        if offer is not None or op.name == "fused":
            return None
    run = _plain(op, signature)
    if run is None:
        return None
    rounding = _rounding(chip, signature)
    if rounding:
        run = _product(op, signature, rounding, run)
    if chip.flush_subnormals and op.family not in _MOVING:
        run = _flushing(run)
    return Work(chip, op, signature, run)


def _plain(op: Operator, signature: Signature) -> Run | None:
    kernel = find_kernel(op, signature)
    if kernel is None:
        return None
    into = kernel.into
    return lambda outputs, inputs: into(None, outputs, inputs)


def _first(signature: Signature) -> DType | None:
    return next((x.dtype for x in signature.inputs if x is not None), None)


def _rounding(chip: Chip, signature: Signature) -> str:
    """Return to what the chip rounds a product's inputs; empty where it takes them as they are."""
    dtype, precision = _first(signature), signature.attributes.get("precision")
    if dtype not in _SINGLE or precision is None:
        return ""
    return chip.products.get(dtype, {}).get(precision, "")


def _refusal(chip: Chip, op: Operator, signature: Signature) -> str:
    """Return why the chip's matrix unit refuses a product at this precision, or nothing."""
    precision = signature.attributes.get("precision")
    if precision is None or _first(signature) is not float32 or float32 in chip.matrix:
        return ""
    allowed = chip.products.get(float32)
    if not allowed or precision in allowed:
        return ""
    setting, rounding = next(iter(allowed.items()))
    return (
        f"{op.name}: the matrix unit of {chip.description} does not multiply float32; allow "
        f"{rounding} products with hal.precision({setting!r}), or convert the tensors"
    )


def _product(op: Operator, signature: Signature, rounding: str, run: Run) -> Run:
    if op.name in _FACTORS:

        def multiply(outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
            factors = [rounded(x, rounding) for x in inputs[:2]]
            run(outputs, [*factors, *inputs[2:]])

        return multiply
    if op.decompose is None:
        return run
    decompose, attributes = op.decompose, dict(signature.attributes)

    def step_by_step(outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        with np.errstate(all="ignore"):
            found = decompose(_Rounding(rounding), *inputs, **attributes)
        for out, array in zip(
            outputs, found if isinstance(found, tuple) else (found,), strict=True
        ):
            np.copyto(out, array)

    return step_by_step


class _Rounding(ReferenceEvaluator):
    """Evaluates a decomposition on the host, the inputs of its products rounded."""

    def __init__(self, rounding: str) -> None:
        self._to = rounding

    def __getattr__(self, name: str) -> Callable[..., Any]:
        evaluate = super().__getattr__(name)
        if name not in _FACTORS:
            return evaluate
        return lambda a, b, *rest, **attributes: evaluate(
            *[rounded(x, self._to) if x.dtype in (np.float32, np.complex64) else x for x in (a, b)],
            *rest,
            **attributes,
        )


def _flushing(run: Run) -> Run:
    def flushed_or_same(x: Any) -> Any:
        single = x is not None and x.dtype in (np.float32, np.complex64)
        return flushed(x) if single else x

    def flush(outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        run(outputs, [flushed_or_same(x) for x in inputs])
        for out in outputs:
            np.copyto(out, flushed_or_same(out))

    return flush


def _named(op: Operator, run: Run) -> Run:
    def work(outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        try:
            run(outputs, inputs)
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
            raise DeviceError("the kernel failed", operation=op.name, text=text) from error

    return work
