"""Finds out which dtypes an operator takes by asking its rule."""

from __future__ import annotations

from typing import Any

from hal import dtypes
from hal.dtypes import DType
from hal.errors import HalError
from hal.ops import Operator
from hal.plugin import Layout

# An input is a shape, with a dtype if it has one of its own: indices, masks, conditions.
Input = tuple[tuple[int, ...], DType | None]

_X: Input = ((4, 4), None)
_INDEX: Input = ((4, 4), dtypes.int64)
_IMAGE: Input = ((1, 4, 8, 8), None)
_CHANNELS: Input = ((4,), None)
_STEPS: Input = ((2, 4, 4), None)
_COMMON: list[list[Input]] = [[_X], [_X, _X]]

_INPUTS: dict[str, list[Input]] = {
    "where": [((4, 4), dtypes.bool), _X, _X],
    "full": [((), None)],
    "take": [_X, ((4,), dtypes.int64)],
    "take_along_axis": [_X, _INDEX],
    "put": [_X, ((4,), dtypes.int64), _X],
    "put_along_axis": [_X, _INDEX, _X],
    "embedding": [_INDEX, _X],
    "gather_nd": [_X, ((3,), dtypes.int64)],
    "scatter_nd": [_X, ((3, 4), None), ((3,), dtypes.int64)],
    "linear": [_X, _X, _CHANNELS],
    "pad": [_X, ((), None)],
    "searchsorted": [((4,), None), _X],
    "real": [_X],
    "prelu": [_X, ((), None)],
    "batch_norm": [_IMAGE, _CHANNELS, _CHANNELS],
    "group_norm": [_IMAGE],
    "instance_norm": [_IMAGE],
    "attention": [_IMAGE, _IMAGE, _IMAGE],
    "rnn": [_STEPS, _X, _X],
    "gru": [_STEPS, ((12, 4), None), ((12, 4), None)],
    "lstm": [_STEPS, ((16, 4), None), ((16, 4), None)],
    "rotary_embedding": [_IMAGE, ((8, 4), None), ((8, 4), None)],
    "convolution": [_IMAGE, ((4, 4, 3, 3), None)],
    "convolution_transpose": [_IMAGE, ((4, 4, 3, 3), None)],
    "max_pool": [_IMAGE],
    "average_pool": [_IMAGE],
    "lp_pool": [_IMAGE],
    "adaptive_max_pool": [_IMAGE],
    "adaptive_average_pool": [_IMAGE],
    "interpolate": [_IMAGE],
}
_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "irfft": {"n": 6},
    "as_windows": {"axes": (0,), "sizes": (2,), "steps": (1,), "dilations": (1,)},
    "roll": {"shifts": (1,), "axes": (0,)},
    "take": {"axis": 0},
    "slice": {"start": (0, 0), "stop": (2, 2), "step": (1, 1)},
    "nonzero": {"size": 4},
    "repeat": {"repeats": 2, "axis": 0},
    "permute": {"axes": (1, 0)},
    "group_norm": {"groups": 2},
    "broadcast_to": {"shape": (4, 4)},
    "put": {"axis": 0},
    "put_along_axis": {"axis": 0},
    "take_along_axis": {"axis": 0},
    "concat": {"axis": 0},
    "cumulative_sum": {"axis": 0},
    "cumulative_prod": {"axis": 0},
    "reshape": {"shape": (16,)},
    "full": {"shape": (2,)},
    "topk": {"k": 2},
    "pad": {"before": (1, 1), "after": (1, 1)},
    "max_pool": {"window": (2, 2)},
    "average_pool": {"window": (2, 2)},
    "lp_pool": {"window": (2, 2)},
    "adaptive_max_pool": {"output_size": (2, 2)},
    "adaptive_average_pool": {"output_size": (2, 2)},
    "interpolate": {"size": (4, 4)},
}
_OF_ATTRIBUTE: dict[str, dict[str, Any]] = {
    "arange": {"start": 0, "stop": 4, "step": 1},
    "linspace": {"start": 0.0, "stop": 1.0, "num": 4},
    "eye": {"rows": 2, "columns": 2},
}


def accepts(op: Operator) -> set[DType] | None:
    """Return the dtypes an operator takes (makes, where it has no input); None when unknown."""
    if op.name in _OF_ATTRIBUTE:
        return {d for d in dtypes.ALL if _fits(op, [], {**_OF_ATTRIBUTE[op.name], "dtype": d})}
    attributes = dict(_ATTRIBUTES.get(op.name, {}))
    if op.name == "cast":
        attributes["dtype"] = dtypes.complex64
    for inputs in [_INPUTS[op.name]] if op.name in _INPUTS else _COMMON:
        found = {d for d in dtypes.ALL if _fits(op, _layouts(inputs, d), attributes)}
        if found:
            return found
    return None


def _layouts(inputs: list[Input], dtype: DType) -> list[Layout]:
    return [Layout(own or dtype, shape) for shape, own in inputs]


def _fits(op: Operator, layouts: list[Layout], attributes: dict[str, Any]) -> bool:
    try:
        op.infer(layouts, attributes)
    except HalError:
        return False
    return True
