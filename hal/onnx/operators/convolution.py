"""Convolutions: plain, transposed, exact on integers, causal with a state."""

from __future__ import annotations

from typing import Any, NamedTuple

from hal import dtypes
from hal.errors import ShapeError, ValueRangeError
from hal.onnx.operators.common import cut, flat_size, integers, transpose
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of
from hal.precision import current_precision

Ints = tuple[int, ...]


class Window(NamedTuple):
    """How a window moves over the spatial axes: all that attributes leave open is filled in."""

    sizes: Ints
    strides: Ints
    dilations: Ints
    before: Ints
    after: Ints
    outputs: Ints


def placed(
    spatial: Ints,
    sizes: Ints,
    strides: Ints | None,
    dilations: Ints | None,
    pads: Ints | None,
    auto_pad: str,
    ceil: bool = False,
) -> Window:
    """Return where windows lie, from the attributes of a convolution or a pooling."""
    count = len(spatial)
    strides, dilations = strides or (1,) * count, dilations or (1,) * count
    pads = pads or (0,) * 2 * count
    if not len(sizes) == len(strides) == len(dilations) == count or len(pads) != 2 * count:
        raise ShapeError(
            f"kernel {sizes}, strides {strides}, dilations {dilations} and pads {pads} do not fit "
            f"{count} spatial axes"
        )
    if min(*sizes, *strides, *dilations) < 1:
        raise ValueRangeError("kernel, strides and dilations must be 1 or more")
    before, after, outputs = [], [], []
    for axis, (n, k, s, d) in enumerate(zip(spatial, sizes, strides, dilations, strict=True)):
        span = (k - 1) * d + 1
        low, high = pads[axis], pads[axis + count]
        if auto_pad in ("SAME_UPPER", "SAME_LOWER"):
            out = -(-n // s)
            total = max((out - 1) * s + span - n, 0)
            low = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            high = total - low
        elif auto_pad == "VALID":
            low = high = 0
            out = (n - span) // s + 1
        elif auto_pad in ("NOTSET", ""):
            room = n + low + high - span
            out = room // s + 1
            # A window more for what is left over, unless it would begin in the padding behind.
            if ceil and room % s and out * s < n + low:
                out += 1
        else:
            raise ValueRangeError(
                f"auto_pad is {auto_pad!r}; it may be NOTSET, SAME_UPPER, SAME_LOWER or VALID"
            )
        if out < 1 and n:
            raise ShapeError(f"a window that spans {span} does not fit {n} elements with padding")
        before.append(low)
        after.append(high)
        outputs.append(max(out, 0))
    return Window(sizes, strides, dilations, tuple(before), tuple(after), tuple(outputs))


@operator("Conv")
def _conv(
    F: Any, x: Any, weight: Any, bias: Any = None, *, auto_pad: str = "NOTSET",
    dilations: Any = None, group: int = 1, kernel_shape: Any = None, pads: Any = None,
    strides: Any = None,
) -> Any:  # fmt: skip
    _check_kernel(weight, kernel_shape)
    window = placed(tuple(x.shape[2:]), tuple(weight.shape[2:]), strides, dilations, pads, auto_pad)
    return F.convolution(
        x, weight, bias, stride=window.strides, dilation=window.dilations, groups=group,
        padding=tuple(zip(window.before, window.after, strict=True)),
        precision=current_precision(),
    )  # fmt: skip


def _check_kernel(weight: Any, kernel_shape: Any) -> None:
    if kernel_shape is not None and tuple(kernel_shape) != tuple(weight.shape[2:]):
        raise ShapeError(
            f"kernel_shape is {tuple(kernel_shape)}, the weight has shape {tuple(weight.shape)}"
        )


@operator("ConvTranspose")
def _conv_transpose(
    F: Any, x: Any, weight: Any, bias: Any = None, *, auto_pad: str = "NOTSET",
    dilations: Any = None, group: int = 1, kernel_shape: Any = None, output_padding: Any = None,
    output_shape: Any = None, pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    _check_kernel(weight, kernel_shape)
    count = len(x.shape) - 2
    strides, dilations = strides or (1,) * count, dilations or (1,) * count
    extra, pads = output_padding or (0,) * count, pads or (0,) * 2 * count
    wanted = None if output_shape is None else tuple(output_shape)[-count:]
    ranges, before, after = {}, [0] * (count + 2), [0] * (count + 2)
    for axis in range(count):
        k, s, d = weight.shape[2 + axis], strides[axis], dilations[axis]
        whole = s * (x.shape[2 + axis] - 1) + (k - 1) * d + 1
        low, high = pads[axis], pads[axis + count]
        if wanted is not None or auto_pad.startswith("SAME"):
            size = wanted[axis] if wanted is not None else x.shape[2 + axis] * s
            total = whole + extra[axis] - size
            # What is missing is added behind; what is too much goes from both sides.
            low = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            low = max(low, 0) if total > 0 else 0
            high = total - low
        stop = whole + extra[axis] - high
        ranges[2 + axis] = (max(low, 0), min(stop, whole))
        before[2 + axis], after[2 + axis] = max(-low, 0), max(stop - whole, 0)
    found = F.convolution_transpose(
        x, weight, None, stride=tuple(strides), dilation=tuple(dilations), groups=group,
        precision=current_precision(),
    )  # fmt: skip
    found = cut(F, found, ranges)
    if any(before) or any(after):
        found = F.pad(found, F.like(0, found), before=tuple(before), after=tuple(after))
    if bias is None:
        return F.copy(found)
    return F.add(found, F.reshape(bias, shape=(bias.shape[0], *(1,) * count)))


def integer_convolution(F: Any, x: Any, weight: Any, window: Window, group: int) -> Any:
    """Return the exact convolution of int32 tensors, as products of matrices."""
    count = len(window.sizes)
    batch, channels = x.shape[:2]
    outputs, inner = weight.shape[:2]
    if group < 1 or channels != inner * group or outputs % group:
        raise ShapeError(
            f"a weight {tuple(weight.shape)} in {group} groups does not fit {tuple(x.shape)}"
        )
    x = F.pad(x, F.like(0, x), before=(0, 0, *window.before), after=(0, 0, *window.after))
    met = F.as_windows(
        x, axes=tuple(range(2, 2 + count)), sizes=window.sizes, steps=window.strides,
        dilations=window.dilations,
    )  # fmt: skip
    places, taps = flat_size(window.outputs), flat_size(window.sizes)
    # From (batch, channels, places, taps) to a row for each place.
    order = (0, *range(2, 2 + count), 1, *range(2 + count, 2 + 2 * count))
    rows = F.reshape(transpose(F, met, order), shape=(batch, places, group, inner * taps))
    rows = transpose(F, rows, (0, 2, 1, 3))
    kernel = F.reshape(weight, shape=(group, outputs // group, inner * taps))
    found = F.matmul(rows, transpose(F, kernel, (0, 2, 1)))
    found = transpose(F, found, (0, 1, 3, 2))
    return F.reshape(found, shape=(batch, outputs, *window.outputs))


@operator("ConvInteger")
def _conv_integer(
    F: Any, x: Any, weight: Any, x_zero: Any = None, w_zero: Any = None, *,
    auto_pad: str = "NOTSET", dilations: Any = None, group: int = 1, kernel_shape: Any = None,
    pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    _check_kernel(weight, kernel_shape)
    window = placed(tuple(x.shape[2:]), tuple(weight.shape[2:]), strides, dilations, pads, auto_pad)
    values = F.cast(x, dtype=dtypes.int32)
    if x_zero is not None:
        values = F.subtract(values, F.reshape(F.cast(x_zero, dtype=dtypes.int32), shape=()))
    return integer_convolution(F, values, centred_weight(F, weight, w_zero), window, group)


def centred_weight(F: Any, weight: Any, zero: Any) -> Any:
    """Return a quantised weight minus its zero point, which may differ for each output channel."""
    wide = F.cast(weight, dtype=dtypes.int32)
    if zero is None:
        return wide
    zero = F.cast(zero, dtype=dtypes.int32)
    if flat_size(zero.shape) == 1:
        return F.subtract(wide, F.reshape(zero, shape=()))
    return F.subtract(wide, F.reshape(zero, shape=(-1, *(1,) * (len(weight.shape) - 1))))


@operator("CausalConvWithState")
def _causal_conv(
    F: Any, x: Any, weight: Any, bias: Any = None, state: Any = None, *, activation: str = "none"
) -> Any:
    batch, channels, length = x.shape
    past = weight.shape[-1] - 1
    if state is None:
        state = F.full(F.like(0, x), shape=(batch, channels, past))
    whole = F.concat(state, x, axis=2) if past else x
    found = F.convolution(whole, weight, bias, groups=channels, precision=current_precision())
    if activation in ("silu", "swish"):
        found = F.silu(found)
    elif activation not in ("none", ""):
        raise ValueRangeError(f"activation is {activation!r}; it may be silu, swish or none")
    return found, F.copy(cut(F, whole, {2: (length, length + past)}))


@operator("Col2Im", host=(1, 2))
def _col2im(
    F: Any, x: Any, image_shape: Any, block_shape: Any, *, dilations: Any = None,
    pads: Any = None, strides: Any = None,
) -> Any:  # fmt: skip
    image, block = integers(image_shape), integers(block_shape)
    window = placed(image, block, strides, dilations, pads, "NOTSET")
    batch, count = x.shape[0], len(block)
    channels = x.shape[1] // flat_size(block)
    columns = F.reshape(x, shape=(batch, channels, *block, *window.outputs))
    # Each column's elements add to the places its window meets: axis after axis, as a product
    # with a matrix that says which tap of which window lies where.
    for axis in range(count):
        size = image[axis] + window.before[axis] + window.after[axis]
        F.check((size, block[axis], window.outputs[axis]), dtypes.float32)
        taps = F.arange(start=0, stop=block[axis], step=1, dtype=dtypes.int64)
        starts = F.arange(start=0, stop=window.outputs[axis], step=1, dtype=dtypes.int64)
        place = F.add(
            F.reshape(F.multiply(taps, window.dilations[axis]), shape=(-1, 1)),
            F.multiply(starts, window.strides[axis]),
        )
        line = F.arange(
            start=window.before[axis], stop=window.before[axis] + image[axis], step=1,
            dtype=dtypes.int64,
        )  # fmt: skip
        matrix = F.cast(F.equal(F.reshape(place, shape=(-1, 1)), line), dtype=dtype_of(x))
        # The axes of taps and windows come first among those left, the image's go last.
        left = list(range(len(columns.shape)))
        tap, start = 2, 2 + (count - axis)
        order = [a for a in left if a not in (tap, start)] + [tap, start]
        moved = transpose(F, columns, order)
        lead = tuple(moved.shape[:-2])
        flat = F.reshape(moved, shape=(*lead, block[axis] * window.outputs[axis]))
        columns = F.matmul(flat, matrix)
    return columns
