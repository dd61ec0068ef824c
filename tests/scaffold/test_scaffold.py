"""A new plugin's project: what is written, what is refused, and that it works as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from glob import glob
from pathlib import Path

import pytest

import hal
from hal.plugin import CONTRACT_VERSION
from hal.scaffold import PROJECT, create_plugin

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return create_plugin("my_npu", tmp_path_factory.mktemp("new") / "hal-my-npu")


def contents(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_every_file_of_the_project_is_written(project):
    assert set(contents(project)) == {
        ".github/workflows/test.yml",
        ".gitignore",
        "README.md",
        "pyproject.toml",
        "src/hal_my_npu/__init__.py",
        "src/hal_my_npu/backend.py",
        "src/hal_my_npu/py.typed",
        "tests/test_conformance.py",
        "tests/test_device.py",
    }


def test_its_own_name_stands_everywhere(project):
    assert "minimal" not in "".join(contents(project).values()).lower()
    described = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert described["name"] == "hal-my-npu"
    assert described["entry-points"]["hal.plugins"] == {"my_npu": "hal_my_npu"}
    assert "class MyNpuBackend(Backend):" in (project / "src/hal_my_npu/backend.py").read_text()


def test_the_licence_is_left_to_the_author(project):
    assert "license" not in tomllib.loads((project / "pyproject.toml").read_text())["project"]
    assert "licence" in (project / "README.md").read_text()


def test_the_contract_it_is_written_for_is_this_one(project):
    assert f"contract = {CONTRACT_VERSION}" in (project / "src/hal_my_npu/backend.py").read_text()


def test_the_folder_is_named_like_the_distribution_in_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert create_plugin("a1_b2") == tmp_path / "hal-a1-b2"


@pytest.mark.parametrize(
    "name", ["", "Npu", "1npu", "my-npu", "npu_", "_npu", "a__b", "né", "class", "a b", "../npu"]
)
def test_a_name_no_backend_can_have_is_refused(name, tmp_path):
    with pytest.raises(hal.ValueRangeError, match="lower-case letters"):
        create_plugin(name, tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "why"), [("cpu", "installed already"), ("hal", "hal's own")])
def test_a_name_that_is_taken_is_refused(name, why, tmp_path):
    with pytest.raises(hal.ValueRangeError, match=why):
        create_plugin(name, tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_not_touched(tmp_path):
    (tmp_path / "hal-npu").mkdir()
    with pytest.raises(hal.ValueRangeError, match="exists"):
        create_plugin("npu", tmp_path / "hal-npu")
    assert not list((tmp_path / "hal-npu").iterdir())


def test_a_folder_that_cannot_be_made_is_an_error_that_says_why(tmp_path):
    with pytest.raises(hal.HalError, match="No such file or directory"):
        create_plugin("npu", tmp_path / "nowhere" / "hal-npu")


def test_nothing_stays_behind_when_writing_fails(tmp_path, monkeypatch):
    written = []

    def write(path, text, encoding):
        written.append(path)
        if len(written) == 3:
            raise OSError(28, "No space left on device")
        path.touch()

    monkeypatch.setattr(Path, "write_text", write)
    with pytest.raises(hal.HalError, match="No space left"):
        create_plugin("npu", tmp_path / "hal-npu")
    assert len(written) == 3
    assert not list(tmp_path.iterdir())


def run(*command, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_it_is_laid_out_as_hal_is(project):
    run("-m", "ruff", "check", "--config", ROOT / "pyproject.toml", "src", cwd=project)
    run("-m", "ruff", "format", "--check", "--config", ROOT / "pyproject.toml", ".", cwd=project)


@pytest.mark.slow
def test_its_types_hold(project, tmp_path):
    options = ("--strict", "--follow-imports=silent", "--cache-dir", tmp_path)
    run("-m", "mypy", *options, "src", cwd=project, MYPYPATH=str(ROOT))


@pytest.fixture(scope="module")
def installed(project, tmp_path_factory):
    """Install the project as pip does, offline, and return what makes Python find it."""
    target = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run("-m", "pip", "install", *options, "--target", target, project, cwd=target)
    return {"PYTHONPATH": str(target), "HAL_FALLBACK": "allow"}


def test_installed_it_is_a_device(installed, tmp_path):
    code = "import hal; print((hal.ones(3, device='my_npu') + 1).tolist())"
    assert run("-c", code, cwd=tmp_path, **installed).strip() == "[2.0, 2.0, 2.0]"


@pytest.mark.slow
def test_installed_it_passes_its_tests_and_the_conformance_kit(project, installed):
    out = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project, **installed)
    assert " passed" in out
    assert "skipped" not in out


def test_the_templates_are_part_of_the_distribution():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packaged = setuptools["package-data"]["hal.scaffold"]
    # As setuptools looks: a pattern leaves out names that start with a dot.
    found = {f for p in packaged for f in glob(str(PROJECT.parent / p), recursive=True)}
    assert found == {str(f) for f in PROJECT.rglob("*") if f.is_file()}
