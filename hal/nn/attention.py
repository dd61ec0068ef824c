"""Attention and rotary position embedding.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.scaled_dot_product_attention.html
"""

from __future__ import annotations

from hal.errors import ShapeError
from hal.nn.run import run
from hal.precision import current_precision
from hal.tensor import Tensor

__all__ = ["rotary_embedding", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return ``softmax(query @ key.mT * scale + mask) @ value``.

    From Vaswani et al., https://arxiv.org/abs/1706.03762.

    Parameters
    ----------
    query : Tensor, shape (..., heads, length, size)
        Floating-point. Without heads, the shape is (length, size).
    key : Tensor, shape (..., key_heads, keys, size)
    value : Tensor, shape (..., key_heads, keys, value_size)
    attn_mask : Tensor, optional
        Broadcasts to (..., heads, length, keys). A boolean mask is True for the keys that take
        part; a floating-point one is added to the scores.
    is_causal : bool
        Whether a query sees no key that comes after it, both counted from the first. A mask may
        be given as well; then both hold.
    scale : float, optional
        Factor of the scores; ``1 / sqrt(size)`` when left out.
    enable_gqa : bool
        Whether the heads may be a multiple of the key heads; consecutive heads then share one.

    Returns
    -------
    Tensor, shape (..., heads, length, value_size)
        The dtype that query, key and value promote to. A query that sees no key gets zeros.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor, or not floating-point.
    ValueRangeError
        When the scale is not finite.

    Examples
    --------
    >>> import hal
    >>> q = k = hal.zeros((2, 4), device="cpu:0")
    >>> v = hal.asarray([[1.0], [3.0]], device="cpu:0")
    >>> hal.nn.scaled_dot_product_attention(q, k, v, is_causal=True)
    Tensor([[1.],
            [2.]], dtype=float32, device='cpu:0')
    """
    tensors = isinstance(query, Tensor) and isinstance(key, Tensor)
    if tensors and not enable_gqa and query.ndim > 2 and key.ndim > 2:
        heads, given = query.shape[-3], key.shape[-3]
        if heads != given and given != 1:
            raise ShapeError(
                f"scaled_dot_product_attention: {heads} query heads and {given} key heads (axis "
                "-3) must be equal; with enable_gqa=True the first may be a multiple of the second"
            )
    return run(
        "attention",
        query,
        key,
        value,
        attn_mask,
        causal=is_causal,
        scale=scale,
        precision=current_precision(),
    )


def rotary_embedding(
    input: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False
) -> Tensor:
    """Turn pairs of features by the angles whose cosine and sine are given.

    From Su et al., https://arxiv.org/abs/2104.09864.

    Parameters
    ----------
    input : Tensor, shape (..., length, size)
        Floating-point, such as the queries or keys of attention.
    cos, sin : Tensor, shape (..., length, angles)
        Broadcast to the input's leading axes; at most half as many angles as features. Features
        beyond twice the number of angles stay as they are.
    interleaved : bool
        Whether a pair are features 2i and 2i + 1, instead of i and i + angles.

    Returns
    -------
    Tensor, shape (..., length, size)
        The dtype of the input.

    Raises
    ------
    ShapeError
        When the shapes do not fit.
    DTypeError
        When something is no tensor, or not floating-point.

    Examples
    --------
    >>> import hal
    >>> x = hal.asarray([[1.0, 2.0, 3.0, 4.0]], device="cpu:0")
    >>> cos, sin = hal.zeros((1, 2), device="cpu:0"), hal.ones((1, 2), device="cpu:0")
    >>> hal.nn.rotary_embedding(x, cos, sin)
    Tensor([[-3., -4.,  1.,  2.]], dtype=float32, device='cpu:0')
    """
    return run("rotary_embedding", input, cos, sin, interleaved=interleaved)
