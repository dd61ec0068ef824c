import tomllib
from pathlib import Path

import pytest

import hal
import hal_cpu.chips
from hal.plugin import Cost
from hal_cpu.backend import CpuBackend

FILES = sorted(Path(hal_cpu.chips.__file__).parent.glob("*.toml"))
CHIPS = CpuBackend().chips()


def test_the_chips_that_people_ask_for_are_there():
    assert set(CHIPS) >= {
        "ascend-310p", "ascend-910b", "ascend-910c", "nvidia-a100", "nvidia-h100", "nvidia-h20",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_figure_of_a_file_has_a_source(path):
    data = tomllib.loads(path.read_text())
    labels = {"name", "description", "backend", "architecture", "sources"}
    assert set(data["sources"]) == set(data) - labels
    assert data["name"] == path.stem


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_a_chip_multiplies_float16_quicker_than_float32(chip):
    half, single = (chip.estimate(Cost(1e15, 0, 0, d)) for d in (hal.float16, hal.float32))
    assert half.seconds < single.seconds
    assert half.bound == "matrix"


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_a_chip_multiplies_quicker_where_the_user_allows_less(chip):
    exact, fast = (
        chip.estimate(Cost(1e15, 0, 0, hal.float32, precision))
        for precision in ("highest", "medium")
    )
    assert fast.seconds < exact.seconds


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_long_vectors_are_bound_by_memory(chip):
    million = 1_000_000_000
    assert chip.estimate(Cost(0, million, 12 * million, hal.float32)).bound == "memory"
