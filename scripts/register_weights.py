"""Put weights into the registry, or refresh the entry of a file that changed.

python scripts/register_weights.py runs/mine/model.safetensors --name NAME --terms MIT    # copied there
python scripts/register_weights.py weights/NAME.safetensors   # after its header changed
python scripts/register_weights.py NAME.safetensors --url https://example.org/NAME.safetensors
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from nmflowgan_cli.checkpoints.format import load_weights, save_weights
from nmflowgan_cli.checkpoints.hub import SUFFIX, entry_for
from nmflowgan_cli.files import write_whole

REGISTRY = Path(__file__).parents[1] / "weights" / "registry.json"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--name", help="copy the file to the registry's folder as NAME.safetensors, and call it so")
    parser.add_argument("--terms", help="terms that the copy is to state (default: those that the file states)")
    parser.add_argument("--url", help="where users download it; without it the file must lie beside the registry")
    parser.add_argument("--registry", type=Path, default=REGISTRY)
    found = parser.parse_args()
    if found.name is None and found.terms is not None:
        parser.error("--terms needs --name: the file itself stays as it is")
    if found.name is None and found.url is None and found.file.resolve().parent != found.registry.resolve().parent:
        parser.error(f"{found.file} must lie in {found.registry.parent}, or have a --name or a --url")
    return found


def copied(file: Path, target: Path, terms: str | None) -> Path:
    """`target`, which becomes a copy of the weights `file`, with its name and these terms in its header."""
    state, header = load_weights(file)
    save_weights(target, state, replace(header, name=target.stem, terms=header.terms if terms is None else terms))
    return target


def registered(entries: list[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    """`entries` with `entry` in the place of the one of its name, or at the end."""
    names = [old["name"] for old in entries]
    if entry["name"] not in names:
        return [*entries, entry]
    return [entry if old["name"] == entry["name"] else old for old in entries]


def main() -> None:
    """Copy the file if it is asked for, read its header, and write the registry."""
    options = arguments()
    file = options.file
    if options.name is not None:
        file = copied(file, options.registry.parent / f"{options.name}{SUFFIX}", options.terms)
    entry = entry_for(file, url=options.url)
    content = json.loads(options.registry.read_text(encoding="utf-8"))
    content["weights"] = registered(content["weights"], entry)
    write_whole(options.registry, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    print(f"{entry['name']}: {entry['sha256']}, {entry['size']} bytes, terms: {entry['terms'] or 'not told'}")


if __name__ == "__main__":
    main()
