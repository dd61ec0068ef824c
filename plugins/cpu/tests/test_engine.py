"""The engine: compiles once, keeps code on disk, shares work among threads."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from hal_cpu.dnn import library
from hal_cpu.jit import engine
from hal_cpu.threads import share, thread_count

PROGRAM = """
import hal, numpy as np, os
number = eval("1" + os.environ.get("OTHER", ""))
f = hal.compile(lambda x: hal.nn.gelu(x * 2) + number)
print(f(hal.asarray(np.float32([1, 2]), device="cpu:0")).tolist())
"""


def run(**environment):
    import os

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_code_is_kept_on_disk_for_the_next_process(tmp_path):
    first = run(HAL_CACHE_DIR=str(tmp_path))
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cpu").iterdir()}
    assert kept
    assert run(HAL_CACHE_DIR=str(tmp_path)) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cpu").iterdir()} == kept


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path):
    (tmp_path / "cpu").write_text("a file where the folder would be")
    assert run(HAL_CACHE_DIR=str(tmp_path)) == run(HAL_CACHE_DIR=str(tmp_path / "other"))


def test_damaged_code_is_compiled_again(tmp_path):
    first = run(HAL_CACHE_DIR=str(tmp_path))
    for path in (tmp_path / "cpu").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    assert run(HAL_CACHE_DIR=str(tmp_path)) == first


def test_code_of_another_loop_is_not_taken_for_its_own(tmp_path):
    first = run(HAL_CACHE_DIR=str(tmp_path))
    (path,) = (tmp_path / "cpu").iterdir()
    other = tmp_path / "other"
    run(HAL_CACHE_DIR=str(other), OTHER="+ 5")
    (strange,) = (other / "cpu").iterdir()
    path.write_bytes(strange.read_bytes())  # As if both had the same name.
    assert run(HAL_CACHE_DIR=str(tmp_path)) == first


def test_the_folder_is_the_users_cache_unless_another_is_chosen(monkeypatch, tmp_path):
    monkeypatch.delenv("HAL_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine.cache_directory() == tmp_path / "hal" / "cpu"


@pytest.mark.parametrize("extent", [0, 1, 2, 7, 1000])
def test_every_turn_of_a_shared_loop_is_done_once(extent):
    done = np.zeros(extent, int)

    def work(begin, end):
        done[begin:end] += 1

    share(work, extent)
    assert done.tolist() == [1] * extent


def test_an_error_in_a_shared_part_reaches_the_caller():
    def work(begin, end):
        if end == 100:
            raise ValueError("in the last part")

    with pytest.raises(ValueError, match="last part"):
        share(work, 100)


@pytest.mark.parametrize(("given", "count"), [("3", 3), ("1", 1)])
def test_the_environment_says_how_many_threads(monkeypatch, given, count):
    monkeypatch.setenv("HAL_NUM_THREADS", given)
    thread_count.cache_clear()
    try:
        assert thread_count() == count
    finally:
        thread_count.cache_clear()


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({"HAL_NUM_THREADS": "3"}, 3),
        ({"HAL_NUM_THREADS": "1"}, 1),
        ({"HAL_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "1"}, 1),
    ],
)
def test_the_library_of_numpys_products_has_no_more_threads(given, count):
    code = """
import hal
hal.asarray([1.0], device="cpu:0")
from threadpoolctl import threadpool_info
print(*{x["num_threads"] for x in threadpool_info() if x["internal_api"] == "openblas"})
"""
    unset = ("HAL_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {k: v for k, v in os.environ.items() if k not in unset} | given
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert found in ([], [str(count)])  # NumPy may have been built with another library.


@pytest.mark.skipif(library() is None, reason="oneDNN has no build for this platform")
@pytest.mark.parametrize(
    ("given", "ours"),
    [({}, True), ({"GOMP_SPINCOUNT": "7"}, False), ({"OMP_WAIT_POLICY": "active"}, False)],
)
def test_threads_do_not_wait_actively_for_long_unless_told_to(given, ours):
    code = """
import os
before = dict(os.environ)
from hal_cpu.dnn import library
library()
assert dict(os.environ) == before
"""
    unset = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    environment = {k: v for k, v in os.environ.items() if k not in unset}
    environment |= {"OMP_DISPLAY_ENV": "verbose", **given}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stderr
    assert "GOMP_SPINCOUNT = " in shown
    assert ("GOMP_SPINCOUNT = '5000'" in shown) == ours
