"""Loops made for one signature: written as LLVM code, compiled once, kept on disk."""

from hal_cpu.jit.attention import Geometry, attention_code
from hal_cpu.jit.engine import compile_loop
from hal_cpu.jit.kernels import address, find_loop
from hal_cpu.jit.rows import scores_code

__all__ = ["Geometry", "address", "attention_code", "compile_loop", "find_loop", "scores_code"]
