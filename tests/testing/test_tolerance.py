"""How far a result may lie from the reference's."""

from __future__ import annotations

import numpy as np

import hal
from hal.ops import operators
from hal.testing.tolerance import bound


def allowed(name, x, dtype, **attributes):
    op = operators[name]
    expected = np.asarray(op.reference(x, **attributes))
    return bound(op, attributes, [x], expected, dtype)


def test_the_size_of_a_complex_number_may_be_rounded():
    x = np.array([3 + 4j], np.complex64)
    assert 0 < allowed("abs", x, hal.float32)[0] < 1e-5


def test_the_size_of_a_real_number_is_exact():
    assert allowed("abs", np.array([-3.0], np.float32), hal.float32)[0] == 0


def test_weights_that_cancel_each_other_leave_room_for_the_size_of_the_inputs():
    x = np.full((1, 1, 5), 100.0, np.float32)
    given = {"size": (7,), "scale": None, "mode": "cubic", "align_corners": False}
    assert (allowed("interpolate", x, hal.float32, **given) >= 100 * 1e-7).all()


def test_terms_that_cancel_in_a_logarithm_of_a_sum_leave_room_for_their_own_size():
    x, y = np.float32([-0.6]), np.float32([-0.796])
    expected = np.logaddexp(x, y)
    assert abs(expected[0]) < 0.01
    assert bound(operators["logaddexp"], {}, [x, y], expected, hal.float32)[0] > 1e-7
