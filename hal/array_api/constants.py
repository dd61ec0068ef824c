"""Constants of the standard.

Source: https://data-apis.org/array-api/latest/API_specification/constants.html
"""

from __future__ import annotations

import math

__all__ = ["e", "inf", "nan", "newaxis", "pi"]

e: float = math.e
"""Euler's number."""

inf: float = math.inf
"""Positive infinity."""

nan: float = math.nan
"""Not a number."""

newaxis: None = None
"""In an index, adds an axis of size 1: the same as None."""

pi: float = math.pi
"""A circle's circumference divided by its diameter."""
