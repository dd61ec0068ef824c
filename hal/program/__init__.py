"""Compiled programs: trace, passes, memory plan, execution."""

from hal.plugin import Array, Call, Program
from hal.program.compiled import Compiled, compile
from hal.program.execute import Executable
from hal.program.memory import MemoryPlan, plan_memory
from hal.program.passes import optimize
from hal.program.trace import label, record

__all__ = [
    "Array",
    "Call",
    "Compiled",
    "Executable",
    "MemoryPlan",
    "Program",
    "compile",
    "label",
    "optimize",
    "plan_memory",
    "record",
]
