"""Products, convolution, pooling, normalization, attention."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from hal_ascend_standin.semantics.table import agree, put, reference, semantics

Shape = tuple[int, ...]


def _cube(x: Any, mode: int) -> Any:
    """Return what the cube unit multiplies: float32 as it is, or with fewer bits if allowed."""
    if x is None or x.dtype != np.float32 or mode == 0:
        return x
    if mode == 3:
        # HF32 keeps 11 bits of the significand behind the leading one.
        bits = np.ascontiguousarray(x).view(np.uint32)
        return ((bits + 0x800) & np.uint32(0xFFFFF000)).view(np.float32).reshape(x.shape)
    return x.astype(np.float16).astype(np.float32)


@semantics("Matmul")
def _matmul(a: Any, b: Any, out: Any, mode: int) -> None:
    agree(a, b, out)
    put(out, reference("matmul", _cube(a, mode), _cube(b, mode)))


@semantics("Addmm")
def _addmm(x: Any, a: Any, b: Any, beta: Any, alpha: Any, out: Any, mode: int) -> None:
    agree(x, a, b, out)
    wide = np.float32 if out.dtype.itemsize < 4 else out.dtype.type
    product = np.matmul(_cube(a, mode).astype(wide), _cube(b, mode).astype(wide))
    put(out, (product * wide(alpha) + x.astype(wide) * wide(beta)).astype(out.dtype))


@semantics("WeightQuantBatchMatmulV2")
def _weight_quantized(
    x: Any, weight: Any, scale: Any, offset: Any, quant_scale: Any, quant_offset: Any, bias: Any,
    group: int, out: Any,
) -> None:  # fmt: skip
    agree(x, scale, offset, out)
    if quant_scale is not None or quant_offset is not None:
        raise ValueError("the stand-in's WeightQuantBatchMatmulV2 does not quantize its result")
    features = weight.shape[0]

    def spread(values: Any) -> Any:
        whole = values.astype(np.float32)
        return np.repeat(whole, group, 0)[:features] if group else whole.reshape(1, -1)

    numbers = weight.astype(np.float32)
    numbers = numbers if offset is None else numbers + spread(offset)
    numbers = (numbers * spread(scale)).astype(x.dtype).astype(np.float32)
    found = np.matmul(x.astype(np.float32), numbers)
    put(out, (found if bias is None else found + bias.astype(np.float32)).astype(out.dtype))


@semantics("Convolution")
def _convolution(
    x: Any, weight: Any, bias: Any, stride: Shape, padding: Shape, dilation: Shape,
    transposed: int, output_padding: Shape, groups: int, out: Any, mode: int,
) -> None:  # fmt: skip
    agree(x, weight, bias, out)
    if len(padding) != x.ndim - 2:
        raise ValueError(f"padding {padding} for {x.ndim - 2} axes")
    given: dict[str, Any] = {
        "stride": stride, "padding": padding, "dilation": dilation, "groups": groups,
    }  # fmt: skip
    name = "convolution"
    if transposed:
        name = "convolution_transpose"
        given["output_padding"] = output_padding
    put(out, reference(name, _cube(x, mode), _cube(weight, mode), bias, **given))


def _pool(operator: str, x: Any, **given: Any) -> Any:
    for size, pad in zip(given["window"], given["padding"], strict=True):
        if pad > size // 2:
            raise ValueError(f"padding {pad} of a window of {size}")
    return reference(operator, x, **given)


@semantics("MaxPool2dWithIndices", "MaxPool3dWithArgmax")
def _max_pool(
    x: Any, window: Shape, stride: Shape, padding: Shape, dilation: Shape, ceil: int, out: Any,
    indices: Any,
) -> None:  # fmt: skip
    agree(x, out)
    given = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
    put(out, _pool("max_pool", x, **given, ceil_mode=bool(ceil)))
    # hal leaves the positions alone; that they are written shows a wrong buffer.
    indices[...] = 0


def _average(
    x: Any, window: Shape, stride: Shape, padding: Shape, ceil: int, include: int, divisor: int
) -> Any:
    given = {"window": window, "stride": stride, "padding": padding, "ceil_mode": bool(ceil)}
    return _pool(
        "average_pool", x, **given, count_include_pad=bool(include), divisor=divisor or None
    )


@semantics("AvgPool2d")
def _average_pool(*given: Any) -> None:
    put(given[-1], _average(*given[:7]))


@semantics("AvgPool3d")
def _average_pool_deep(*given: Any) -> None:
    put(given[-1], _average(*given[:7]))


@semantics("AdaptiveAvgPool2d", "AdaptiveAvgPool3d")
def _adaptive_average(x: Any, size: Shape, out: Any) -> None:
    put(out, reference("adaptive_average_pool", x, output_size=size))


@semantics("AdaptiveMaxPool2d", "AdaptiveMaxPool3d")
def _adaptive_max(x: Any, size: Shape, out: Any, indices: Any) -> None:
    put(out, reference("adaptive_max_pool", x, output_size=size))
    indices[...] = 0


@semantics("Softmax")
def _softmax(x: Any, axis: int, out: Any) -> None:
    put(out, reference("softmax", x, axis=axis))


@semantics("LogSoftmax")
def _log_softmax(x: Any, axis: int, out: Any) -> None:
    put(out, reference("log_softmax", x, axis=axis))


@semantics("LayerNorm")
def _layer_norm(
    x: Any, sizes: Shape, weight: Any, bias: Any, epsilon: float, out: Any, mean: Any, rstd: Any
) -> None:
    axes = tuple(range(x.ndim - len(sizes), x.ndim))
    if x.shape[axes[0] :] != sizes:
        raise ValueError(f"normalizedShape {sizes} of {x.shape}")
    put(out, reference("layer_norm", x, weight, bias, axes=axes, epsilon=epsilon))


@semantics("RmsNorm")
def _rms_norm(x: Any, gamma: Any, epsilon: float, out: Any, rstd: Any) -> None:
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
    put(out, reference("rms_norm", x, gamma, axes=axes, epsilon=epsilon))
    wide = x.astype(np.float32)
    put(rstd, 1 / np.sqrt(np.mean(wide * wide, axis=axes, keepdims=True) + epsilon))


@semantics("GroupNorm")
def _group_norm(
    x: Any, weight: Any, bias: Any, n: int, c: int, rest: int, groups: int, epsilon: float,
    out: Any, mean: Any, rstd: Any,
) -> None:  # fmt: skip
    if (n, c, rest) != (x.shape[0], x.shape[1], prod(x.shape[2:])):
        raise ValueError(f"n, c, hxw are {n}, {c}, {rest} for {x.shape}")
    agree(x, weight, bias, out)
    put(out, reference("group_norm", x, weight, bias, groups=groups, epsilon=epsilon))
    for statistic in (mean, rstd):
        if statistic.shape != (n, groups):
            raise ValueError(f"a statistic of shape {statistic.shape}")
        statistic[...] = 0


@semantics("BatchNorm")
def _batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: int, momentum: float,
    epsilon: float, out: Any, saved_mean: Any, saved_rstd: Any,
) -> None:  # fmt: skip
    if training:
        raise ValueError("the stand-in's BatchNorm is for inference only")
    put(out, reference("batch_norm", x, mean, variance, weight, bias, epsilon=epsilon))
    saved_mean[...] = saved_rstd[...] = 0


@semantics("FlashAttentionScore")
def _flash_attention(
    query: Any, key: Any, value: Any, shift: Any, drop: Any, padding: Any, hidden: Any,
    prefix: Any, scale: float, keep: float, before: int, after: int, heads: int, layout: str,
    precise: int, sparse: int, top: Any, total: Any, softmax: Any, out: Any,
) -> None:  # fmt: skip
    agree(query, key, value, out)
    if layout != "BNSD" or heads != query.shape[1] or keep != 1 or sparse != 0:
        raise ValueError("the stand-in's FlashAttentionScore is dense, in BNSD, without dropout")
    for statistic in (top, total):
        if statistic.shape != (*query.shape[:3], 8) or statistic.dtype != np.float32:
            raise ValueError(f"a statistic of shape {statistic.shape}")
        statistic[...] = 0
    seen = None if hidden is None else np.logical_not(hidden.astype(np.bool_))
    found = reference("attention", query, key, value, seen, scale=scale)
    if seen is not None:
        # What a query that sees no key gets is not said: nothing that hal may rely on.
        blind = ~np.any(np.broadcast_to(seen, (*query.shape[:3], key.shape[2])), axis=-1)
        found[blind] = np.nan
    put(out, found)


@semantics("FusedInferAttentionScoreV2")
def _infer_attention(query: Any, keys: list[Any], values: list[Any], *rest: Any) -> None:
    *absent, heads, scale, _, _, layout, kv_heads = rest[: -2 - 7]
    out = rest[-2]
    agree(query, *keys, *values, out)
    if any(a is not None for a in absent) or layout != "BNSD" or len(keys) != 1:
        raise ValueError("the stand-in's FusedInferAttentionScoreV2 is plain, in BNSD")
    if heads != query.shape[1] or kv_heads != keys[0].shape[1]:
        raise ValueError(f"{heads} and {kv_heads} heads for {query.shape}, {keys[0].shape}")
    put(out, reference("attention", query, keys[0], values[0], scale=scale))


@semantics("RotaryPositionEmbedding")
def _rotary(x: Any, cos: Any, sin: Any, mode: int, out: Any) -> None:
    agree(x, cos, sin, out)
    if not (x.ndim == cos.ndim == 4 and cos.shape == sin.shape and cos.shape[3] == x.shape[3]):
        raise ValueError(f"shapes {x.shape}, {cos.shape}, {sin.shape}")
    half = x.shape[3] // 2
    turned = np.empty(x.shape, np.float32)
    if mode == 0:
        turned[..., :half], turned[..., half:] = -x[..., half:], x[..., :half]
    else:
        turned[..., 0::2], turned[..., 1::2] = -x[..., 1::2], x[..., 0::2]
    wide = np.float32
    put(out, x.astype(wide) * cos.astype(wide) + turned * sin.astype(wide))
