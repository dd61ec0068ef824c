"""What a chip's name says about its units."""

from __future__ import annotations

import pytest

from hal import dtypes
from hal_ascend.families import family


@pytest.mark.parametrize(
    ("soc", "bfloat16", "float32_products"),
    [
        ("Ascend910B3", True, True),
        ("Ascend910B4-1", True, True),
        ("Ascend910_9392", True, True),
        ("Ascend950PR_9579", True, True),
        ("Ascend310P3", False, False),
        ("Ascend310B1", False, False),
        ("Ascend910A", False, False),
        ("Ascend910ProB", False, False),
        ("Ascend1234", False, False),
    ],
)
def test_a_chip_has_the_units_of_its_family(soc, bfloat16, float32_products):
    chip = family(soc)
    assert (dtypes.bfloat16 in chip.dtypes) is bfloat16
    assert chip.float32_products is float32_products
