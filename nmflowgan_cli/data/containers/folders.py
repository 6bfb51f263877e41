"""Container of separate PNG files in the folders of a layout."""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmflowgan_cli.data.containers.base import Container, Sample, Volume
from nmflowgan_cli.data.layouts import Label, Layout
from nmflowgan_cli.data.manifest import MANIFEST_COLUMNS, MANIFEST_NAMES
from nmflowgan_cli.files import write_together


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
        """manifest.csv, and BasicSR's list of pairs if the layout has one."""
        text = io.StringIO(newline="")
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(MANIFEST_COLUMNS)
        rows.writerows([record.get(column) for column in MANIFEST_COLUMNS] for record in records)
        listed = {name: "".join(lines).encode() for name, lines in _meta_info(records, self.layout.meta_info).items()}
        return {MANIFEST_NAMES[0]: text.getvalue().encode(), **listed}


def _meta_info(records: Sequence[Mapping[str, Any]], pattern: str) -> dict[str, list[str]]:
    """The lines `name.png (h,w,c)` of BasicSR's meta_info_file, by the path of the file."""
    files: dict[str, list[str]] = defaultdict(list)
    for record in records if pattern else ():
        shape = f"({record['height']},{record['width']},3)"
        files[pattern.format(split=record["split"])].append(f"{record['key']}.png {shape}\n")
    return files
