"""The conformance kit: finds out whether a device means what hal means, and how well it does.

Run it with ``pytest --pyargs hal.testing --hal-device=NAME:0`` or ``hal conformance NAME:0``, or
from Python:

>>> from hal.testing import run, summary
>>> result = run("cpu:0", only=("add", "copies"), quick=True)
>>> result.ok
True
"""

from hal.testing.compare import Comparison, compare
from hal.testing.junit import to_junit
from hal.testing.kit import run, tasks
from hal.testing.outcome import Outcome
from hal.testing.result import Result, load, summary, table
from hal.testing.sample import Input, Sample, sampler

__all__ = [
    "Comparison",
    "Input",
    "Outcome",
    "Result",
    "Sample",
    "compare",
    "load",
    "run",
    "sampler",
    "summary",
    "table",
    "tasks",
    "to_junit",
]
