"""One team of threads for everything: oneDNN's own, OpenMP's, which compiled loops join.

Two pools would take the processors from each other, as a thread that waits for work keeps its
processor busy for a while. Where oneDNN is not there, ``share`` hands parts out instead.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from hal_cpu.dnn.library import library, openmp

__all__ = ["symbols", "with_team"]

_NAMES = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num")


@cache
def symbols() -> dict[str, int] | None:
    """Return the addresses of what compiled code calls, None where there is no team."""
    dnn = library()
    if dnn is None:
        return None
    found: dict[str, Any] = {name: getattr(openmp(), name) for name in _NAMES}
    found["dnnl_sgemm"] = dnn.dnnl_sgemm
    found["sched_yield"] = ctypes.CDLL(None).sched_yield
    return {
        name: ctypes.cast(function, ctypes.c_void_p).value or 0 for name, function in found.items()
    }


def with_team(text: str, arrays: int, finish: bool = False) -> str:
    """Return LLVM code with a function ``team(extent, size, threads, arrays...)`` added.

    It calls the code's ``loop(begin, end, size, arrays...)`` on every thread of a team, on a part
    of ``range(extent)`` each, and then, if it is told to, ``finish(size, arrays...)`` on one.
    """
    names = [name for name in ("omp_get_num_threads", "omp_get_thread_num") if name not in text]
    asked = "\n".join(f"declare i32 @{name}()" for name in names)
    slots = arrays + 2
    given = "".join(f", ptr %p{n}" for n in range(arrays))
    stores = "".join(
        f"  %s{n} = getelementptr i64, ptr %data, i64 {n + 2}\n  store ptr %p{n}, ptr %s{n}\n"
        for n in range(arrays)
    )
    loads = "".join(
        f"  %s{n} = getelementptr i64, ptr %data, i64 {n + 2}\n  %p{n} = load ptr, ptr %s{n}\n"
        for n in range(arrays)
    )
    end = f"  call void @finish(i64 %size{given})\n" if finish else ""
    return f"""{text}
declare void @GOMP_parallel(ptr, ptr, i32, i32)
{asked}

define internal void @part(ptr %data) {{
  %count = call i32 @omp_get_num_threads()
  %number = call i32 @omp_get_thread_num()
  %n = sext i32 %count to i64
  %i = sext i32 %number to i64
  %next = add i64 %i, 1
  %extent = load i64, ptr %data
  %place = getelementptr i64, ptr %data, i64 1
  %size = load i64, ptr %place
  %low = mul i64 %extent, %i
  %high = mul i64 %extent, %next
  %begin = sdiv i64 %low, %n
  %end = sdiv i64 %high, %n
{loads}  call void @loop(i64 %begin, i64 %end, i64 %size{given})
  ret void
}}

define void @team(i64 %extent, i64 %size, i32 %threads{given}) {{
  %data = alloca [{slots} x i64]
  store i64 %extent, ptr %data
  %place = getelementptr i64, ptr %data, i64 1
  store i64 %size, ptr %place
{stores}  call void @GOMP_parallel(ptr @part, ptr %data, i32 %threads, i32 0)
{end}  ret void
}}
"""
