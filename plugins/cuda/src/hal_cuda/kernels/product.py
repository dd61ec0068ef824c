"""Matrix products: which way they go, and own kernels for what the library does not take."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.cublaslt import ALIGNMENT, WORKSPACE, Call, CublasLt, Product, describe
from hal_cuda.geometry import needs_wide_index
from hal_cuda.kernels.fused import fused
from hal_cuda.launch import Launch, axes_words
from hal_cuda.problem import Problem, problem
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["product", "product_source"]

_TILE = 64
_Step = tuple[str, tuple[Any, ...], tuple[Any, ...]]  # an operator, its operands, its attributes


def product(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``matmul``, ``linear`` or ``linear_fused``, else None.

    What follows a product is done by the library as it stores it, where it knows the chain.
    """
    if op.name in ("matmul", "linear"):
        return _product(driver, op, signature, None)
    return _with_chain(driver, op, signature) if op.name == "linear_fused" else None


def _product(
    driver: Driver, op: Operator, signature: Signature, step: _Step | None
) -> Kernel | None:
    found = problem(op, signature)
    library = driver.products()
    if library is not None:
        x = signature.inputs[0]
        assert x is not None
        bias = len(signature.inputs) > 2 and signature.inputs[2] is not None
        if bias and not signature.inputs[2].contiguous:  # type: ignore[union-attr]
            return None
        precision = signature.attributes["precision"]
        call = describe(found, x.dtype, precision, bias, _activation(step) or "")
        made = None if call is None else library.product(call)
        if call is not None and made is not None:
            own = _own(driver, found, signature)
            own = own if step is None else _followed(driver, own, signature, step)
            return _by_library(driver, library, call, made, own, x.dtype.itemsize)
        # hal packs what is strided in a way the library does not know, and asks again.
        if call is None and x.dtype.kind in ("float", "complex") and not _packed(signature):
            return None
    return None if step is not None else _own(driver, found, signature)


def _with_chain(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a product with what is behind it, if that is a bias, an activation, or both."""
    if driver.products() is None:
        return None
    x, weight, bias, *others = signature.inputs
    steps = list(signature.attributes["steps"])
    place = 2
    if bias is None and len(others) == 1 and _adds_bias(steps[0], others[0], signature):
        bias, place = others[0], 3
        steps, others = steps[1:], []
    if others or len(steps) > 1 or (steps and _activation(steps[0]) is None):
        return None
    attributes = {"precision": signature.attributes["precision"]}
    asked = Signature((x, weight, bias), signature.outputs, attributes)
    kernel = _product(driver, op, asked, steps[0] if steps else None)
    if kernel is None:
        return None

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        added = inputs[place] if len(inputs) > place else None
        kernel.into(stream, outputs, (inputs[0], inputs[1], added))

    return Kernel(into)


def _adds_bias(step: _Step, bias: Layout | None, signature: Signature) -> bool:
    """Return whether a chain's first step adds one number for each column to the product."""
    name, operands, _ = step
    columns = signature.outputs[0].shape[-1:]
    return name == "add" and sorted(operands) == [0, 1] and bias is not None and (
        bias.shape == columns and bias.dtype is signature.outputs[0].dtype
    )  # fmt: skip


def _activation(step: _Step | None) -> str | None:
    """Return the library's name for a step, None where it has none. Its GELU is the one by tanh."""
    if step is None:
        return ""
    name, _, options = step
    if name == "relu":
        return "RELU"
    return "GELU" if name == "gelu" and dict(options).get("approximate") == "tanh" else None


def _followed(driver: Driver, own: Kernel, signature: Signature, step: _Step) -> Kernel:
    """Return an own product with its activation done in place."""
    name, _, options = step
    chain = {"steps": ((name, (0,), options),), "results": (1,)}
    behind = fused(driver, Signature(signature.outputs, signature.outputs, chain))
    assert behind is not None

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        own.into(stream, outputs, inputs)
        behind.into(stream, outputs, outputs)

    return Kernel(into)


def _packed(signature: Signature) -> bool:
    return all(x is None or x.contiguous for x in signature.inputs)


def _by_library(
    driver: Driver, library: CublasLt, call: Call, aligned: Product, own: Kernel, size: int
) -> Kernel:
    """Return the kernel that takes the algorithm for aligned memory where the memory is."""
    regular = all(o * size % ALIGNMENT == 0 for offsets in call.offsets for o in offsets)
    unaligned: list[Product | None] = []

    def choose(pointers: Sequence[int]) -> Product | None:
        if regular and not any(p % ALIGNMENT for p in pointers):
            return aligned
        if not unaligned:
            unaligned.append(library.product(call, size))
        return unaligned[0]

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        driver.use()
        given = [0 if i is None else i.pointer for i in (*inputs, None)]
        pointers = (outputs[0].pointer, *given[:3])
        chosen = choose(pointers)
        if chosen is None:
            own.into(stream, outputs, inputs)
        else:
            chosen.start(stream, driver.workspace(stream, WORKSPACE), pointers, size)

    return Kernel(into)


def _own(driver: Driver, found: Problem, signature: Signature) -> Kernel:
    x, b = signature.inputs[:2]
    bias = signature.inputs[2] if len(signature.inputs) > 2 else None
    assert x is not None
    wide = needs_wide_index(x, b, *signature.outputs)
    source = product_source(ctype(x.dtype), len(found.batch), wide)
    batch = prod(size for size, _ in found.batch)
    words = [found.rows, found.columns, found.depth, batch, *found.left, *found.right]
    words += [1 if bias is None or bias.shape[0] == 1 else bias.strides[0]]
    words += axes_words(found.batch, 3)
    tiles = batch * -(-found.rows // _TILE) * -(-found.columns // _TILE)
    launch = Launch(driver, source, min(tiles, 2**31 - 1), 4, words)

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        given = [0 if i is None else i.pointer for i in (*inputs, None)]
        launch(stream, outputs[0].pointer, *given[:3])

    return Kernel(into)


def product_source(dtype: str, batch: int, wide: bool) -> Source:
    """Return the source of a product of any type."""
    body = f"""
typedef ProductArgs<{dtype}, {batch}> Args;
extern "C" __global__ void product(Args a) {{ multiply(a); }}
"""
    return Source("product", body, ("product",), wide)
