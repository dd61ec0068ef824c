"""Weights in safetensors files: what is written is read, by the reference library too."""

from __future__ import annotations

import contextlib
import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import hal
from hal.safetensors import load, load_file, safe_open, save, save_file

BOTH = ["bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64"]
OURS = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e8m0fnu"]
SHAPES = [(), (0, 3), (2, 3), (5,)]


def values(dtype, shape, seed=0):
    drawn = np.random.default_rng(seed).integers(0, 2, (*shape, 8), dtype=np.uint8)
    return np.packbits(drawn, axis=-1).reshape(shape).astype(dtype)


def arrays():
    return {f"{d}{len(s)}{s[:1]}": values(d, s, n) for n, d in enumerate(BOTH) for s in SHAPES}


def written(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def described(**changes):
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def test_what_the_reference_library_writes_is_read(path):
    safetensors.numpy.save_file(arrays(), path, {"format": "np"})
    found = load_file(path, "cpu:0")
    assert found.keys() == arrays().keys()
    for name, wanted in arrays().items():
        np.testing.assert_array_equal(found[name].numpy(), wanted, strict=True)


def test_the_reference_library_reads_what_is_written(path):
    save_file({n: hal.asarray(x) for n, x in arrays().items()}, path, {"made by": "hal"})
    found = safetensors.numpy.load_file(path)
    assert found.keys() == arrays().keys()
    for name, wanted in arrays().items():
        np.testing.assert_array_equal(found[name], wanted, strict=True)
    with safetensors.safe_open(path, "numpy") as file:
        assert file.metadata() == {"made by": "hal"}


@pytest.mark.parametrize("dtype", OURS)
def test_dtypes_that_numpy_lacks_come_back(dtype):
    wanted = hal.asarray(values("uint8", (3, 4))).numpy().view(getattr(hal, dtype).numpy)
    if wanted.dtype.itemsize == 2:
        wanted = wanted.reshape(-1)
    given = hal.asarray(wanted)
    found = load(save({"x": given}))["x"]
    assert found.dtype is given.dtype
    assert found.numpy().tobytes() == wanted.tobytes()
    assert safetensors.deserialize(save({"x": given}))[0][1]["shape"] == list(given.shape)


@given(hnp.arrays(np.float32, hnp.array_shapes(min_dims=0, min_side=0)), st.text(max_size=5))
def test_any_array_and_name_come_back(array, name):
    found = load(save({name: hal.asarray(array)}, {name: name}))
    np.testing.assert_array_equal(found[name].numpy(), array)


def test_views_are_written_as_they_look():
    x = hal.reshape(hal.arange(6), (2, 3))
    assert load(save({"x": x.T[::-1]}))["x"].tolist() == x.T[::-1].tolist()


def test_a_tensor_on_the_host_lies_in_the_file_and_never_changes_it(path):
    save_file({"x": hal.ones(1 << 20)}, path)
    before = path.read_bytes()
    used = hal.device("cpu:0").memory_stats().allocated
    with safe_open(path, "cpu:0") as file:
        x = file["x"]
    assert hal.device("cpu:0").memory_stats().allocated == used
    x[...] = 2.0
    assert x.sum().item() == 2 << 20
    assert path.read_bytes() == before


def test_a_file_says_what_it_holds_before_it_is_read(path):
    save_file({"b": hal.ones(2), "a": hal.ones(1)}, path, {"k": "v"})
    with safe_open(path) as file:
        assert sorted(file) == ["a", "b"]
        assert len(file) == 2
        assert file.metadata == {"k": "v"}
        assert file.types == {"a": ("float32", (1,)), "b": ("float32", (2,))}
        assert "net.safetensors" in repr(file)
        with pytest.raises(KeyError, match="c"):
            file["c"]


def test_a_model_in_parts_is_read_by_its_index(tmp_path):
    save_file({"a": hal.ones(1)}, tmp_path / "1.safetensors")
    save_file({"b": hal.ones(2)}, tmp_path / "2.safetensors")
    index = tmp_path / "net.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}}))
    assert {n: x.shape for n, x in load_file(index).items()} == {"a": (1,), "b": (2,)}
    index.write_text(json.dumps({"weight_map": {"c": "1.safetensors"}}))
    with pytest.raises(hal.ModelError, match=r"1.safetensors lacks.*: c"):
        load_file(index)
    for wrong in ({"weight_map": {"a": "../1.safetensors"}}, {"weight_map": ["a"]}, {}, []):
        index.write_text(json.dumps(wrong))
        with pytest.raises(hal.ModelError, match="names"):
            load_file(index)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "0 bytes"),
        (b"1234567", "7 bytes"),
        (struct.pack("<Q", 100) + b"{}", "header shall have 100"),
        (struct.pack("<Q", 1 << 63), "header shall have"),
        (written(b"{"), "no JSON"),
        (written(b"[" * 5000), "no JSON"),
        (written(b"\xff"), "no JSON"),
        (written([]), "names no tensors"),
        (written(b'{"a": {}, "a": {}}'), "twice"),
        (written({"__metadata__": {"a": 1}}), "metadata"),
        (written({"a": 1}), "contradicts"),
        (written({"a": {"dtype": "F32"}}), "contradicts"),
        (written({"a": described(shape=[3])}, bytes(8)), "contradicts"),
        (written({"a": described(shape=[-2])}, bytes(8)), "contradicts"),
        (written({"a": described(shape=[2.0])}, bytes(8)), "contradicts"),
        (written({"a": described(data_offsets=[8, 0])}, bytes(8)), "contradicts"),
        (written({"a": described(data_offsets=[0, 8, 8])}, bytes(8)), "contradicts"),
        (written({"a": described()}, bytes(4)), "take 8 bytes; 4"),
        (written({"a": described()}, bytes(9)), "take 8 bytes; 9"),
        (written({"a": described(), "b": described()}, bytes(8)), "begins at byte 0 instead of 8"),
        (written({"a": described(data_offsets=[4, 12])}, bytes(12)), "begins at byte 4"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_an_error(path, data, what):
    path.write_bytes(data)
    for read in (lambda: load(data), lambda: load_file(path)):
        with pytest.raises(hal.ModelError, match=what):
            read()


@pytest.mark.parametrize("name", ["none.safetensors", "none.json", ".", "two.json"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    (tmp_path / "two.json").write_text(json.dumps({"weight_map": {"a": "none.safetensors"}}))
    with pytest.raises(hal.ModelError, match=r"cannot be read: "):
        load_file(tmp_path / name)


@settings(max_examples=200)
@given(st.data())
def test_no_damage_ends_in_anything_but_an_error(data):
    whole = bytearray(save({"a": hal.ones(2), "b": hal.ones((1, 3), dtype=hal.int8)}, {"k": "v"}))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    for given_bytes in (bytes(whole), bytes(whole[:cut])):
        with contextlib.suppress(hal.ModelError, hal.Unsupported):
            assert all(isinstance(x, hal.Tensor) for x in load(given_bytes).values())


def test_a_dtype_that_hal_lacks_is_named_when_the_tensor_is_asked_for(path):
    path.write_bytes(
        written(
            {"a": described(), "b": described(dtype="F6_E2M3", data_offsets=[8, 10])}, bytes(10)
        )
    )
    with safe_open(path) as file:
        assert file["a"].tolist() == [0, 0]
        with pytest.raises(hal.Unsupported, match="F6_E2M3"):
            file["b"]


@pytest.mark.parametrize(
    ("tensors", "metadata", "error", "what"),
    [
        ({"x": np.ones(2)}, None, hal.DTypeError, "'x' is ndarray"),
        ({1: hal.ones(2)}, None, hal.DTypeError, "by name"),
        ({"x": hal.ones(2, dtype=hal.complex128)}, None, hal.DTypeError, "complex128"),
        ({"__metadata__": hal.ones(2)}, None, hal.ValueRangeError, "__metadata__"),
        ({"x": hal.ones(2)}, {"a": 1}, hal.DTypeError, "metadata"),
    ],
)  # fmt: skip
def test_what_cannot_be_written_leaves_the_old_file(path, tensors, metadata, error, what):
    path.write_bytes(b"old")
    with pytest.raises(error, match=what):
        save_file(tensors, path, metadata)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]
