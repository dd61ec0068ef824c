"""Products with weights of 8 and 4 bits, which the cube unit multiplies as half precision.

CANN adds an offset to a code with a sign and multiplies by the scale; hal subtracts a zero point.
Codes without a sign become those with one by turning over their highest bit, which subtracts the
middle of their range.
"""

from __future__ import annotations

from hal import dtypes
from hal.plugin import Layout
from hal_ascend.operators.rule import rule
from hal_ascend.recipe import Recipe, Ref, Scalar

_LARGEST = 65535  # Rows and columns of a weight.
_GROUPS = 32  # What a group's size must be a multiple of.
_OPERATOR = "WeightQuantBatchMatmulV2"


@rule("quantized_linear", _OPERATOR, "BitwiseXorTensor", "Sub", strided=False)
def _quantized_linear(recipe: Recipe) -> bool | None:
    x, weight, scales = recipe.input(0), recipe.input(1), recipe.input(2)
    zeros, bias = recipe.optional(3), recipe.optional(4)
    features, rows = x.shape[-1], weight.shape[0]
    bits, group = recipe.attributes["bits"], recipe.attributes["group_size"]
    grouped = scales.shape[1] > 1
    fits = (
        recipe.supports(_OPERATOR, x.dtype)
        and 1 <= features <= _LARGEST
        and 1 <= rows <= _LARGEST
        and not (grouped and group % _GROUPS)
        and (bits == 8 or (features % 2 == 0 and recipe.family.half_byte_products))
    )
    if not fits:
        return False
    middle = 0 if weight.dtype is dtypes.int8 else 2 ** (bits - 1)
    codes = weight.as_dtype(dtypes.int8)
    if middle:
        codes = _with_sign(recipe, weight, 0x80 if bits == 8 else 0x88).as_dtype(dtypes.int8)
    if bits == 4:
        codes = Ref(codes.slot, Layout(dtypes.int4, (rows, features)), 2 * codes.offset)
    offset = None
    if zeros is not None:
        offset = recipe.temporary(x.dtype, zeros.shape)
        recipe.call("Sub", recipe.filled(x.dtype, (), middle), zeros, 1, offset)
    if bias is not None and bias.dtype is dtypes.bfloat16:
        bias = recipe.cast(bias, dtypes.float32)
    lines = x.layout.size // features
    recipe.call(
        _OPERATOR, x.reshape((lines, features)), codes.permute((1, 0)), _turned(scales),
        None if offset is None else _turned(offset), None, None, bias, group if grouped else 0,
        recipe.out.reshape((lines, rows)),
    )  # fmt: skip
    return None


def _with_sign(recipe: Recipe, codes: Ref, highest: int) -> Ref:
    """Return bytes with some of their bits turned over."""
    made = recipe.temporary(dtypes.uint8, codes.shape)
    mask = recipe.temporary(dtypes.uint8, ())
    recipe.call("InplaceFillScalar", mask, Scalar(highest, dtypes.uint8))
    recipe.call("BitwiseXorTensor", codes, mask, made)
    return made


def _turned(values: Ref) -> Ref:
    """Return one value for each row as a vector, or those of its groups with the rows last."""
    return values.reshape(values.shape[:1]) if values.shape[1] == 1 else values.permute((1, 0))
