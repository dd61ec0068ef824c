"""Kernels that look at whole rows: softmax and normalization, a work-group for each row."""

from __future__ import annotations

from math import prod

from hal.plugin import Signature
from hal_opencl.launches import GROUP, Launch, packed_launch, tree
from hal_opencl.programs import Programs
from hal_opencl.types import CTYPES

__all__ = ["MAKERS"]

# A row's elements lie `inner` apart; rows that differ in the inner place lie side by side.
_SOFTMAX = """KERNEL
    __local {value} shared[{group}];
    const int lane = get_local_id(0);
    const long row = get_group_id(0);
    const long start = row / inner * n * inner + row % inner;
    x += start;
    a += start;
    {value} top = -INFINITY;
    for (long j = lane; j < n; j += {group}) top = fmax(top, {load});
    {join_top}
    {value} total = 0;
    for (long j = lane; j < n; j += {group}) total += exp({load} - top);
    {join_total}
    for (long j = lane; j < n; j += {group}) {{
        const {value} centred = {load} - top;
        {store}
    }}
"""


def _softmax(programs: Programs, name: str, signature: Signature) -> Launch | None:
    (x,), (out,) = signature.inputs, signature.outputs
    assert x is not None
    if not (x.contiguous and out.contiguous):
        return None
    ctype = CTYPES[x.dtype]
    result = "exp(centred) / total" if name == "softmax" else "centred - log(total)"
    axis = signature.attributes["axis"]
    n, inner = x.shape[axis], prod(x.shape[axis + 1 :])
    return packed_launch(
        programs,
        _SOFTMAX,
        ctype.memory,
        {"a": (0, ctype.memory)},
        {"n": n, "inner": inner},
        x.size // max(n, 1) * GROUP,
        value=ctype.value,
        load=ctype.read("a", "j * inner"),
        join_top=tree(ctype.value, "top", "fmax(l, r)"),
        join_total=tree(ctype.value, "total", "l + r"),
        store=ctype.write("x", "j * inner", result),
    )


_NORM = """KERNEL
    __local {value} shared[{group}];
    const int lane = get_local_id(0);
    x += get_group_id(0) * n;
    a += get_group_id(0) * n;
    {value} mean = 0;
    {centre}
    {value} square = 0;
    for (long j = lane; j < n; j += {group}) {{
        const {value} centred = {load} - mean;
        square += centred * centred;
    }}
    {join_square}
    const {value} scale = sqrt(square / n + epsilon);
    for (long j = lane; j < n; j += {group}) {{
        {value} y = ({load} - mean) / scale;
        {affine}
        {store}
    }}
"""


def _norm(programs: Programs, name: str, signature: Signature) -> Launch | None:
    """Normalize over the last axes of a contiguous tensor; over others hal decomposes."""
    x = signature.inputs[0]
    (out,) = signature.outputs
    assert x is not None
    axes = signature.attributes["axes"]
    given = {k: i for k, i in enumerate(signature.inputs) if i is not None}
    trailing = tuple(range(x.ndim - len(axes), x.ndim))
    if axes != trailing or not all(i.contiguous for i in (*given.values(), out)):
        return None
    ctype = CTYPES[x.dtype]
    load, value = ctype.read("a", "j"), ctype.value
    affine = {1: f"y *= {ctype.read('w', 'j')};", 2: f"y += {ctype.read('b', 'j')};"}
    centre = f"for (long j = lane; j < n; j += {GROUP}) mean += {load};"
    centre += tree(value, "mean", "l + r") + "\n    mean /= n;"
    n = prod(x.shape[a] for a in axes)
    return packed_launch(
        programs,
        _NORM,
        ctype.memory,
        {"awb"[k]: (k, ctype.memory) for k in given},
        {"n": n},
        x.size // max(n, 1) * GROUP,
        {"epsilon": (value, float(signature.attributes["epsilon"]))},
        value=value,
        centre=centre if name == "layer_norm" else "",
        load=load,
        join_square=tree(value, "square", "l + r"),
        affine=" ".join(affine[k] for k in given if k),
        store=ctype.write("x", "j", "y"),
    )


MAKERS = {"softmax": _softmax, "log_softmax": _softmax, "layer_norm": _norm, "rms_norm": _norm}
