"""Images in files."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from hal.dtypes import uint8
from hal.errors import ModelError, Unsupported, ValueRangeError
from hal.onnx.registry import operator


@operator("ImageDecoder", host=(0,))
def _image_decoder(F: Any, encoded: Any, *, pixel_format: str = "RGB") -> Any:
    """Decode with Pillow; the size is checked before the pixels are."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise Unsupported(
            "ImageDecoder needs Pillow; install it with: pip install 'hal-sdk[onnx]'"
        ) from None
    if pixel_format not in ("RGB", "BGR", "Grayscale"):
        raise ValueRangeError(f"pixel_format is {pixel_format!r}; it may be RGB, BGR or Grayscale")
    try:
        with Image.open(io.BytesIO(encoded.tobytes())) as image:
            F.check((image.height, image.width, 4), uint8)
            pixels = np.asarray(image.convert("L" if pixel_format == "Grayscale" else "RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ModelError(f"the image cannot be decoded: {error}") from None
    if pixel_format == "Grayscale":
        return pixels[..., None]
    return np.ascontiguousarray(pixels[..., ::-1]) if pixel_format == "BGR" else pixels
