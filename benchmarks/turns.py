"""Lets contestants run in turn, each in a process of its own that is stopped while others run.

Libraries let their threads wait actively for a while when a run is over. In one process, or with
all processes running, one contestant's waiting slows the next; a stopped process does nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from contestant import CONTESTANTS
from zoo import Model

__all__ = ["Contestant", "available", "measure", "measure_file", "prepare"]


class Contestant:
    """A process that runs one contestant; it is stopped except for its turns."""

    def __init__(self, name: str, folder: Path, cache: Path) -> None:
        self.name = name
        script = Path(__file__).with_name("contestant.py")
        environment = {**os.environ, "HAL_CACHE_DIR": str(cache)}
        self._process = subprocess.Popen(
            [sys.executable, str(script), name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.start: dict[str, Any] = self._answer()
        self.peak_bytes: int = self.start["peak_bytes"]
        self._process.send_signal(signal.SIGSTOP)

    def turn(self, runs: int) -> list[float]:
        """Return the seconds of some runs, after one that is not timed."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        print(runs, file=self._process.stdin, flush=True)
        found = self._answer()
        self._process.send_signal(signal.SIGSTOP)
        self.peak_bytes = found["peak_bytes"]
        times: list[float] = found["times"]
        return times

    def close(self) -> None:
        """End the process."""
        self._process.send_signal(signal.SIGCONT)
        self._process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def available(model: Model, wanted: Sequence[str]) -> list[str]:
    """Return the contestants that are installed and have this model."""
    return [
        name
        for name, (package, _) in CONTESTANTS.items()
        if name in wanted
        and find_spec(package) is not None
        and (name != "hal-function" or model.function is not None)
    ]


def prepare(model: Model, folder: Path) -> None:
    """Write what contestants read: the ONNX model, and the weights by name."""
    import onnx
    from safetensors.numpy import save_file

    weights = model.weights()
    onnx.save(model.onnx(weights), folder / "model.onnx")
    save_file(dict(weights), folder / "weights.safetensors")
    (folder / "name").write_text(model.name)


def measure(
    model: Model, batch: int, names: Sequence[str], folder: Path, turns: int, runs: int
) -> dict[str, dict[str, Any]]:
    """Return for each contestant its times, its first runs, and the memory it took.

    Parameters
    ----------
    model : Model
    batch : int
    names : sequence of str
        Contestants; their results must agree before anything is timed.
    folder : Path
        Where :func:`prepare` wrote the model.
    turns, runs : int
        How often it is each contestant's turn, and how many runs a turn has.
    """
    np.savez(folder / "inputs.npz", **model.inputs(batch))
    return _measured(folder, names, turns, runs)


def measure_file(
    path: Path, inputs: Mapping[str, Any], names: Sequence[str], turns: int, runs: int
) -> dict[str, dict[str, Any]]:
    """Return the same for an ONNX model of somebody else's."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "inputs.npz", **inputs)
        (Path(folder) / "path").write_text(str(path.resolve()))
        return _measured(Path(folder), names, turns, runs)


def _measured(
    folder: Path, names: Sequence[str], turns: int, runs: int
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    started: list[Contestant] = []
    with tempfile.TemporaryDirectory() as cache:
        try:
            for name in names:
                cold = Contestant(name, folder, Path(cache) / name)
                cold.close()
                started.append(Contestant(name, folder, Path(cache) / name))
                warm = started[-1].start
                found[name] = {
                    "times": [],
                    "first_cold": cold.start["load"] + cold.start["first"],
                    "first_warm": warm["load"] + warm["first"],
                    "import_bytes": warm["import_bytes"],
                    "peak_bytes_cold": cold.peak_bytes,
                }
            _compare(folder, names)
            for _ in range(turns):
                for contestant in started:
                    found[contestant.name]["times"] += contestant.turn(runs)
            for contestant in started:
                found[contestant.name]["peak_bytes"] = contestant.peak_bytes
        finally:
            for contestant in started:
                contestant.close()
    return found


def _compare(folder: Path, names: Sequence[str]) -> None:
    results: Mapping[str, Any] = {name: np.load(folder / f"{name}.npy") for name in names}
    first = results[names[0]]
    scale = float(np.abs(first).max())
    for name, result in results.items():
        np.testing.assert_allclose(
            result, first, rtol=1e-3, atol=1e-3 * scale, err_msg=f"{name} and {names[0]}"
        )
