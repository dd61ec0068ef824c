"""What each of CANN's operators does, in NumPy, by its name without the prefix."""

from __future__ import annotations

from importlib import import_module

from hal_ascend_standin.semantics.table import SEMANTICS

for _chapter in ("elementwise", "movement", "reduction", "layers"):
    import_module(f"hal_ascend_standin.semantics.{_chapter}")

__all__ = ["SEMANTICS"]
