"""What holds for the project as a whole: layers, names, sizes, documentation, start-up."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest

import hal

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hal"
MODULES = sorted(PACKAGE.rglob("*.py"))
PLUGIN_MODULES = [m for d in ("plugins", "examples") for m in ROOT.glob(f"{d}/*/src/**/*.py")]
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]

VENDORS = {
    "amd", "ampere", "ascend", "blackwell", "cann", "cuda", "cupy",
    "cublas", "cudnn", "hopper", "huawei", "intel", "metal", "nvidia", "openvino",
    "qualcomm", "rocm", "tensorrt",
}  # fmt: skip

# From the bottom to the top: a module imports from its own layer and those before it.
LAYERS = [
    ["hal.errors", "hal.version"],
    ["hal.dtypes"],
    ["hal.plugin"],
    ["hal.ops", "hal.precision", "hal.report"],
    ["hal.storage", "hal.stream", "hal.device"],
    ["hal.recorder"],
    ["hal.memory"],
    ["hal.plans", "hal.dispatch"],
    ["hal.indexing", "hal.dlpack", "hal.exchange"],
    ["hal.arithmetic"],
    ["hal.tensor"],
    ["hal.array_api"],
    ["hal.linalg", "hal.fft", "hal.nn"],
    ["hal.profiling", "hal.program"],
    ["hal"],
    ["hal.onnx", "hal.safetensors"],
    ["hal.demo"],
    ["hal.scaffold", "hal.testing", "hal.tools"],
    ["hal.cli"],
]


def relative(path):
    return str(path.relative_to(ROOT))


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(module):
    """Return the number of a module's layer; of nested prefixes the longest decides."""
    prefixes = [module.rsplit(".", n)[0] for n in range(module.count(".") + 1)]
    for prefix in prefixes:
        for number, names in enumerate(LAYERS):
            if prefix in names and (prefix != "hal" or module == "hal"):
                return number
    raise AssertionError(f"{module} has no layer: add it to LAYERS where it belongs")


class Imports(ast.NodeVisitor):
    """Collects what a module imports when it is loaded: not in functions, not for typing only."""

    def __init__(self):
        self.found = []

    def visit_FunctionDef(self, node):
        pass

    def visit_AsyncFunctionDef(self, node):
        pass

    def visit_If(self, node):
        if ast.unparse(node.test) != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node):
        self.found += [alias.name for alias in node.names]

    def visit_ImportFrom(self, node):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            path = PACKAGE.parent / whole.replace(".", "/")
            inner = path.is_dir() or path.with_suffix(".py").exists()
            self.found.append(whole if inner else node.module)


def imports(path):
    visitor = Imports()
    visitor.visit(ast.parse(path.read_text()))
    return visitor.found


def in_fresh_python(code):
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_imports_point_one_way(path):
    importer = module_name(path)
    for imported in imports(path):
        if imported.split(".")[0] == "hal":
            assert layer(imported) <= layer(importer), f"{importer} imports {imported}"


@pytest.mark.parametrize("path", PLUGIN_MODULES, ids=relative)
def test_a_plugin_imports_nothing_private_of_hal_and_no_other_plugin(path):
    own = path.relative_to(ROOT).parts[3]
    allowed = ("hal.plugin", "hal.ops", "hal.dtypes", "hal.errors")
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = f"hal.{node.names[0].name}"
            names = [whole if node.module == "hal" else node.module]
        for name in names:
            top = name.split(".")[0]
            if top == "hal":
                assert name.startswith(allowed), f"{relative(path)} imports {name}"
            elif top.startswith("hal_"):
                assert top == own, f"{relative(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=relative)
def test_hal_names_no_vendor(path):
    words = set(re.findall(r"[a-z]+", path.read_text().lower()))
    assert not words & VENDORS


@pytest.mark.parametrize("path", [*MODULES, *PLUGIN_MODULES], ids=relative)
def test_a_module_is_short_and_says_what_it_does(path):
    text = path.read_text()
    assert text.count("\n") <= 420
    assert ast.get_docstring(ast.parse(text)) or not text.strip()


def test_the_version_is_written_once():
    assert hal.__version__ == metadata.version("hal-sdk")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    version = re.escape(hal.__version__)
    found = [p for p in MODULES if re.search(rf"""["']{version}["']""", p.read_text())]
    assert [relative(p) for p in found] == ["hal/version.py"]


@pytest.mark.parametrize("path", PROJECTS, ids=relative)
def test_every_distribution_says_its_licence_and_python(path):
    project = tomllib.loads(path.read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert project["requires-python"] == ">=3.11"


def test_importing_hal_loads_no_plugin_no_driver_and_nothing_slow():
    code = "import hal, sys; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = set(in_fresh_python(code).split())
    installed = {entry.value.split(".")[0] for entry in metadata.entry_points(group="hal.plugins")}
    assert "hal_cpu" in installed
    unwanted = {
        "scipy",
        "torch",
        "rich",
        "pluggy",
        "tokenizers",
        "safetensors",
        "importlib_metadata",
    }
    assert not loaded & (unwanted | installed)


def public():
    """Return the functions and classes a user or a plugin's author imports, by name."""
    found = {}
    modules = ("hal", "hal.nn", "hal.linalg", "hal.fft", "hal.safetensors", "hal.plugin")
    for module in map(import_module, modules):
        for name in getattr(module, "__all__", vars(module)):
            value = getattr(module, name)
            documented = inspect.isfunction(value) or inspect.isclass(value)
            if name[0] != "_" and documented and value.__module__.split(".")[0] == "hal":
                found[f"{module.__name__}.{name}"] = value
    return found


PUBLIC = public()


def test_every_public_name_is_exported_to_type_checkers():
    ours = {
        name
        for name, value in vars(hal).items()
        if name[0] != "_"
        and (isinstance(value, hal.DType) or getattr(value, "__module__", "").startswith("hal"))
    }
    assert "compile" in ours
    assert ours <= set(hal.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented(name):
    assert (inspect.getdoc(PUBLIC[name]) or "").strip()


@pytest.mark.parametrize("name", [n for n, v in PUBLIC.items() if inspect.isfunction(v)])
def test_a_public_function_has_an_example_and_type_hints(name):
    function = PUBLIC[name]
    assert ">>>" in (inspect.getdoc(function) or "")
    signature = inspect.signature(function)
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name


def test_no_file_names_a_place_on_the_machine_it_was_written_on():
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"/(?:home|root|Users|work)/\w+|/tmp/\w+")
    for name in filter(None, tracked.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".json", ".txt"} and path.exists():
            assert not pattern.search(path.read_text()), name
