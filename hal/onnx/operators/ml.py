"""Preparation of features: labels, categories, scaling, maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from hal import dtypes
from hal.dtypes import float32
from hal.errors import DTypeError, ShapeError, ValueRangeError
from hal.onnx.operators.common import cast, flat_size, unsqueeze
from hal.onnx.operators.text import texts
from hal.onnx.registry import operator
from hal.onnx.values import dtype_of, is_text

DOMAIN = "ai.onnx.ml"


def _single(F: Any, x: Any) -> Any:
    """Return numbers as float32, which these operators calculate in."""
    return cast(F, x, float32)


@operator("Binarizer", domain=DOMAIN)
def _binarizer(F: Any, x: Any, *, threshold: float = 0.0) -> Any:
    return cast(F, F.greater(x, threshold), dtype_of(x))


@operator("Scaler", domain=DOMAIN)
def _scaler(F: Any, x: Any, *, offset: Any = (0.0,), scale: Any = (1.0,)) -> Any:
    moved = F.subtract(_single(F, x), F.place(np.array(offset, np.float32)))
    return F.multiply(moved, F.place(np.array(scale, np.float32)))


@operator("Normalizer", domain=DOMAIN)
def _normalizer(F: Any, x: Any, *, norm: str = "MAX") -> Any:
    wide = _single(F, x)
    axis = (len(x.shape) - 1,)
    if norm == "MAX":
        size = F.max(wide, axis=axis, keepdims=True)
    elif norm == "L1":
        size = F.sum(F.abs(wide), axis=axis, keepdims=True)
    elif norm == "L2":
        size = F.sqrt(F.sum(F.multiply(wide, wide), axis=axis, keepdims=True))
    else:
        raise ValueRangeError(f"norm is {norm!r}; it may be MAX, L1 or L2")
    return F.divide(wide, F.where(F.equal(size, 0.0), F.like(1, size), size))


@operator("Imputer", domain=DOMAIN)
def _imputer(
    F: Any,
    x: Any,
    *,
    imputed_value_floats: Any = (),
    imputed_value_int64s: Any = (),
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Any:
    whole = dtype_of(x).kind == "int"
    given = imputed_value_int64s if whole else imputed_value_floats
    if len(given) not in (1, x.shape[-1]):
        raise ShapeError(f"{len(given)} imputed values do not fit {x.shape[-1]} features")
    values = F.place(np.array(given).astype(dtype_of(x).numpy))
    if whole:
        missing = F.equal(x, F.like(replaced_value_int64, x))
    elif np.isnan(replaced_value_float):
        missing = F.isnan(x)
    else:
        missing = F.equal(x, F.like(replaced_value_float, x))
    return F.where(missing, values, x)


@operator("FeatureVectorizer", domain=DOMAIN)
def _feature_vectorizer(F: Any, *inputs: Any, inputdimensions: Any = ()) -> Any:
    rows = inputs[0].shape[0] if len(inputs[0].shape) > 1 else 1
    flat = [
        F.reshape(_single(F, x), shape=(rows, flat_size(x.shape) // max(rows, 1))) for x in inputs
    ]
    return F.concat(*flat, axis=1)


@operator("OneHotEncoder", domain=DOMAIN)
def _one_hot_encoder(
    F: Any, x: Any, *, cats_int64s: Any = (), cats_strings: Any = (), zeros: int = 1
) -> Any:
    if is_text(x):
        found: Any = x[..., None] == texts(list(cats_strings), (len(cats_strings),))
        if not zeros and not found.any(axis=-1).all():
            raise ValueRangeError("a string is none of the categories, and zeros is 0")
        return np.asarray(found).astype(np.float32)
    categories = F.place(np.array(cats_int64s, np.int64))
    found = F.equal(unsqueeze(F, cast(F, x, dtypes.int64), (-1,)), categories)
    if not zeros and not bool(F.all(F.any(found, axis=(len(x.shape),)), axis=None)):
        raise ValueRangeError("a number is none of the categories, and zeros is 0")
    return cast(F, found, float32)


@operator("CategoryMapper", domain=DOMAIN, host=None)
def _category_mapper(
    F: Any,
    x: Any,
    *,
    cats_int64s: Any = (),
    cats_strings: Any = (),
    default_int64: int = -1,
    default_string: str = "_Unused",
) -> Any:
    if len(cats_int64s) != len(cats_strings):
        raise ShapeError(f"{len(cats_int64s)} integers and {len(cats_strings)} strings")
    if is_text(x):
        numbers = dict(zip(cats_strings, cats_int64s, strict=True))
        found = [numbers.get(t, default_int64) for t in x.reshape(-1)]
        return np.array(found, np.int64).reshape(x.shape)
    words = dict(zip(cats_int64s, cats_strings, strict=True))
    return texts([words.get(n, default_string) for n in x.reshape(-1).tolist()], x.shape)


_KINDS = ("tensor", "strings", "int64s", "floats", "doubles")
_DTYPES = {"strings": object, "int64s": np.int64, "floats": np.float32, "doubles": np.float64}


def _listed(given: dict[str, Any], prefix: str) -> Any:
    """Return the keys or values of a label encoder as an array."""
    for kind in _KINDS:
        value = given.get(f"{prefix}_{kind}")
        if value is not None and len(value):
            return value.reshape(-1) if kind == "tensor" else np.array(value, _DTYPES[kind])
    raise ValueRangeError(f"a LabelEncoder needs {prefix}")


@operator("LabelEncoder", domain=DOMAIN, host=None)
def _label_encoder_1(
    F: Any,
    x: Any,
    *,
    classes_strings: Any = (),
    default_int64: int = -1,
    default_string: str = "_Unused",
) -> Any:
    numbers = tuple(range(len(classes_strings)))
    return _category_mapper(
        F, x, cats_int64s=numbers, cats_strings=classes_strings, default_int64=default_int64,
        default_string=default_string,
    )  # fmt: skip


@operator("LabelEncoder", 2, domain=DOMAIN, host=None)
def _label_encoder(F: Any, x: Any, **given: Any) -> Any:
    keys, values = _listed(given, "keys"), _listed(given, "values")
    if len(keys) != len(values):
        raise ShapeError(f"{len(keys)} keys and {len(values)} values")
    default = given.get("default_tensor")
    if default is not None:
        default = default.reshape(-1)[0]
    elif is_text(values):
        default = given.get("default_string", "_Unused")
    elif values.dtype.kind == "f":
        default = given.get("default_float", -0.0)
    else:
        default = given.get("default_int64", -1)
    table = {_key(k): v for k, v in zip(keys.tolist(), values.tolist(), strict=True)}
    flat = x.astype(keys.dtype) if not is_text(x) else x
    found = [table.get(_key(k), default) for k in flat.reshape(-1).tolist()]
    if is_text(values):
        return texts([str(v) for v in found], x.shape)
    return np.array(found, values.dtype).reshape(x.shape)


def _key(value: Any) -> Any:
    """Return what a key is looked up by: NaN, which equals nothing, finds NaN."""
    return "nan" if isinstance(value, float) and value != value else value


# Maps


@operator("DictVectorizer", domain=DOMAIN, raw=True)
def _dict_vectorizer(
    F: Any, x: Any, *, int64_vocabulary: Any = (), string_vocabulary: Any = ()
) -> Any:
    if not isinstance(x, dict):
        raise DTypeError("the input must be a map")
    words = string_vocabulary or int64_vocabulary
    empty = "" if any(isinstance(v, str) for v in x.values()) else 0
    found = [x.get(w, empty) for w in words]
    if empty == "":
        return texts(found, (1, len(found)))
    dtype = np.int64 if all(isinstance(v, int) for v in x.values()) else np.float32
    return np.array([found], dtype)


@operator("CastMap", domain=DOMAIN, raw=True)
def _cast_map(
    F: Any, x: Any, *, cast_to: str = "TO_FLOAT", map_form: str = "DENSE", max_map: int = 1
) -> Any:
    if not isinstance(x, dict):
        raise DTypeError("the input must be a map from int64")
    numbers = sorted(x)
    if map_form == "SPARSE":
        F.check((1, max_map), float32)
        size, places = max_map, numbers
        if numbers and not 0 <= numbers[0] <= numbers[-1] < max_map:
            raise ValueRangeError(f"a key of the map is outside of max_map={max_map}")
    else:
        size, places = len(numbers), list(range(len(numbers)))
    if cast_to == "TO_STRING":
        found = texts(["0"] * size, (1, size))
    else:
        found = np.zeros((1, size), np.int64 if cast_to == "TO_INT64" else np.float32)
    for place, number in zip(places, numbers, strict=True):
        value = x[number]
        found[0, place] = str(value) if cast_to == "TO_STRING" else float(value)
    return found


@operator("ZipMap", domain=DOMAIN, host=None)
def _zip_map(F: Any, x: Any, *, classlabels_int64s: Any = (), classlabels_strings: Any = ()) -> Any:
    labels = classlabels_strings or classlabels_int64s
    rows = x if x.ndim == 2 else x.reshape(1, -1)
    if rows.shape[1] != len(labels):
        raise ShapeError(f"{len(labels)} labels do not fit scores of shape {x.shape}")
    return [dict(zip(labels, row, strict=True)) for row in rows.tolist()]
