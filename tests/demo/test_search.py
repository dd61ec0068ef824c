"""A search puts the text that means the same first."""

from __future__ import annotations

import pytest

import hal
from hal.demo import read_texts, search


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("How do I keep bread from going stale?", "Bread stays fresh"),
        ("why does the level of the sea change during the day", "Tides rise"),
        ("my internet connection is broken", "Unplug the router"),
        ("training a young dog", "Teach a puppy"),
    ],
)
def test_the_best_hit_is_about_the_query(query, best, encoder):
    found = search(encoder, query, read_texts())
    assert found.hits[0].text.startswith(best)


def test_hits_are_all_texts_with_falling_scores(encoder):
    texts = read_texts()[:10]
    found = search(encoder, "the Sun", texts)
    scores = [hit.score for hit in found.hits]
    assert sorted(hit.text for hit in found.hits) == sorted(texts)
    assert scores == sorted(scores, reverse=True)
    assert found.device == "cpu:0"
    assert found.milliseconds_per_text * 10 == pytest.approx(1e3 * found.seconds)


def test_the_score_of_the_query_itself_is_one(encoder):
    text = "A dripping tap usually needs nothing but a new washer."
    assert search(encoder, text, [text]).hits[0].score == pytest.approx(1, abs=1e-6)


def test_an_empty_query_or_collection_is_refused(encoder):
    with pytest.raises(hal.ValueRangeError, match="query is empty"):
        search(encoder, " ", ["text"])
    with pytest.raises(hal.ValueRangeError, match="no text"):
        search(encoder, "query", [])
