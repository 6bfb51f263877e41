"""`nmflowgan weights` through real processes: results on stdout, the rest on stderr, exit codes."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from places import FIXTURES, ROOT

from nmflowgan_cli.checkpoints.format import save_weights
from nmflowgan_cli.checkpoints.official import VOCABULARY, import_official
from nmflowgan_cli.files import sha256

OFFICIAL = FIXTURES / "official_small.pth"
CARD = f"""---
license: other
---

# official_small

Noise of **phones**,
for `tests`:

## Training

```
nmflowgan train {"x" * 200}
```

## Limits

- Tiny: good
  for nothing.
- Slow.
"""
DRIVER = """
import sys
from dataclasses import replace
from pathlib import Path
from nmflowgan_cli.checkpoints import hub
known = hub.read_registry(Path(sys.argv.pop(1)))
hub.registry = lambda: known
from nmflowgan_cli.cli import app
app(prog_name="nmflowgan")
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with one packaged weights file, made by the script that users of the repository run."""
    folder = tmp_path_factory.mktemp("weights")
    state, header = import_official(OFFICIAL)
    header = replace(header, vocabulary=VOCABULARY, training={})  # as weights whose patches were counted
    save_weights(folder / "small.safetensors", state, header)
    (folder / "registry.json").write_text('{"weights": []}')
    script = [sys.executable, str(ROOT / "scripts" / "register_weights.py"), str(folder / "small.safetensors")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(2):  # a second time refreshes the entry
        command = [*script, "--registry", str(folder / "registry.json")]
        subprocess.run(command, check=True, capture_output=True, env=environment)
    assert len(json.loads((folder / "registry.json").read_text())["weights"]) == 1
    return folder / "registry.json"


def run(*arguments: object, registry: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`nmflowgan weights ARGUMENTS`, with this registry in the place of the real one."""
    start = ["-m", "nmflowgan_cli"] if registry is None else ["-c", DRIVER, str(registry)]
    command = [sys.executable, *start, "weights", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def assert_fails(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line of error on stderr with these words, nothing on stdout, no traceback."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ")
    assert all(word in result.stderr for word in words), result.stderr


def test_from_list_to_fetch_to_verify(registry, own_cache):
    name = "official_small"
    (listed,) = json.loads(run("list", "--json", registry=registry).stdout)
    assert (listed["name"], listed["state"], list(listed["cameras"])) == (
        name,
        "absent",
        ["IP", "GP", "S6", "N6", "G4"],
    )
    assert listed["cameras"]["N6"] == [100, 800]
    (line,) = [line for line in run("list", registry=registry).stdout.splitlines() if "Nexus" in line]
    assert line.split() == ["N6", "Motorola", "Nexus", "6", "100-800"]

    fetched = run("fetch", name, registry=registry)
    assert fetched.stdout == f"{own_cache / 'small.safetensors'}\n" == run("path", name, registry=registry).stdout
    assert run("path", registry=registry).stdout == f"{own_cache}\n"
    assert json.loads(run("verify", "--json", registry=registry).stdout) == {name: "ok"}

    (own_cache / "small.safetensors").write_bytes(b"damaged")
    damaged = run("verify", registry=registry)
    assert (damaged.returncode, damaged.stdout) == (4, f"{name}: differs\n")
    assert "weights fetch" in damaged.stderr
    assert run("fetch", name, registry=registry).returncode == 0
    assert run("verify", name, registry=registry).stdout == f"{name}: ok\n"


def test_verify_of_absent_weights(registry, tmp_path):
    assert run("verify", "--cache-dir", tmp_path, registry=registry).returncode == 0
    assert run("verify", "official_small", "--cache-dir", tmp_path, registry=registry).returncode == 4


def test_info_of_a_name_and_of_a_file(registry):
    facts = json.loads(run("info", "official_small", "--json", registry=registry).stdout)
    assert facts["trained"]["N6"] == {"100": 11440, "800": 11440}
    assert facts["architecture"] == "paper"
    assert facts["sha256"] == sha256(registry.parent / "small.safetensors")
    text = run("info", registry.parent / "small.safetensors").stdout
    assert re.search(r"S6 +Samsung Galaxy S6 Edge +100-3200 +100:55944", text)
    assert re.search(rf"parameters +{facts['parameters']} *\n", text)


def test_info_tells_what_the_card_tells(registry, tmp_path):
    (registry.parent / "cards").mkdir(exist_ok=True)
    (registry.parent / "cards" / "official_small.md").write_text(CARD)
    facts = json.loads(run("info", "official_small", "--json", registry=registry).stdout)
    assert facts["summary"] == "Noise of phones, for tests."
    assert facts["limits"] == ["Tiny: good for nothing.", "Slow."]
    text = run("info", "official_small", registry=registry).stdout
    assert "\nlimits\n  - Tiny: good for nothing." in text
    assert f"\n  nmflowgan train {'x' * 200}\n" in text, "a command stays on one line"


def test_info_prints_measured_numbers_with_their_command(tmp_path):
    state, header = import_official(OFFICIAL)
    numbers = {"pictures": 2, "patches": 8, "kld": 0.0123, "kld_interval": [0.01, 0.02], "akld": 0.1, "std_ratio": 1.01}
    lags = {f"{what}_{side}": [0.4, 0.1, 0.0] for what in ("lags", "channels") for side in ("real", "fake")}
    metrics = {"val": {"command": "nmflowgan evaluate data", "S6": {**numbers, **lags}}, "validation": {"val_kld": 0.5}}
    save_weights(tmp_path / "measured.safetensors", state, replace(header, metrics=metrics))
    text = run("info", tmp_path / "measured.safetensors").stdout
    assert re.search(r"S6 +2 +8 +0\.0123 +0\.0100-0\.0200 +0\.100 +1\.010", text)
    assert re.search(r"S6 +- - +0\.40/0\.40", text)
    assert "command: nmflowgan evaluate data\n" in text
    assert re.search(r"measured, validation\n +val kld +0\.5 *\n", text)


def test_import_writes_a_file_that_loads(tmp_path):
    output = tmp_path / "new" / "official.safetensors"
    result = run("import", OFFICIAL, "-o", output)
    assert (result.returncode, result.stdout) == (0, f"{output}\n")
    from nmflowgan_cli.checkpoints.build import load_model

    assert load_model(output).vocabulary.cameras == ("IP", "GP", "S6", "N6", "G4")
    assert_fails(run("import", OFFICIAL, "-o", output), 2, "exists")


def test_import_of_wrong_files(tmp_path):
    output = tmp_path / "out.safetensors"
    (tmp_path / "text.pth").write_text("no checkpoint")
    assert_fails(run("import", tmp_path / "text.pth", "-o", output), 4, "text.pth")
    assert_fails(run("import", OFFICIAL, "-o", tmp_path / "out.pth"), 2, ".safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["text.pth"]


def test_unknown_names_and_wrong_files(registry):
    assert_fails(run("info", "nothing", registry=registry), 4, "'nothing'", "official_small")
    assert_fails(run("fetch", "nothing", registry=registry), 4, "'nothing'", "official_small")
    assert_fails(run("info", OFFICIAL), 4, "official_small.pth", "weights import")
    assert_fails(run("fetch", "official_small", "--cache-dir", OFFICIAL, registry=registry), 4, "NMFLOWGAN_CACHE")


@pytest.mark.parametrize("command", ["list", "info", "fetch", "verify", "import", "path"])
def test_help_ends_with_two_examples(command):
    lines = run(command, "--help").stdout.rstrip().splitlines()
    assert [line.strip().startswith("nmflowgan weights ") for line in lines[-2:]] == [True, True]
