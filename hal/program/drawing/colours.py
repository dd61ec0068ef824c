"""Which colour a box has, by what its call does."""

from __future__ import annotations

__all__ = ["colour"]

_COLOURS = {
    "input": "#e8e8e8",
    "output": "#e8e8e8",
    "view": "#ffffff",
    "host": "#f6b0a8",
    "product": "#b9d6f2",
    "convolution": "#b9d6f2",
    "attention": "#b9d6f2",
    "recurrent": "#b9d6f2",
    "linalg": "#b9d6f2",
    "elementwise": "#cfe8c5",
    "activation": "#cfe8c5",
    "normalization": "#f3e2ae",
    "reduction": "#f3e2ae",
    "pooling": "#f3e2ae",
}


def colour(kind: str) -> str:
    """Return the colour of a kind of box."""
    return _COLOURS.get(kind, "#dfd3ee")
