"""Semantic search with a real sentence encoder, all-MiniLM-L6-v2, on any device.

The model is written once, in :mod:`hal.demo.encoder`, against hal's public functions; ``hal demo``
and ``examples/semantic_search.py`` use it.
"""

from hal.demo.encoder import Encoder
from hal.demo.model import load_encoder
from hal.demo.search import Hit, Search, search
from hal.demo.texts import read_texts

__all__ = ["Encoder", "Hit", "Search", "load_encoder", "read_texts", "search"]
