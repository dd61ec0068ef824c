from dataclasses import replace

import pytest

import hal
from hal.plugin import Chip, Cost, Product

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
        (Cost(5e9, 1e12, 10, hal.float32), 1.001, "vector"),
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
def test_its_slowest_part_bounds_a_kernel_that_calculates_while_it_moves(
    tmp_path, cost, seconds, bound
):
    found = chip(tmp_path).estimate(cost)
    assert found.bound == bound
    assert found.seconds == pytest.approx(seconds)


CORES = """
start = 1e-6
cores = 10
cache = 1_000_000
cache_bandwidth = 1e13
"""


def cored(tmp_path):
    return chip(tmp_path, TEXT.replace("launch = 2e-6", f"launch = 2e-6\n{CORES}"))


def product(*sizes, dtype=hal.float32):
    found = Product(*sizes)
    return Cost(found.operations, 0, 0, dtype, products=(found,))


def test_a_product_that_does_not_fill_the_cores_is_below_the_rate(tmp_path):
    found = cored(tmp_path)
    whole, small = product(5120, 5120, 4096), product(64, 64, 256)
    rates = [c.matrix / found.estimate(c, recorded=True).seconds for c in (whole, small)]
    assert rates[0] == pytest.approx(5e12, rel=0.05)
    assert rates[1] < rates[0] / 2


def test_a_product_of_one_column_goes_to_the_vector_unit_where_that_is_quicker(tmp_path):
    found = cored(tmp_path)
    depthwise = product(1000, 1, 9, 512)
    slow = replace(found, vector={hal.float32: 1e3})
    assert found.estimate(depthwise).seconds < slow.estimate(depthwise).seconds / 2


def test_what_was_made_just_before_comes_from_the_cache(tmp_path):
    found = cored(tmp_path)
    moved = Cost(0, 0, 400_000, hal.float32)
    cold, warm = (found.estimate(moved, cold=n, recorded=True).seconds for n in (400_000, 0))
    assert cold - warm == pytest.approx(400_000 / 1e12 - 400_000 / 1e13, rel=0.2)
    large = Cost(0, 0, 100_000_000, hal.float32)
    assert found.estimate(large, cold=0).seconds == pytest.approx(1e-6 + 1e-4, rel=0.01)


def test_a_recorded_kernel_needs_its_start_and_one_enqueued_alone_a_launch(tmp_path):
    found = cored(tmp_path)
    tiny = Cost(0, 1, 8, hal.float32)
    assert found.estimate(tiny).seconds == pytest.approx(2e-6)
    assert found.estimate(tiny, recorded=True).seconds == pytest.approx(1e-6, rel=0.01)
    assert found.estimate(tiny, recorded=True).bound == "launch"
