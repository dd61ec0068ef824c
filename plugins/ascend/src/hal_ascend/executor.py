"""Calls CANN's operators in two phases, with executors that are made once and used again.

A kernel's executors are made when it is: the first phase then says whether the operator takes such
arguments. A call refreshes the tensors' addresses and enqueues the second phase.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from hal.errors import DeviceError
from hal_ascend.arrays import Array
from hal_ascend.codes import DATA_TYPES, FORMAT_ND, FORMATS, refuses
from hal_ascend.library import Cann
from hal_ascend.pool import Queue
from hal_ascend.prototypes import operator_prototypes
from hal_ascend.recipe import Recipe, Ref, Scalar, Step

__all__ = ["Executable", "Refused"]

_ALIGNMENT = 32


class Refused(Exception):
    """An operator's first phase does not take the arguments."""


class _Call:
    """One step, bound: its executor and tensors, or what it takes to make them anew each time.

    Parameters
    ----------
    cann : Cann
    step : Step
    residues : tuple of int
        For each slot, how many bytes its address lies behind a multiple of 32.
    """

    __slots__ = (
        "_cann", "_known", "_objects", "_residues", "_second", "executor", "members", "name",
        "refresh", "step", "workspace",
    )  # fmt: skip

    def __init__(self, cann: Cann, step: Step, residues: Sequence[int]) -> None:
        self._cann = cann
        self._residues = residues
        self._objects: list[tuple[Any, int]] = []
        self.step = step
        self.name = f"aclnn{step.name}"
        self.executor: int | None = None
        self.workspace = 0
        self.refresh: list[tuple[int, int, int]] = []
        self.members: list[tuple[Any, tuple[int, ...], int]] = []
        self._known: dict[Any, int] = {}
        phases = cann.operator(step.name)
        if phases is None:
            raise Refused(f"this CANN has no {self.name}")
        self._second = phases[1]
        try:
            executor = self._prepare(None)
            if cann.aclSetAclOpExecutorRepeatable(executor) == 0:
                self.executor = executor
            else:
                cann.aclGetRecentErrMsg()
                cann.aclDestroyAclOpExecutor(executor)
                self._release()
        except BaseException:
            self._release()
            raise

    def run(self, addresses: Sequence[int], workspace: int, queue: Queue) -> None:
        """Enqueue the operator on tensors at the given addresses; the kernel's lock is held."""
        executor = self.executor
        if executor is None:
            self._run_anew(addresses, workspace, queue)
            return
        known = self._known
        set_address = self._cann.aclSetTensorAddr
        for index, tensor, slot in self.refresh:
            address = addresses[slot] & -_ALIGNMENT
            if known.get(index) != address:
                code = set_address(executor, index, tensor, address)
                if code:
                    raise self._cann.error(code, "aclSetTensorAddr")
                known[index] = address
        for function, where, slot in self.members:
            address = addresses[slot] & -_ALIGNMENT
            if known.get(where) != address:
                code = function(executor, *where, address)
                if code:
                    raise self._cann.error(code, function.__name__)
                known[where] = address
        code = self._second(workspace, self.workspace, executor, queue.handle)
        if code:
            raise self._cann.error(code, self.name)

    def close(self) -> None:
        """Destroy the executor and the objects it was made of."""
        executor, self.executor = self.executor, None
        if executor is not None:
            self._cann.aclDestroyAclOpExecutor(executor)
        self._release()

    def _run_anew(self, addresses: Sequence[int], workspace: int, queue: Queue) -> None:
        try:
            executor = self._prepare(addresses)
            code = self._second(workspace, self.workspace, executor, queue.handle)
            if code:
                error = self._cann.error(code, self.name)
                self._cann.aclDestroyAclOpExecutor(executor)
                raise error
        finally:
            self._release()

    def _prepare(self, addresses: Sequence[int] | None) -> int:
        """Call the first phase and return the executor."""
        prototype = operator_prototypes()[self.step.name]
        given = [
            self._argument(code, value, addresses)
            for value, (code, _) in zip(self.step.arguments, prototype.arguments, strict=True)
        ]
        self._note_addresses(given)
        size, executor = ctypes.c_uint64(), ctypes.c_void_p()
        phases = self._cann.operator(self.step.name)
        assert phases is not None
        result = phases[0](*given, ctypes.byref(size), ctypes.byref(executor))
        if result:
            error = self._cann.error(result, f"{self.name}GetWorkspaceSize")
            if refuses(result) and addresses is None:
                raise Refused(str(error)) from error
            raise error
        self.workspace = size.value
        return executor.value or 0

    def _note_addresses(self, given: list[Any]) -> None:
        """Note which function refreshes which tensor, and with the address of which slot.

        Tensors are counted as the first phase has them. Where one is a list, inputs and outputs are
        counted apart instead, a list as one.
        """
        self.refresh, self.members = [], []
        prototype = operator_prototypes()[self.step.name]
        triples = [
            (code, value, made)
            for (code, _), value, made in zip(
                prototype.arguments, self.step.arguments, given, strict=True
            )
            if code in "TORL"
        ]
        if not any(code == "L" for code, _, _ in triples):
            self.refresh = [
                (n, made, value.slot) for n, (_, value, made) in enumerate(triples) if made
            ]
            return
        cann = self._cann
        counted = {"O": 0, "T": 0}
        for code, value, made in triples:
            kind = "O" if code == "O" else "T"
            index = counted[kind]
            counted[kind] += 1
            if code == "L":
                self.members += [
                    (cann.aclSetDynamicInputTensorAddr, (index, n, made), ref.slot)
                    for n, ref in enumerate(value)
                ]
            elif made:
                function = (
                    cann.aclSetOutputTensorAddr if kind == "O" else cann.aclSetInputTensorAddr
                )
                self.members.append((function, (index, made), value.slot))

    def _argument(self, code: str, value: Any, addresses: Sequence[int] | None) -> Any:
        if value is None:
            return None
        if code in "TOR":
            return self._tensor(value, addresses)
        if code == "S":
            return self._scalar(value)
        if code == "A":
            numbers = (ctypes.c_int64 * len(value))(*value)
            return self._keep("aclCreateIntArray", "aclDestroyIntArray", numbers, len(value))
        if code == "L":
            return self._list(value, addresses)
        if code == "d":
            return DATA_TYPES[value]
        return value.encode() if code == "c" else value

    def _list(self, refs: list[Ref], addresses: Sequence[int] | None) -> int:
        """Return a list of tensors, which owns them."""
        before = len(self._objects)
        members = (ctypes.c_void_p * len(refs))(*[self._tensor(r, addresses) for r in refs])
        made = self._keep("aclCreateTensorList", "aclDestroyTensorList", members, len(refs))
        del self._objects[before:-1]
        return made

    def _tensor(self, ref: Ref, addresses: Sequence[int] | None) -> int:
        layout = ref.layout
        residue = self._residues[ref.slot]
        address = None if addresses is None else addresses[ref.slot] - residue
        offset = ref.offset + residue * 8 // layout.dtype.bits
        reach = sum((n - 1) * s for n, s in zip(layout.shape, layout.strides, strict=True))
        count = layout.ndim
        sizes = (ctypes.c_int64 * count)(*layout.shape)
        strides = (ctypes.c_int64 * count)(*layout.strides)
        storage = (ctypes.c_int64 * 1)(offset + reach + 1 if layout.size else 0)
        return self._keep(
            "aclCreateTensor", "aclDestroyTensor", sizes, count, DATA_TYPES[layout.dtype], strides,
            offset, FORMATS.get(count, FORMAT_ND), storage, 1, address,
        )  # fmt: skip

    def _scalar(self, scalar: Scalar) -> int:
        value = np.array(scalar.value).astype(scalar.dtype.numpy)
        data = ctypes.create_string_buffer(value.tobytes(), value.nbytes)
        return self._keep(
            "aclCreateScalar", "aclDestroyScalar", ctypes.addressof(data), DATA_TYPES[scalar.dtype]
        )

    def _keep(self, create: str, destroy: str, *arguments: Any) -> int:
        """Create an object, to be destroyed with the call."""
        made = getattr(self._cann, create)(*arguments)
        if not made:
            raise self._cann.null_error(create)
        self._objects.append((getattr(self._cann, destroy), made))
        return int(made)

    def _release(self) -> None:
        while self._objects:
            destroy, made = self._objects.pop()
            destroy(made)


class Executable:
    """A kernel's calls on a device, ready to run.

    Parameters
    ----------
    runtime : AscendRuntime
        Gives the pool, and sets the thread's context.
    recipe : Recipe

    Raises
    ------
    Refused
        When an operator does not take the arguments, or this CANN has it not.
    """

    def __init__(self, runtime: Any, recipe: Recipe) -> None:
        self._runtime = runtime
        self._steps = tuple(recipe.steps)
        self._sizes = tuple(recipe.temporaries)
        self._slots = len(recipe.inputs) + len(recipe.outputs) + len(self._sizes)
        self._lock = threading.Lock()
        self._bound: dict[tuple[int, ...], list[_Call]] = {}
        self._aligned = self._bind((0,) * self._slots)

    def _bind(self, residues: tuple[int, ...]) -> list[_Call]:
        calls: list[_Call] = []
        try:
            for step in self._steps:
                call = _Call(self._runtime.cann, step, residues)
                calls.append(call)
        except BaseException:
            for call in calls:
                call.close()
            raise
        self._bound[residues] = calls
        return calls

    def _bind_late(self, residues: tuple[int, ...]) -> list[_Call]:
        """Bind the steps to addresses that are not aligned, which what was taken once must take."""
        try:
            return self._bind(residues)
        except Refused as refused:
            raise refused.__cause__ or DeviceError(str(refused)) from None

    def into(self, queue: Queue, outputs: Sequence[Array], inputs: Sequence[Array | None]) -> None:
        """Enqueue the work that writes the outputs."""
        runtime = self._runtime
        runtime.enter()
        addresses = [0 if x is None else x.address for x in inputs]
        addresses += [x.address for x in outputs]
        pool = runtime.pool
        borrowed = []
        try:
            for size in self._sizes:
                block = pool.allocate(size, queue)
                borrowed.append(block)
                addresses.append(block.address)
            together = 0
            for address in addresses:
                together |= address
            with self._lock:
                calls = self._aligned
                if together % _ALIGNMENT:
                    residues = tuple([a % _ALIGNMENT for a in addresses])
                    calls = self._bound.get(residues) or self._bind_late(residues)
                workspace = 0
                for call in calls:
                    if call.workspace:
                        block = pool.allocate(call.workspace, queue)
                        borrowed.append(block)
                        workspace = block.address
                    call.run(addresses, workspace, queue)
        finally:
            for block in borrowed:
                pool.free(block, queue)

    def close(self) -> None:
        """Destroy what CANN holds for the kernel."""
        with self._lock:
            bound, self._bound, self._aligned = self._bound, {}, []
        for calls in bound.values():
            for call in calls:
                call.close()

    def __del__(self) -> None:
        if getattr(self, "_bound", None) and not self._runtime.closed:
            self.close()
