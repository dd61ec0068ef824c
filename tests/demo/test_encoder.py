"""The encoder's vectors are those of the reference, alone and in padded batches."""

from __future__ import annotations

import numpy as np
import pytest

import hal

TOLERANCE = 1e-5


def test_texts_become_the_tokens_of_the_reference(encoder, reference):
    texts, _, lengths = reference
    assert [len(tokens) for tokens in encoder.tokenize(texts)] == lengths
    assert max(lengths) == 256  # where the model stops reading


def test_each_text_alone_equals_the_reference(encoder, reference):
    texts, vectors, _ = reference
    for text, vector in zip(texts, vectors, strict=True):
        np.testing.assert_allclose(encoder.embed([text]).numpy()[0], vector, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("batch", [1, 2, 3, 16])
def test_padded_batches_equal_the_reference_in_the_order_given(batch, encoder, reference):
    texts, vectors, _ = reference
    found = encoder.embed(texts[::-1], batch=batch)
    assert found.shape == vectors.shape
    np.testing.assert_allclose(found.numpy()[::-1], vectors, rtol=0, atol=TOLERANCE)


def test_what_stands_in_the_padding_changes_nothing(encoder):
    ids = np.array([[101, 7592, 102, 0, 0], [101, 7592, 102, 2088, 30521]], np.int32)
    real = np.array([[True, True, True, False, False]] * 2)
    first, second = encoder.forward(hal.asarray(ids), hal.asarray(real)).numpy()
    np.testing.assert_allclose(first, second, rtol=0, atol=1e-7)
    alone = encoder.forward(hal.asarray(ids[:1, :3]), hal.asarray(real[:1, :3])).numpy()[0]
    np.testing.assert_allclose(first, alone, rtol=0, atol=1e-6)


def test_vectors_have_length_one(encoder, reference):
    lengths = np.linalg.norm(encoder.embed(reference[0]).numpy(), axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_progress_counts_every_text_once(encoder):
    done = []
    encoder.embed(["a", "b", "c", "d", "e"], batch=2, advance=done.append)
    assert done == [2, 2, 1]


def test_the_whole_encoder_runs_natively_on_the_cpu(encoder):
    hal.reset_report()
    with hal.fallback("error"):
        encoder.embed(["native"])
    report = hal.report()
    assert report.calls(route="native") == report.calls() > 50
