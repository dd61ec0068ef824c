"""The namespace as a whole: its names, constants, version and what it tells of itself."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest

import hal

ROOT = Path(hal.__file__).parents[1]
SUITE = ROOT / "tests" / "run_array_api_tests.sh"


def test_the_version_is_the_one_the_namespace_has():
    assert hal.__array_api_version__ == "2025.12"
    assert hal.ones(1).__array_namespace__(api_version=hal.__array_api_version__) is hal


def test_constants():
    assert (hal.e, hal.pi, hal.inf, hal.newaxis) == (math.e, math.pi, math.inf, None)
    assert math.isnan(hal.nan)


def test_what_the_namespace_can(device):
    info = hal.__array_namespace_info__()
    assert info.capabilities() == {
        "boolean indexing": True,
        "data-dependent shapes": True,
        "max dimensions": 64,
    }
    assert device in info.devices()
    assert info.default_device() is hal.default_device()
    assert info.default_dtypes(device=device) == {
        "real floating": hal.float32,
        "complex floating": hal.complex64,
        "integral": hal.int64,
        "indexing": hal.int64,
    }


def test_dtypes_are_those_of_the_standard_that_the_device_has(device):
    info = hal.__array_namespace_info__()
    found = info.dtypes(device=device)
    assert len(found) == 13
    assert all(getattr(hal, name) is dtype for name, dtype in found.items())
    assert list(info.dtypes(device=device, kind="bool")) == ["bool"]
    assert set(info.dtypes(device=device, kind=("real floating", "complex floating"))) == {
        "float32",
        "float64",
        "complex64",
        "complex128",
    }
    with pytest.raises(hal.ValueRangeError, match="no kind"):
        info.dtypes(kind="floaty")


USE = """
import hal
x = hal.asarray([[1.0, 2.0]])
reveal_type(hal.add(x, 1))
reveal_type(hal.sum(x, axis=0) * 2 + x.mT)
reveal_type(hal.unique_all(x).counts)
reveal_type(hal.finfo(x).max)
reveal_type(hal.unstack(x))
reveal_type(hal.pi)
hal.add(x, "a")
hal.reshape(x, axis=0)
"""


def test_mypy_checks_what_a_user_writes(tmp_path):
    pytest.importorskip("mypy")
    script = tmp_path / "use.py"
    script.write_text(USE)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(script)]
    environment = {"MYPYPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    lines = [line for line in done.stdout.splitlines() if "use.py" in line]
    revealed = [line.split('"')[1] for line in lines if "Revealed" in line]
    tensor = "hal.tensor.Tensor"
    assert revealed == [tensor, tensor, tensor, "float", f"tuple[{tensor}, ...]", "float"]
    errors = [line for line in lines if "error:" in line]
    assert len(errors) == 2, done.stdout + done.stderr
    assert 'incompatible type "str"' in errors[0]
    assert "reshape" in errors[1]


def test_every_public_name_is_listed_for_editors():
    public = {name for name in vars(hal.array_api) if not name.startswith("_")}
    modules = {name for name in public if type(getattr(hal.array_api, name)).__name__ == "module"}
    assert public - modules <= set(hal.array_api.__all__)
    assert set(hal.array_api.__all__) <= set(hal.__all__)
    assert len(hal.__all__) == len(set(hal.__all__))


@pytest.mark.parametrize("arguments", [[], ["."]], ids=["none", "no checkout"])
def test_the_script_says_how_to_get_the_suite(arguments):
    done = subprocess.run([SUITE, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert "git clone --recurse-submodules https://github.com/data-apis" in done.stderr
