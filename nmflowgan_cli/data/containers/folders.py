"""Container of separate PNG files in the folders of a layout."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from nmflowgan_cli.data.containers.base import Container, Sample, Volume
from nmflowgan_cli.data.layouts import Label, Layout
from nmflowgan_cli.data.manifest import MANIFEST_COLUMNS, MANIFEST_NAMES
from nmflowgan_cli.files import write_together

METADATA_COLUMNS = ("clean_file_name", "noisy_file_name", "camera", "iso", "scene", "noise", "weights_sha256", "seed")
"""Columns of metadata.csv: of `X_file_name` Hugging Face's `imagefolder` makes pictures named X."""


class FolderContainer(Container):
    """Two PNG files a pair, and manifest.csv beside them, which makes the folder paired data for train and evaluate."""

    lists = MANIFEST_NAMES[:1]

    def __init__(self, root: Path, layout: Layout) -> None:
        super().__init__(root)
        self.layout = layout

    def places(self, volume: Volume, label: Label) -> dict[str, str]:
        clean, noisy = self.layout.paths(label)
        return {"clean": str(clean), "noisy": str(noisy)}

    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        written: dict[Path, bytes] = {}
        for sample in (sample for samples in pictures for sample in samples):
            paths = (self.root / path for path in self.layout.paths(sample.label))
            written.update(zip(paths, (sample.clean, sample.noisy), strict=True))
        write_together(written)  # no clean patch without its noisy one, after an interruption, too
        return list(written)[1::2]

    def listings(self, records: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """manifest.csv, and the lists of BasicSR and of `imagefolder` if the layout has them."""
        rows = [[record.get(column) for column in MANIFEST_COLUMNS] for record in records]
        metadata = _metadata(records, self.layout.metadata)
        return {
            MANIFEST_NAMES[0]: _csv(MANIFEST_COLUMNS, rows),
            **{name: _csv(METADATA_COLUMNS, listed) for name, listed in metadata.items()},
            **{name: "".join(lines).encode() for name, lines in _meta_info(records, self.layout.meta_info).items()},
        }


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    table.writerows(rows)
    return text.getvalue().encode()


def _metadata(records: Sequence[Mapping[str, Any]], pattern: str) -> dict[str, list[list[Any]]]:
    """Rows of metadata.csv by the path of the file; pictures are named relative to it."""
    files: dict[str, list[list[Any]]] = defaultdict(list)
    for record in records if pattern else ():
        path = PurePosixPath(pattern.format(split=record["split"]))
        sides = [str(PurePosixPath(record[side]).relative_to(path.parent)) for side in ("clean", "noisy")]
        files[str(path)].append(sides + [record.get(fact) for fact in METADATA_COLUMNS[2:]])
    return files


def _meta_info(records: Sequence[Mapping[str, Any]], pattern: str) -> dict[str, list[str]]:
    """The lines `name.png (h,w,c)` of BasicSR's meta_info_file, by the path of the file."""
    files: dict[str, list[str]] = defaultdict(list)
    for record in records if pattern else ():
        shape = f"({record['height']},{record['width']},3)"
        files[pattern.format(split=record["split"])].append(f"{record['key']}.png {shape}\n")
    return files
