"""Loops made for one signature: written as LLVM code, compiled once, kept on disk."""

from hal_cpu.jit.attention import Geometry, attention_code
from hal_cpu.jit.concat import concat_code
from hal_cpu.jit.engine import Loop, compile_loop, vector_lanes
from hal_cpu.jit.few import FewRows, few_rows
from hal_cpu.jit.gates import Recurrence
from hal_cpu.jit.kernels import address, find_loop, loop_kernel
from hal_cpu.jit.phases import TURNS
from hal_cpu.jit.pools import pool_code
from hal_cpu.jit.recurrent import recurrent_code
from hal_cpu.jit.reductions import find_reduction
from hal_cpu.jit.rows import scores_code
from hal_cpu.jit.scalar import HALVES, NotVectorised
from hal_cpu.jit.winograd import Tiles, gather_code, scatter_code

__all__ = [
    "HALVES",
    "TURNS",
    "FewRows",
    "Geometry",
    "Loop",
    "NotVectorised",
    "Recurrence",
    "Tiles",
    "address",
    "attention_code",
    "compile_loop",
    "concat_code",
    "few_rows",
    "find_loop",
    "find_reduction",
    "gather_code",
    "loop_kernel",
    "pool_code",
    "recurrent_code",
    "scatter_code",
    "scores_code",
    "vector_lanes",
]
