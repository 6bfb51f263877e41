"""What may import what, and how light the command line is."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import nmflowgan_cli

PACKAGE = Path(nmflowgan_cli.__file__).parent
LAYERS = [
    {"cli", "__main__"},
    {"augmentation"},
    {"synthesis", "training", "evaluation"},
    {"models", "data", "checkpoints"},
    {"conditions", "randomness", "imaging", "reflection", "runtime"},
    {"errors", "files"},
]
"""From the top to the bottom; a module imports from its own layer and from below."""


def layer(module: str) -> int:
    room = module.split(".")[1] if "." in module else ""
    return next((number for number, rooms in enumerate(LAYERS) if room in rooms), len(LAYERS))


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    own = ".".join(("nmflowgan_cli", *path.relative_to(PACKAGE).with_suffix("").parts))
    upwards = [name for name in imported(path) if layer(name) < layer(own)]
    assert not upwards, f"{own} imports {upwards}"


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
    assert not loaded(*arguments) & {"torch", "numpy", "PIL", "rich", "safetensors", "requests", "imageio"}


def test_the_public_names_exist() -> None:
    for name in nmflowgan_cli.__all__:
        assert getattr(nmflowgan_cli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nmflowgan_cli.nothing
