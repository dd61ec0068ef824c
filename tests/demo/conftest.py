"""The encoder, where its files are installed, and the reference vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hal.demo import load_encoder
from hal.errors import DependencyMissing


@pytest.fixture(scope="session")
def encoder():
    try:
        return load_encoder("cpu:0")
    except DependencyMissing as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def reference():
    """Texts and their vectors in float64, made by make_reference.py."""
    with np.load(Path(__file__).with_name("reference.npz")) as file:
        return [str(text) for text in file["texts"]], file["vectors"], file["lengths"].tolist()
