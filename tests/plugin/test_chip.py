import pytest

import hal
from hal.plugin import Chip, Cost

TEXT = """
name = "x-1"
description = "X 1"
backend = "x"
architecture = "x1"
memory = 1_073_741_824
bandwidth = 1e12
launch = 2e-6
dtypes = ["float32", "float16"]

[matrix]
float16 = 4e13
float32 = 1e13

[rounded]
tf32 = 2e13

[vector]
float32 = 1e12
float64 = 5e11

[efficiency]
matrix = 0.5

[products.float32]
high = "tf32"
"""


def chip(tmp_path, text=TEXT):
    path = tmp_path / "chip.toml"
    path.write_text(text)
    return Chip.read(path)


def test_a_chip_is_read_from_a_file(tmp_path):
    found = chip(tmp_path)
    assert found.dtypes == (hal.float32, hal.float16)
    assert found.matrix[hal.float16] == 4e13
    assert found.products[hal.float32]["high"] == "tf32"


@pytest.mark.parametrize(
    ("given", "wrong", "says"),
    [
        ("bandwidth = 1e12", "", "bandwidth"),
        ("bandwidth = 1e12", "bandwidth = -1", "above zero"),
        ("bandwidth = 1e12", "bandwidth = 1e12\nclock = 1", "clock"),
        ("matrix = 0.5", "matrix = 1.5", "up to 1"),
        ("matrix = 0.5", "cube = 0.5", "cube"),
        ('high = "tf32"', 'high = "int3"', "tf32"),
        ('"float16"]', '"float12"]', "float12"),
        ("tf32 = 2e13", "tf33 = 2e13", "tf33"),
        ("[matrix]", "[matrix", "chip.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(tmp_path, given, wrong, says):
    with pytest.raises(hal.errors.ValueRangeError, match=r"chip\.toml") as caught:
        chip(tmp_path, TEXT.replace(given, wrong))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("cost", "seconds", "bound"),
    [
        (Cost(5e12, 0, 0, hal.float32), 1.0, "matrix"),
        (Cost(2e13, 0, 0, hal.float16), 1.0, "matrix"),
        (Cost(5e9, 1e12, 10, hal.float32), 1.0, "vector"),
        (Cost(0, 10, 2_000_000_000_000, hal.float32), 2.0, "memory"),
        (Cost(0, 10, 40, hal.float32), 2e-6, "launch"),
        (Cost(0, 1e12, 0, hal.int8), 1.0, "vector"),
        (Cost(0, 1e12, 0, hal.float16), 2.0, "vector"),
        (Cost(2.5e11, 0, 0, hal.float64), 1.0, "matrix"),
        (Cost(5e12, 0, 0, hal.complex64), 1.0, "matrix"),
        (Cost(1e13, 0, 0, hal.float32, "high"), 1.0, "matrix"),
        (Cost(5e12, 0, 0, hal.float32, "medium"), 1.0, "matrix"),
    ],
)
def test_the_slowest_part_bounds_a_kernel(tmp_path, cost, seconds, bound):
    found = chip(tmp_path).estimate(cost)
    assert found.bound == bound
    assert found.seconds == pytest.approx(seconds)
