"""Factors of a matrix may differ between right devices; what they must agree in may not."""

from __future__ import annotations

import numpy as np
import pytest

from hal.testing.freedom import settled

MATRIX = np.array([[2.0, 1.0, 0.0], [1.0, 3.0, 0.5], [0.0, 0.5, 1.0]])
FACTORS = {
    "qr": (lambda: tuple(np.linalg.qr(MATRIX)), lambda q, r: (-q, -r), lambda q, r: (q, -r)),
    "svd": (
        lambda: tuple(np.linalg.svd(MATRIX)),
        lambda u, s, vh: (-u, s, -vh),
        lambda u, s, vh: (u[:, ::-1], s, vh),
    ),
    "eigh": (
        lambda: tuple(np.linalg.eigh(MATRIX)),
        lambda w, v: (w, v * [1, -1, 1]),
        lambda w, v: (w, 2 * v),
    ),
    "eig": (
        lambda: tuple(np.linalg.eig(MATRIX)),
        lambda w, v: (w[::-1], v[:, ::-1] * 1j),
        lambda w, v: (w[::-1], v),
    ),
    "eigvals": (lambda: (np.linalg.eigvals(MATRIX),), lambda w: (w[::-1],), lambda w: (w + 0.1,)),
}


def agree(name, first, second):
    pairs = zip(settled(name, [MATRIX], first), settled(name, [MATRIX], second), strict=True)
    return all(np.allclose(a, b, atol=1e-12) for a, b in pairs)


@pytest.mark.parametrize("name", FACTORS)
def test_factors_of_other_sign_or_order_agree_and_wrong_ones_do_not(name):
    calculate, other, wrong = FACTORS[name]
    results = calculate()
    assert agree(name, results, other(*results))
    assert not agree(name, results, wrong(*results))


def test_other_operators_must_agree_in_their_results():
    results = (MATRIX,)
    assert settled("inv", [MATRIX], results) is results
