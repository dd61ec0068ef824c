"""Fused attention and rotary position embedding."""

from __future__ import annotations

from hal import dtypes
from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref

_FAR = 2147483647  # A window of attention without end.
_MOST_FEATURES = 768
_MOST_FEATURES_DECODED = 512


@rule("attention", "FlashAttentionScore", "FusedInferAttentionScoreV2", strided=False)
def _attention(recipe: Recipe) -> bool | None:
    query, key, value = recipe.input(0), recipe.input(1), recipe.input(2)
    mask, causal = recipe.optional(3), recipe.attributes["causal"]
    exact = query.dtype is dtypes.float32 and recipe.attributes["precision"] == "highest"
    fits = (
        not exact  # It multiplies in less than float32.
        and recipe.supports("FlashAttentionScore", query.dtype)
        and len(query.shape) == 4
        and query.shape[0] == key.shape[0] == value.shape[0]
        and query.shape[-1] == value.shape[-1] <= _MOST_FEATURES
        and 0 not in (*query.shape, *key.shape)
        and (mask is None or mask.dtype is dtypes.bool)
    )
    if not fits:
        return False
    batch, heads, length = query.shape[:3]
    if length == 1 and mask is None and not causal and _decodes(recipe, query):
        _decode(recipe, query, key, value)
        return None
    seen = None if mask is None else _whole(recipe, mask, (batch, heads, length, key.shape[2]))
    hidden = _hidden(recipe, seen, causal, (length, key.shape[2]))
    statistics = [recipe.temporary(dtypes.float32, (batch, heads, length, 8)) for _ in range(2)]
    nothing = recipe.temporary(query.dtype, (0,))
    out = recipe.out if seen is None else recipe.temporary(query.dtype, query.shape)
    recipe.call(
        "FlashAttentionScore", query, key, value, None, None, None, hidden, None,
        recipe.attributes["scale"], 1.0, _FAR, _FAR, heads, "BNSD", 0, 0, *statistics, nothing,
        out,
    )  # fmt: skip
    if seen is not None:
        # A query that sees no key gets zeros.
        if causal and hidden is not None:
            seen = recipe.temporary(dtypes.bool, hidden.shape)
            recipe.call("LogicalNot", hidden, seen)
        some = recipe.temporary(dtypes.bool, (*seen.shape[:-1], 1))
        recipe.call("Any", seen, (3,), True, some)
        recipe.call("SWhere", some, out, recipe.filled(query.dtype, (), 0), recipe.out)
    return None


def _decodes(recipe: Recipe, query: Ref) -> bool:
    """Return whether the operator made for one new token at a time takes the query."""
    features = query.shape[-1]
    return (
        recipe.supports("FusedInferAttentionScoreV2", query.dtype)
        and features % 16 == 0
        and features <= _MOST_FEATURES_DECODED
    )


def _decode(recipe: Recipe, query: Ref, key: Ref, value: Ref) -> None:
    """Add the fused call for a single query for each head."""
    absent = (None,) * 21  # Masks, lengths, quantization, paging, a shared prefix.
    recipe.call(
        "FusedInferAttentionScoreV2", query, [key], [value], *absent, query.shape[1],
        recipe.attributes["scale"], _FAR, _FAR, "BNSD", key.shape[1], 0,
        0, 0, 0, False, 0, 0, recipe.out, recipe.temporary(dtypes.float32, (0,)),
    )  # fmt: skip


def _whole(recipe: Recipe, mask: Ref, scores: tuple[int, ...]) -> Ref:
    """Return a mask in a shape that the operator takes: one head or all, and all the rest."""
    given = (1,) * (4 - len(mask.shape)) + mask.shape
    wanted = (scores[0] if given[1] > 1 else given[0], given[1], *scores[2:])
    mask = mask.reshape(given)
    if given == wanted:
        return mask
    made = recipe.temporary(dtypes.bool, wanted)
    recipe.call("InplaceCopy", made, mask.broadcast(wanted))
    return made


def _hidden(recipe: Recipe, seen: Ref | None, causal: bool, scores: tuple[int, int]) -> Ref | None:
    """Return which keys each query must not see, None for none."""
    hidden = None
    if seen is not None:
        hidden = recipe.temporary(dtypes.bool, seen.shape)
        recipe.call("LogicalNot", seen, hidden)
    if causal:
        above = recipe.temporary(dtypes.bool, scores)
        recipe.call("Triu", recipe.filled(dtypes.bool, scores, True), 1, above)
        if hidden is None:
            return above
        both = recipe.temporary(dtypes.bool, hidden.shape)
        recipe.call("LogicalOr", hidden, above, both)
        return both
    return hidden


@rule("rotary_embedding", "RotaryPositionEmbedding", strided=False)
def _rotary(recipe: Recipe) -> bool | None:
    x, cos, sin = recipe.input(0), recipe.input(1), recipe.input(2)
    half = cos.shape[-1]
    fits = (
        recipe.supports("RotaryPositionEmbedding", x.dtype)
        and len(x.shape) == 4
        and 0 < 2 * half == x.shape[-1] <= 896
        and cos.dtype is x.dtype
    )
    if not fits:
        return False
    shape = (1,) * (4 - len(cos.shape)) + cos.shape
    lead = shape[:3]
    allowed = lead == x.shape[:3] or (
        all(n in (1, m) for n, m in zip(lead, x.shape[:3], strict=True))
        and lead.count(1) >= 1
        and lead[1:] != x.shape[1:3]
    )
    if not allowed and lead != (1, 1, 1):
        return False
    interleaved = recipe.attributes["interleaved"]
    whole = (*lead, 2 * half)
    angles = []
    for given in (cos, sin):
        both = recipe.temporary(x.dtype, whole)
        given = given.reshape(shape)
        for number in range(2):
            if interleaved:
                target = both.part(3, number, 2 * half, 2)
            else:
                target = both.part(3, number * half, (number + 1) * half)
            recipe.call("InplaceCopy", target, given)
        angles.append(both)
    recipe.call("RotaryPositionEmbedding", x, *angles, int(interleaved), recipe.out)
    return None
