"""Chip families: what a name stands for, and which dtypes a chip calculates with."""

from __future__ import annotations

from dataclasses import dataclass

from hal import dtypes
from hal.dtypes import COMPUTE, DType

__all__ = ["FAMILIES", "Family", "family"]


@dataclass(frozen=True)
class Family:
    """Chips that have the same units.

    Attributes
    ----------
    name : str
        Huawei's name for the products.
    prefixes : tuple of str
        How the names that ``aclrtGetSocName`` gives begin.
    bfloat16 : bool
        Whether there is bfloat16 at all.
    float32_products : bool
        Whether the cube unit multiplies float32; where not, the user must allow float16.
    """

    name: str
    prefixes: tuple[str, ...]
    bfloat16: bool
    float32_products: bool

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The dtypes that tensors can have."""
        return tuple(d for d in COMPUTE if self.bfloat16 or d is not dtypes.bfloat16)


FAMILIES = (
    Family("Atlas inference (310P)", ("Ascend310P",), bfloat16=False, float32_products=False),
    Family("Atlas 200I/500 A2 (310B)", ("Ascend310B",), bfloat16=False, float32_products=False),
    Family("Atlas A3 (910C)", ("Ascend910_93",), bfloat16=True, float32_products=True),
    Family(
        "Atlas A2 (910B)",
        ("Ascend910B1", "Ascend910B2", "Ascend910B3", "Ascend910B4"),
        bfloat16=True,
        float32_products=True,
    ),
    Family("Ascend 950", ("Ascend950",), bfloat16=True, float32_products=True),
    Family("Atlas training (910A)", ("Ascend910",), bfloat16=False, float32_products=False),
)
_OTHERS = Family("unknown", (), bfloat16=False, float32_products=False)


def family(soc: str) -> Family:
    """Return the family of a chip; of one that is not known, the most careful.

    Examples
    --------
    >>> family("Ascend910B3").name, family("Ascend910B").float32_products
    ('Atlas A2 (910B)', False)
    """
    return next((f for f in FAMILIES if soc.startswith(f.prefixes)), _OTHERS)
