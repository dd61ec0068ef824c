"""``hal info`` of a safetensors file."""

import json

import pytest

import hal
from hal.safetensors import save_file


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "net.safetensors"
    tensors = {"weight": hal.ones((4, 3), dtype=hal.bfloat16), "bias": hal.zeros(4)}
    save_file(tensors, path, {"made by": "hal"})
    return str(path)


def test_info_lists_the_tensors(hal_command, weights):
    status, out, _ = hal_command("info", weights)
    assert status == 0
    for text in ("made by", "16", "bfloat16[4, 3]", "bias", "float32[4]", "bfloat16 (12)"):
        assert text in out


def test_info_lists_the_tensors_for_programs(hal_command, weights):
    status, out, _ = hal_command("info", weights, "--json")
    assert status == 0
    found = json.loads(out)
    assert found["parameters"] == 16
    assert found["tensors"]["weight"] == {"dtype": "bfloat16", "shape": [4, 3]}
    assert found["metadata"] == {"made by": "hal"}


def test_info_of_a_damaged_file_is_an_error(hal_command, tmp_path):
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"nothing of that kind")
    status, out, err = hal_command("info", str(path))
    assert status == 2
    assert out == ""
    assert "no whole safetensors file" in err
