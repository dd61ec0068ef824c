"""The values a model is run with."""

import numpy as np
import pytest

import hal
from hal.errors import Unsupported, ValueRangeError
from hal.onnx import ValueType
from hal.tools.inputs import draw_inputs, read_inputs, read_sizes

X = ValueType("x", dtype=hal.float32, shape=("n", 3))
INDEX = ValueType("i", dtype=hal.int64, shape=("n",))
TEXT = ValueType("t", shape=("n",), text=True)


def test_a_seed_means_the_same_values_again():
    first, again, other = (draw_inputs([X, INDEX], seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], other["x"])


def test_drawn_values_have_the_declared_dtype_and_shape():
    found = draw_inputs([X, INDEX], sizes={"n": 4})
    assert (found["x"].dtype, found["x"].shape) == (np.float32, (4, 3))
    assert (found["i"].dtype, found["i"].shape) == (np.int64, (4,))
    assert set(found["i"]) <= {0, 1}


def test_a_given_value_decides_the_size_of_its_named_axes():
    found = draw_inputs([X, INDEX], {"x": np.ones((5, 3), np.float32)})
    assert found["i"].shape == (5,)


def test_strings_cannot_be_drawn():
    with pytest.raises(Unsupported, match="give it with --input"):
        draw_inputs([TEXT])


def test_an_empty_optional_is_none():
    optional = ValueType("o", "optional", element=X)
    assert draw_inputs([optional]) == {"o": None}


def test_inputs_come_from_files_of_one_array_and_of_several(tmp_path):
    x, i = np.ones((2, 3), np.float32), np.arange(2)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "both.npz", x=x + 1, i=i, other=i)
    found = read_inputs([X, INDEX], [f"{tmp_path / 'both.npz'}", f"x={tmp_path / 'x.npy'}"])
    assert np.array_equal(found["x"], x)
    assert np.array_equal(found["i"], i)


def test_what_is_to_be_drawn_is_left_out():
    assert read_inputs([X], ["x=random"]) == {}


def test_an_archive_with_a_name_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", x=np.ones(3))
    with pytest.raises(ValueRangeError, match="holds several arrays"):
        read_inputs([X], [f"x={tmp_path / 'x.npz'}"])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"nothing"])
def test_a_damaged_archive_is_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueRangeError, match=r"is no \.npz file"):
        read_inputs([X], [str(tmp_path / "x.npz")])


def test_a_missing_archive_and_a_foreign_name_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", q=np.ones(3))
    with pytest.raises(ValueRangeError, match="is no file"):
        read_inputs([X], ["missing.npz"])
    with pytest.raises(ValueRangeError, match="no input of the model, which has x; it has q"):
        read_inputs([X], [str(tmp_path / "x.npz")])


def test_sizes_are_numbers_of_named_axes():
    assert read_sizes([X], ["n=3"]) == {"n": 3}
    for wrong in ("q=3", "n=three"):
        with pytest.raises(ValueRangeError, match="named axes are n"):
            read_sizes([X], [wrong])


def test_a_value_for_no_input_is_refused():
    with pytest.raises(ValueRangeError, match="no input z; it has: x"):
        draw_inputs([X], {"z": np.ones(3)})
