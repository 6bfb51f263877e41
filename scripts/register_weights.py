"""Add weights to the registry, or refresh the entry of a file that changed.

python scripts/register_weights.py weights/NAME.safetensors
python scripts/register_weights.py NAME.safetensors --url https://example.org/NAME.safetensors
"""

import argparse
import json
from pathlib import Path
from typing import Any

from nmflowgan_cli.checkpoints.format import write_whole
from nmflowgan_cli.checkpoints.hub import entry_for

REGISTRY = Path(__file__).parents[1] / "weights" / "registry.json"


def registered(entries: list[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    """`entries` with `entry` in the place of the one of its name, or at the end."""
    names = [old["name"] for old in entries]
    if entry["name"] not in names:
        return [*entries, entry]
    return [entry if old["name"] == entry["name"] else old for old in entries]


def main() -> None:
    """Read the file's header, and write the registry."""
    parser = argparse.ArgumentParser(description="Add weights to the registry, or refresh their entry.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--url", help="where users download it; without it the file must lie beside the registry")
    parser.add_argument("--registry", type=Path, default=REGISTRY)
    arguments = parser.parse_args()
    if arguments.url is None and arguments.file.resolve().parent != arguments.registry.resolve().parent:
        parser.error(f"{arguments.file} must lie in {arguments.registry.parent}, or have a --url")
    entry = entry_for(arguments.file, url=arguments.url)
    content = json.loads(arguments.registry.read_text(encoding="utf-8"))
    content["weights"] = registered(content["weights"], entry)
    write_whole(arguments.registry, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())
    print(f"{entry['name']}: {entry['sha256']}, {entry['size']} bytes")


if __name__ == "__main__":
    main()
