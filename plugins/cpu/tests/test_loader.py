"""The loader: object files of loops become functions without LLVM, or are left to LLVM."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys

import numpy as np
import pytest

from hal_cpu.jit import engine
from hal_cpu.jit.compiler import compiled, loaded
from hal_cpu.jit.engine import compile_loop
from hal_cpu.jit.loader import NotLoadable, load_object

here = sys.platform == "linux" and platform.machine() == "x86_64"
only_here = pytest.mark.skipif(not here, reason="LLVM loads code on other systems")

# y = f(x) + one of two numbers of a table, in turn.
LOOP = """
@table = private unnamed_addr constant [4 x float] [float 1.0, float 2.0, float 0.0, float 0.0]
{declared}
define void @loop(i64 %begin, i64 %end, i64 %size, ptr %y, ptr %x) {{
start:
  br label %turn
turn:
  %i = phi i64 [%begin, %start], [%next, %turn]
  %from = getelementptr float, ptr %x, i64 %i
  %value = load float, ptr %from
  {made}
  %place = and i64 %i, 1
  %entry = getelementptr [4 x float], ptr @table, i64 0, i64 %place
  %number = load float, ptr %entry
  %sum = fadd float %f, %number
  %to = getelementptr float, ptr %y, i64 %i
  store float %sum, ptr %to
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %end
  br i1 %more, label %turn, label %done
done:
  ret void
}}
"""
PLAIN = LOOP.format(declared="", made="%f = fadd float %value, 0.0")
CALLING = LOOP.format(
    declared="declare float @{name}(float)", made="%f = call float @{name}(float %value)"
)


def run(code, load, symbols=None):
    keeper, (place,) = load(code, symbols or {}, ("loop",))
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3, *[ctypes.c_void_p] * 2)
    x = np.arange(-50, 50, dtype=np.float32)
    y = np.empty_like(x)
    kind(place)(0, x.size, 0, y.ctypes.data, x.ctypes.data)
    del keeper
    return x, y


@only_here
def test_code_and_its_tables_mean_what_they_mean_when_llvm_loads_them():
    code = compiled(PLAIN)
    x, found = run(code, load_object)
    np.testing.assert_array_equal(found, x + np.tile([1, 2], 50))
    np.testing.assert_array_equal(found, run(code, loaded)[1])


@only_here
def test_code_calls_the_c_library():
    x, found = run(compiled(CALLING.replace("{name}", "cbrtf")), load_object)
    np.testing.assert_allclose(found, np.cbrt(x) + np.tile([1, 2], 50), rtol=1e-5)


@only_here
def test_code_calls_what_it_is_told_the_address_of():
    doubled = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_float)(lambda x: 2 * x)
    place = ctypes.cast(doubled, ctypes.c_void_p).value
    x, found = run(compiled(CALLING.replace("{name}", "own")), load_object, {"own": place})
    np.testing.assert_array_equal(found, 2 * x + np.tile([1, 2], 50))


def for_another_processor(code):
    return code[:18] + (183).to_bytes(2, "little") + code[20:]


@only_here
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (lambda: b"", "no object file"),
        (lambda: b"MZ" + bytes(100), "no object file"),
        (lambda: for_another_processor(compiled(PLAIN)), "no object file of ELF for x86-64"),
        (lambda: compiled(CALLING.replace("{name}", "nowhere")), "there is no nowhere"),
        (lambda: compiled(PLAIN.replace("private unnamed_addr constant", "global")), "variables"),
    ],
)
def test_what_it_does_not_know_it_leaves_to_llvm(code, reason):
    with pytest.raises(NotLoadable, match=reason):
        load_object(code(), {}, ("loop",))


def test_llvm_loads_what_the_loader_does_not(monkeypatch):
    def refuse(*given):
        raise NotLoadable("for this test")

    monkeypatch.setattr(engine, "load_object", refuse)
    # Another text than any that was compiled before: 7 in place of 2 in the table.
    loop = compile_loop(PLAIN.replace("float 2.0", "float 7.0"), 2)
    x = np.arange(40, dtype=np.float32)
    y = np.empty_like(x)
    loop.on(40, 0, [y.ctypes.data, x.ctypes.data], shared=True)()
    np.testing.assert_array_equal(y, x + np.tile([1, 7], 20))


@only_here
def test_a_process_that_finds_its_code_kept_goes_without_the_compiler(tmp_path):
    program = """
import sys, hal, numpy as np
x = hal.asarray(np.ones((40, 80), np.float32), device="cpu:0")
f = hal.compile(lambda x: hal.nn.softmax(hal.nn.gelu(x * 2), -1) @ x.T)
print(f(x).sum().item(), *[name for name in ("llvmlite.binding", "scipy") if name in sys.modules])
"""
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "HAL_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        ).stdout.split()
        for _ in range(2)
    ]
    assert printed[0][1:] == ["llvmlite.binding"]
    assert printed[1] == printed[0][:1]
