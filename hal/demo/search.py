"""Ranks texts by how near their meaning is to a query's."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hal.demo.encoder import Encoder
from hal.errors import ValueRangeError

__all__ = ["Hit", "Search", "search"]


@dataclass(frozen=True)
class Hit:
    """One text and its score: the cosine of the angle to the query, at most 1."""

    score: float
    text: str


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes
    ----------
    query : str
    device : str
        What ran it.
    hits : tuple of Hit
        All texts, the best first.
    seconds : float
        What embedding the texts took.
    """

    query: str
    device: str
    hits: tuple[Hit, ...]
    seconds: float

    @property
    def milliseconds_per_text(self) -> float:
        """The mean time one text took."""
        return 1e3 * self.seconds / len(self.hits)


def search(
    encoder: Encoder,
    query: str,
    texts: Sequence[str],
    advance: Callable[[int], object] = lambda done: None,
) -> Search:
    """Embed texts and a query, and rank the texts.

    Parameters
    ----------
    encoder : Encoder
    query : str
    texts : sequence of str
    advance : callable, optional
        Is told, now and then, how many more texts are done.

    Raises
    ------
    ValueRangeError
        When the query is empty or there is no text.
    """
    if not query.strip():
        raise ValueRangeError("the query is empty; ask for something in a few words")
    if not texts:
        raise ValueRangeError("there is no text to search; give at least one")
    start = time.perf_counter()
    vectors = encoder.embed(texts, advance=advance)
    seconds = time.perf_counter() - start
    scores = (vectors @ encoder.embed([query])[0]).tolist()
    best = sorted(range(len(texts)), key=lambda i: -scores[i])
    hits = tuple(Hit(scores[i], texts[i]) for i in best)
    return Search(query, encoder.device.name, hits, seconds)
