"""How fast a model runs on a device, and how near that is to what the device can do."""

from hal.tools.bench.bench import Bench, bench
from hal.tools.bench.limits import Limits, measure_limits
from hal.tools.bench.rows import OperatorRow

__all__ = ["Bench", "Limits", "OperatorRow", "bench", "measure_limits"]
