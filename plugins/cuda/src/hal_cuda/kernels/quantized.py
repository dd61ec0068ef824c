"""Products with weights of 8 or 4 bits: few rows directly, many after making the weight numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from hal.ops import Operator, operators
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.array import Array
from hal_cuda.geometry import blocks
from hal_cuda.kernels.product import product
from hal_cuda.launch import Launch
from hal_cuda.source import Source
from hal_cuda.types import ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["quantized", "quantized_source"]

_FEW = 8
_COLUMNS_OF_BLOCK = 8


def quantized(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``quantized_linear``, else None.

    Few rows, as in the decoding of a language model, are bound by reading the weight: it is read as
    it is. Many are bound by multiplying: the weight is made numbers of the input's dtype in scratch
    memory first, and the product is what it is for ``linear``.
    """
    if op.name != "quantized_linear":
        return None
    if any(x is not None and not x.contiguous for x in signature.inputs):
        return None
    x, weight, scales = signature.inputs[:3]
    assert x is not None
    assert weight is not None
    assert scales is not None
    rows, columns, features = prod(x.shape[:-1]), weight.shape[0], x.shape[-1]
    few = rows <= _FEW
    source = quantized_source(
        ctype(x.dtype), signature.attributes["bits"], weight.dtype.kind == "int",
        1 << (max(rows, 1) - 1).bit_length() if few else 0,
    )  # fmt: skip
    if few:
        grid = max(1, min(-(-columns // _COLUMNS_OF_BLOCK), 2**31 - 1))
    else:
        grid = blocks(columns * features, driver.multiprocessors)
    words = [rows, columns, features, signature.attributes["group_size"], scales.shape[1]]
    launch = Launch(driver, source, grid, 6, words)

    def start(stream: Any, out: int, inputs: Sequence[Any]) -> None:
        given = [0 if i is None else i.pointer for i in (*inputs, None, None)]
        launch(stream, out, *given[:5])

    def directly(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        start(stream, outputs[0].pointer, inputs)

    if few:
        return Kernel(directly)
    bias = [*signature.inputs, None, None][4]
    numbers = Layout(x.dtype, (columns, features))
    attributes = {"precision": signature.attributes["precision"]}
    asked = Signature((x, numbers, bias), signature.outputs, attributes)
    multiply = product(driver, operators["linear"], asked)
    if multiply is None:
        return None

    def afterwards(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        scratch = driver.allocate(numbers.nbytes, stream)
        try:
            start(stream, scratch.pointer, inputs)
            made = Array(scratch, x.dtype, numbers.shape, numbers.strides, 0)
            multiply.into(stream, outputs, (inputs[0], made, (*inputs, None, None)[4]))
        finally:
            driver.free(scratch, stream)

    return Kernel(afterwards)


def quantized_source(dtype: str, bits: int, sign: bool, rows: int) -> Source:
    """Return the source for so many rows; with 0, of what makes the weight numbers."""
    kind = f"{bits}, {'true' if sign else 'false'}"
    call = f"quantized_rows<{kind}, {rows}>" if rows else f"dequantize<{kind}>"
    body = f"""
typedef QuantizedArgs<{dtype}> Args;
extern "C" __global__ void quantized(Args a) {{ {call}(a); }}
"""
    return Source("quantized", body, ("quantized",))
