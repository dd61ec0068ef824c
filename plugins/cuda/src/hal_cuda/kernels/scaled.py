"""Products of float8 by cuBLASLt, on GPUs that multiply float8.

The library takes the scales where both are single numbers, and on compute capability 9.0 where both
are one for each row. Else it gives the sums in float32, and a loop applies the scales. A product
that it does not take is left to hal to decompose.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from hal import dtypes
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.array import Array, Borrowed
from hal_cuda.cublaslt import ALIGNMENT, WORKSPACE, Product, describe_scaled
from hal_cuda.kernels.elementwise import loop
from hal_cuda.kernels.fused import fused
from hal_cuda.launch import Launch
from hal_cuda.scratch import Scratch

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["scaled"]

_MULTIPLIES = (8, 9)
_SCALES_ROWS = (9, 0)


class _Way(NamedTuple):
    """A product of the library's and the loop behind it, if there is something left to do."""

    product: Product
    scaled: bool
    biased: bool
    result: Layout
    rest: Kernel | None


def scaled(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for ``scaled_linear``, or None to have hal decompose it."""
    if op.name != "scaled_linear" or driver.capability < _MULTIPLIES:
        return None
    if any(x is not None and not x.contiguous for x in signature.inputs):
        return None
    ways = (_way(driver, signature, scaling) for scaling in (_scaling(driver, signature), ""))
    way = next(filter(None, ways), None)
    return None if way is None else _kernel(driver, signature, way)


def _scaling(driver: Driver, signature: Signature) -> str:
    """Return the library's name for the scales, nothing where it does not take them."""
    by_row = [x is not None and x.ndim > 0 for x in signature.inputs[2:4]]
    if not any(by_row):
        return "SCALAR_32F"
    return "OUTER_VEC_32F" if all(by_row) and driver.capability == _SCALES_ROWS else ""


def _way(driver: Driver, signature: Signature, scaling: str) -> _Way | None:
    library = driver.products()
    if library is None:
        return None
    x, weight, x_scale, weight_scale, bias = (*signature.inputs, None)[:5]
    assert x is not None
    assert weight is not None
    out = signature.outputs[0]
    # The library adds a bias of half precision only, that of the result.
    biased = bool(scaling) and bias is not None and out.dtype is not dtypes.float32
    whole = bool(scaling) and (bias is None or biased)
    result = Layout(out.dtype if whole else dtypes.float32, out.shape)
    sizes = prod(x.shape[:-1]), weight.shape[0], x.shape[-1]
    call = describe_scaled(*sizes, (x.dtype, weight.dtype, result.dtype), scaling, biased)
    product = None if call is None else library.product(call)
    if product is None:
        return None
    scales = [] if scaling else [x_scale, weight_scale]
    rest = _rest(driver, result, scales, None if biased else bias, out)
    return _Way(product, bool(scaling), biased, result, rest)


def _rest(
    driver: Driver,
    product: Layout,
    scales: Sequence[Layout | None],
    bias: Layout | None,
    out: Layout,
) -> Kernel | None:
    """Return the loop for what is left to do with a product, None where that is nothing."""
    # One scale for each row of the weight is one for each column of the result.
    given = [x if x.ndim != 2 or n == 0 else Layout(x.dtype, x.shape[:1])
             for n, x in enumerate(scales) if x is not None]  # fmt: skip
    inputs = [product, *given, *([] if bias is None else [bias])]
    steps: list[Any] = []

    def step(name: str, *operands: int, **options: Any) -> int:
        steps.append((name, operands, tuple(options.items())))
        return len(inputs) + len(steps) - 1

    value = 0
    for number in range(1, 1 + len(given)):
        value = step("multiply", value, number)
    if bias is not None:
        added = len(inputs) - 1
        if bias.dtype is not product.dtype:
            added = step("cast", added, dtype=product.dtype)
        value = step("add", value, added)
    if product.dtype is not out.dtype:
        value = step("cast", value, dtype=out.dtype)
    if not steps:
        return None
    chain = {"steps": tuple(steps), "results": (value,)}
    return fused(driver, Signature(tuple(inputs), (out,), chain))


def _kernel(driver: Driver, signature: Signature, way: _Way) -> Kernel:
    copies = [_copy(driver, x) for x in (*signature.inputs, None)[:5]]
    back = _copy(driver, way.result)
    assert back is not None

    def into(stream: Any, outputs: Sequence[Any], inputs: Sequence[Any]) -> None:
        (out,) = outputs
        given = (*inputs, None)[:5]
        with Scratch(driver, stream) as scratch:
            x, weight, x_scale, weight_scale, bias = (
                _aligned(scratch, array, copy) for array, copy in zip(given, copies, strict=True)
            )
            there = out.dtype is way.result.dtype and out.pointer % ALIGNMENT == 0
            made = out if there else _array(scratch(way.result.nbytes), way.result)
            pointers = made.pointer, x, weight, bias if way.biased else 0
            scales = (x_scale, weight_scale) if way.scaled else ()
            workspace = driver.workspace(stream, WORKSPACE)
            way.product.start(stream, workspace, pointers, 1, scales)
            left = [] if way.scaled else list(given[2:4])
            left += [] if bias == 0 or way.biased else [given[4]]
            if way.rest is not None:
                way.rest.into(stream, outputs, [made, *left])
            elif not there:
                back(stream, out.pointer, made.pointer)

    return Kernel(into)


def _copy(driver: Driver, x: Layout | None) -> Launch | None:
    return None if x is None else loop(driver, "r0 = v0;", [x], [x])


def _aligned(scratch: Scratch, array: Any, copy: Launch | None) -> int:
    """Return the address of an array, or of a copy where tensor cores do not take it."""
    if copy is None:
        return 0
    if array.pointer % ALIGNMENT == 0:
        return int(array.pointer)
    made = scratch(prod(array.shape) * array.dtype.itemsize)
    copy(scratch.stream, made, array.pointer)
    return made


def _array(address: int, layout: Layout) -> Array:
    return Array(Borrowed(address, layout.nbytes), layout.dtype, layout.shape, layout.strides, 0)
