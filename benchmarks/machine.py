"""What the machine can do: the rate of large matrix products, and of reading memory."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np

__all__ = ["matrix_rates", "read_rate"]

_SIZE = 2048


def _best(work: Callable[[], Any], repetitions: int) -> float:
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _operands() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((_SIZE, _SIZE), np.float32) for _ in range(2))
    return a, b, np.empty_like(a)


def _numpy() -> Callable[[], Any]:
    a, b, c = _operands()
    return lambda: np.matmul(a, b, out=c)


def _torch() -> Callable[[], Any]:
    import torch

    a, b, c = map(torch.from_numpy, _operands())
    return lambda: torch.matmul(a, b, out=c)


def _onednn() -> Callable[[], Any]:
    files = metadata.files("onednn-cpu-gomp") or ()
    path = next(f for f in files if f.name.startswith("libdnnl.so.3"))
    sgemm = ctypes.CDLL(str(path.locate())).dnnl_sgemm
    a, b, c = _operands()
    n, one, zero = ctypes.c_int64(_SIZE), ctypes.c_float(1), ctypes.c_float(0)
    plain = ctypes.c_char(b"N")

    def multiply() -> None:
        # The arrays are named here, so that they live as long as this function.
        pa, pb, pc = (ctypes.c_void_p(x.ctypes.data) for x in (a, b, c))
        sgemm(plain, plain, n, n, n, one, pa, n, pb, n, zero, pc, n)

    return multiply


_LIBRARIES = {"NumPy": _numpy, "PyTorch": _torch, "oneDNN": _onednn}


def matrix_rates() -> dict[str, float]:
    """Return each library's float32 operations per second; those not installed are left out.

    Each is measured in a process of its own, so that no two pools of threads meet.
    """
    found = {}
    for name in _LIBRARIES:
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True)
        if done.returncode == 0:
            found[name] = float(json.loads(done.stdout))
    return found


def read_rate() -> float:
    """Return the bytes per second at which all cores together read memory."""
    done = subprocess.run([sys.executable, __file__, "read"], capture_output=True, check=True)
    return float(json.loads(done.stdout))


def _read() -> float:
    # A product of a matrix and a vector reads the matrix once, on every core.
    from concurrent.futures import ThreadPoolExecutor
    from os import cpu_count

    count = cpu_count() or 1
    parts = [np.ones(1 << 26, np.float32) for _ in range(count)]
    with ThreadPoolExecutor(count) as pool:
        seconds = _best(lambda: list(pool.map(np.max, parts)), 5)
    return sum(p.nbytes for p in parts) / seconds


def main() -> None:
    """Print one rate."""
    name = sys.argv[1]
    if name == "read":
        print(_read())
        return
    try:
        work = _LIBRARIES[name]()
    except (ImportError, StopIteration):
        sys.exit(1)
    work()
    print(2 * _SIZE**3 / _best(work, 10))


if __name__ == "__main__":
    main()
