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
    half_byte_products : bool
        Whether there are products with weights of 4 bits.
    exceptions : str
        Which notes in the table of CANN's operators are about these chips; none when empty.
    """

    name: str
    prefixes: tuple[str, ...]
    bfloat16: bool
    float32_products: bool
    half_byte_products: bool = True
    exceptions: str = ""

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The dtypes that tensors can have."""
        return tuple(d for d in COMPUTE if self.bfloat16 or d is not dtypes.bfloat16)


def _half_only(name: str, *prefixes: str) -> Family:
    """Return a family without bfloat16 whose cube unit multiplies float16 and int8 alone.

    Of such chips, CANN's public documentation of the operators covers the 310P best.
    """
    return Family(name, prefixes, False, False, half_byte_products=False, exceptions="310P")


def _full(name: str, *prefixes: str) -> Family:
    return Family(name, prefixes, bfloat16=True, float32_products=True)


FAMILIES = (
    _half_only("Atlas inference (310P)", "Ascend310P"),
    _half_only("Atlas 200I/500 A2 (310B)", "Ascend310B"),
    _full("Atlas A3 (910C)", "Ascend910_93"),
    _full("Atlas A2 (910B)", "Ascend910B1", "Ascend910B2", "Ascend910B3", "Ascend910B4"),
    _full("Ascend 950", "Ascend950"),
    _half_only("Atlas training (910A)", "Ascend910"),
)
_OTHERS = _half_only("unknown")


def family(soc: str) -> Family:
    """Return the family of a chip; of one that is not known, the most careful.

    Examples
    --------
    >>> family("Ascend910B3").name, family("Ascend910B").float32_products
    ('Atlas A2 (910B)', False)
    """
    return next((f for f in FAMILIES if soc.startswith(f.prefixes)), _OTHERS)
