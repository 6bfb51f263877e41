"""What may import what, and how light the command line is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nmflowgan_cli

PACKAGE = Path(nmflowgan_cli.__file__).parent
LAYERS = (
    ("__main__",),
    ("cli",),
    ("noisy_pairs",),
    ("augmentation", "report"),
    ("denoising",),
    ("evaluation", "pairs", "training"),
    ("synthesis",),
    ("profiles",),
    ("checkpoints", "data"),
    ("models",),
    ("metrics",),
    ("conditions", "imaging", "randomness", "runtime", "tiling"),
    ("journal", "lock"),
    ("files", "notices", "reflection", "schemas"),
    ("errors", "interruption", "text"),
)
"""Rooms and single modules from the top to the bottom; each imports from itself and from the layers below, and not
from its neighbours."""


def layer(module: str) -> int:
    """The number of the layer, from the top; ValueError for a room or module that has none."""
    room = module.split(".")[1]
    found = [number for number, rooms in enumerate(LAYERS) if room in rooms]
    if not found:
        raise ValueError(f"{module} stands in no layer: give {room!r} a place in LAYERS")
    return found[0]


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports, at any depth of its code but for type checking."""
    tree = ast.parse(path.read_text())
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} if node.module in ROOMS else {node.module}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name for name in names if name.startswith("nmflowgan_cli.")}


ROOMS = {"nmflowgan_cli"} | {f"nmflowgan_cli.{room}" for rooms in LAYERS for room in rooms}
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def module_of(path: Path) -> str:
    return ".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_down(path: Path) -> None:
    own, room = module_of(path), module_of(path).split(".")[1]
    others = {name for name in imported(path) if "." in name and name.split(".")[1] != room}
    upwards = {name for name in others - {"nmflowgan_cli.__version__"} if layer(name) <= layer(own)}
    assert not upwards, f"{own} imports {sorted(upwards)}"


def test_every_place_is_taken_and_no_module_is_without_one() -> None:
    there = {module_of(path).split(".")[1] for path in FILES}
    assert {room for rooms in LAYERS for room in rooms} == there
    with pytest.raises(ValueError, match="stands in no layer"):
        layer("nmflowgan_cli.elsewhere.module")


def loaded(*arguments: str) -> set[str]:
    """Modules that are loaded when the command line has done its work."""
    code = (
        "import sys\nfrom nmflowgan_cli.cli import app\n"
        f"try:\n    app({list(arguments)!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n'.join(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["synthesize", "--help"], ["make-pairs", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded(*arguments) & {"torch", "numpy", "PIL", "rich", "safetensors", "imageio"}


def test_the_public_names_exist() -> None:
    for name in nmflowgan_cli.__all__:
        assert getattr(nmflowgan_cli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nmflowgan_cli.nothing
