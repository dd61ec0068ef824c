"""Lets the tests run in a checkout where the plugin is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).parent

for name, folder in (("hal_ascend", "src"), ("hal_ascend_standin", "standin/src")):
    if importlib.util.find_spec(name) is None:
        sys.path.append(str(HERE / folder))
