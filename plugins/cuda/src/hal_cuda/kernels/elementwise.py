"""Elementwise operators, conversion and copies: one generated loop for any layout.

Where every array is contiguous (or a single number) a thread reads and writes 16 bytes at once;
for other layouts an index is turned into an offset for each array.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from hal.dtypes import DType
from hal.ops import Operator
from hal.plugin import Kernel, Layout, Signature
from hal_cuda.geometry import blocks, collapse, needs_wide_index
from hal_cuda.kernels.expressions import Expression, expression
from hal_cuda.launch import Launch, axes_words
from hal_cuda.source import Source
from hal_cuda.types import ctype, literal, wide_ctype

if TYPE_CHECKING:
    from hal_cuda.interface import Driver

__all__ = ["elementwise", "evaluated", "fill", "loop", "loop_source", "single"]

_PACK_BYTES = 16


def elementwise(driver: Driver, op: Operator, signature: Signature) -> Kernel | None:
    """Return a kernel for an operator that has an expression, else None."""
    present = tuple(x is not None for x in signature.inputs)
    found = expression(op, present, signature.attributes)
    if found is None:
        return None
    inputs = [x for x in signature.inputs if x is not None]
    out = signature.outputs[0]
    if op.name == "prelu":
        inputs[1] = _slopes(inputs[0], inputs[1])
    launch = loop(driver, single(found, inputs, out), inputs, (out,), found.numbers)
    if len(inputs) == len(signature.inputs) == 2:

        def into_two(stream: Any, outputs: Sequence[Any], arrays: Sequence[Any]) -> None:
            launch(stream, outputs[0].pointer, arrays[0].pointer, arrays[1].pointer)

        return Kernel(into_two)

    def into(stream: Any, outputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, *[x.pointer for x in arrays if x is not None])

    return Kernel(into)


def fill(driver: Driver, signature: Signature) -> Kernel:
    """Return the kernel of ``full``: its input is one number for every element."""
    (value,), (out,) = signature.inputs, signature.outputs
    assert value is not None
    launch = loop(driver, single(Expression("x", raw=True), [value], out), [value], (out,))

    def into(stream: Any, outputs: Sequence[Any], arrays: Sequence[Any]) -> None:
        launch(stream, outputs[0].pointer, arrays[0].pointer)

    return Kernel(into)


def single(found: Expression, inputs: Sequence[Layout], out: Layout) -> str:
    """Return the statement that calculates one expression of stored values ``v0``, ..."""
    names = [f"v{number}" for number in range(len(inputs))]
    return f"r0 = {evaluated(found, names, [x.dtype for x in inputs], out.dtype)};"


def evaluated(
    found: Expression,
    names: Sequence[str],
    given: Sequence[DType],
    out: DType,
    literals: bool = False,
) -> str:
    """Return an expression of stored values as one that gives the stored result.

    Parameters
    ----------
    found : Expression
    names : sequence of str
        The stored values.
    given : sequence of DType
        Their dtypes.
    out : DType
    literals : bool
        Whether its numbers are written out; otherwise ``p0``, ... are there already.
    """
    lines = [f"typedef {wide_ctype(given[0])} V;"]
    if literals:
        lines += [f"const f64 p{i} = {literal(value)};" for i, value in enumerate(found.numbers)]
    for letter, name in zip("xyz", names, strict=False):
        lines.append(f"const auto {letter} = {name if found.raw else f'wide({name})'};")
    same = found.raw and found.text == "x" and given[0] is out
    lines.append(f"return {'x' if same else f'narrow<{ctype(out)}>({found.text})'};")
    return f"[&] {{ {' '.join(lines)} }}()"


def loop(
    driver: Driver,
    statements: str,
    inputs: Sequence[Layout],
    outputs: Sequence[Layout],
    numbers: Sequence[float] = (),
) -> Launch:
    """Return the launch of a loop over every element; pointers are outputs, then inputs."""
    source, axes, per_thread = loop_source(statements, inputs, outputs, len(numbers))
    size = prod(outputs[0].shape)
    grid = blocks(-(-size // per_thread), driver.multiprocessors)
    return Launch(driver, source, grid, len(outputs) + len(inputs), [size, *numbers, *axes])


def loop_source(
    statements: str, inputs: Sequence[Layout], outputs: Sequence[Layout], numbers: int
) -> tuple[Source, list[int], int]:
    """Return the source, the words of its axes, and how many elements a thread takes at once.

    The statements read stored values ``v0``, ... and numbers ``p0``, ... and set ``r0``, ...; a
    contiguous loop needs no axes.
    """
    shape = outputs[0].shape
    arrays = (*outputs, *inputs)
    axes = collapse(shape, arrays)
    wide = needs_wide_index(*arrays)
    head = _head(statements, inputs, outputs, numbers)
    once = _single_values(axes, len(outputs), len(arrays))
    if once is None:
        body = head + _strided(inputs, outputs, numbers, len(axes))
        return Source("loop", body, wide_index=wide), axes_words(axes, len(arrays)), 1
    per_thread = max(1, _PACK_BYTES // max(x.dtype.itemsize for x in arrays))
    body = head + _packed(inputs, outputs, numbers, once, per_thread)
    return Source("loop", body), [], per_thread


def _slopes(x: Layout, weight: Layout) -> Layout:
    """Return prelu's slopes as a layout that broadcasts along the channel axis."""
    if weight.size == 1 or x.ndim < 2:
        return Layout(weight.dtype, (1,) * x.ndim)
    stride = weight.strides[0]
    after = x.ndim - 2
    return Layout(weight.dtype, (x.shape[1], *(1,) * after), (stride, *(1,) * after))


def _single_values(axes: Sequence[Any], outputs: int, arrays: int) -> list[bool] | None:
    """Return for each input whether it is a single value; None when some layout is strided."""
    if not axes:
        return [False] * (arrays - outputs)
    if len(axes) > 1:
        return None
    strides = axes[0][1]
    if any(s != 1 for s in strides[:outputs]) or any(s not in (0, 1) for s in strides):
        return None
    return [s == 0 for s in strides[outputs:]]


def _head(
    statements: str, inputs: Sequence[Layout], outputs: Sequence[Layout], numbers: int
) -> str:
    """Return the function of one element."""
    parameters = [f"{ctype(x.dtype)} v{i}" for i, x in enumerate(inputs)]
    parameters += [f"{ctype(x.dtype)}& r{i}" for i, x in enumerate(outputs)]
    parameters += [f"f64 p{i}" for i in range(numbers)]
    return f"__device__ inline void element({', '.join(parameters)}) {{ {statements} }}\n"


def _fields(inputs: Sequence[Layout], outputs: Sequence[Layout], numbers: int) -> str:
    lines = [f"{ctype(x.dtype)}* out{i};" for i, x in enumerate(outputs)]
    lines += [f"const {ctype(x.dtype)}* in{i};" for i, x in enumerate(inputs)]
    lines += ["i64 n;", *[f"f64 p{i};" for i in range(numbers)]]
    return " ".join(lines)


def _call(inputs: Sequence[str], outputs: Sequence[str], numbers: int) -> str:
    return f"element({', '.join([*inputs, *outputs, *[f'a.p{i}' for i in range(numbers)]])});"


def _strided(
    inputs: Sequence[Layout], outputs: Sequence[Layout], numbers: int, ndim: int
) -> str:  # fmt: skip
    count = len(outputs) + len(inputs)
    written = [f"a.out{i}[at[{i}]]" for i in range(len(outputs))]
    read = [f"a.in{i}[at[{len(outputs) + i}]]" for i in range(len(inputs))]
    return f"""
struct Args {{ {_fields(inputs, outputs, numbers)} Axes<{ndim}, {count}> axes; }};
extern "C" __global__ void loop(Args a) {{
  for (i64 i = thread_index(); i < a.n; i += thread_count()) {{
    i64 at[{count}];
    a.axes.offsets(i, at);
    {_call(read, written, numbers)}
  }}
}}
"""


def _packed(
    inputs: Sequence[Layout],
    outputs: Sequence[Layout],
    numbers: int,
    once: Sequence[bool],
    width: int,
) -> str:
    many = [i for i, alone in enumerate(once) if not alone]
    alone = "\n  ".join(
        f"const {ctype(inputs[i].dtype)} one{i} = a.in{i}[0];"
        for i, single_value in enumerate(once)
        if single_value
    )
    single_read = [f"one{i}" if once[i] else f"a.in{i}[i]" for i in range(len(inputs))]
    single_written = [f"a.out{i}[i]" for i in range(len(outputs))]
    head = f"""
struct Args {{ {_fields(inputs, outputs, numbers)} }};
extern "C" __global__ void loop(Args a) {{
  {alone}
  i64 done = 0;
"""
    tail = f"""
  for (i64 i = done + thread_index(); i < a.n; i += thread_count()) {{
    {_call(single_read, single_written, numbers)}
  }}
}}
"""
    if width == 1:
        return head + tail

    def pack(layout: Layout) -> str:
        return f"Pack<{ctype(layout.dtype)}, {width}>"

    pointers = [f"(u64)a.out{i} % sizeof({pack(x)})" for i, x in enumerate(outputs)]
    pointers += [f"(u64)a.in{i} % sizeof({pack(inputs[i])})" for i in many]
    loads = "\n      ".join(
        f"const {pack(inputs[i])} q{i} = ((const {pack(inputs[i])}*)a.in{i})[i];" for i in many
    )
    results = " ".join(f"{pack(x)} w{i};" for i, x in enumerate(outputs))
    stores = " ".join(f"(({pack(x)}*)a.out{i})[i] = w{i};" for i, x in enumerate(outputs))
    read = [f"one{i}" if once[i] else f"q{i}.at[j]" for i in range(len(inputs))]
    written = [f"w{i}.at[j]" for i in range(len(outputs))]
    return f"""{head}
  if (({" | ".join(pointers)}) == 0) {{
    const i64 packs = a.n / {width};
    done = packs * {width};
    for (i64 i = thread_index(); i < packs; i += thread_count()) {{
      {loads}
      {results}
#pragma unroll
      for (int j = 0; j < {width}; j++) {_call(read, written, numbers)}
      {stores}
    }}
  }}
{tail}"""
