"""Container of LMDB databases for BasicSR and NAFNet: one of clean and one of noisy patches, with the same keys.

Values are PNG files. meta_info.txt in each database lists the keys as `key.png (h,w,c) level`; the two are identical.
https://github.com/XPixelGroup/BasicSR, basicsr/utils/lmdb_util.py and basicsr/data/data_util.py.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import Any

from nmflowgan_cli.data.containers.base import Container, EncodedPair, Sample, Volume, damage_named, pair_of, require
from nmflowgan_cli.data.layouts import Label, Layout
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import PNG_OPTIONS
from nmflowgan_cli.journal import done_records

FIRST_MAP = 2**26
"""Bytes of address space a database begins with; it doubles when it is full."""
META_INFO = "meta_info.txt"
DATABASE_SUFFIX = ".lmdb"
"""Of the folders in records, see `Layout.database_paths`."""
WALK = """
import sys, lmdb
try:
    with lmdb.open(sys.argv[1], readonly=True, lock=False, create=False) as database:
        for key, value in database.begin(buffers=True).cursor():
            value[:1].tobytes(), value[-1:].tobytes()
except lmdb.Error:
    pass  # the caller meets and names it
"""
"""Program that looks at every key and both ends of every value of a database."""
_ONE = Lock()
"""A process may open a database once only, and opening takes no time to speak of."""


class LMDBContainer(Container):
    """Needs lmdb; a picture's pairs are in both databases, or in neither."""

    shareable = False  # a process does not see that another one has enlarged the map

    def __init__(self, root: Path, layout: Layout) -> None:
        super().__init__(root)
        if not layout.databases:
            raise UsageError("SIDD's folders are no databases", "--layout basicsr, nafnet, restormer or flat")
        self.layout = layout
        self.lmdb = require("lmdb", "lmdb")
        self._stack = ExitStack()
        self._open: dict[PurePosixPath, Any] = {}

    def places(self, volume: Volume, label: Label) -> dict[str, str]:
        clean, noisy = self.layout.database_paths(label)
        return {"clean": str(clean), "noisy": str(noisy)}

    def write(self, volume: Volume, pictures: Iterable[Sequence[Sample]]) -> list[Path]:
        samples = [sample for picture in pictures for sample in picture]
        clean, noisy = self.layout.database_paths(samples[0].label)
        with self._told():
            self._put(clean, {sample.label.key: sample.clean for sample in samples})
            self._put(noisy, {sample.label.key: sample.noisy for sample in samples})
        return [self.root / clean, self.root / noisy]

    def listings(self, records: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """meta_info.txt of every database; it lists what is in both of a pair."""
        lines: dict[str, list[str]] = defaultdict(list)
        for record in records:
            shape = f"({record['height']},{record['width']},3)"
            for side in ("clean", "noisy"):
                listed = f"{record['key']}.png {shape} {PNG_OPTIONS['compress_level']}\n"
                lines[f"{record[side]}/{META_INFO}"].append(listed)
        return {path: "".join(sorted(listed)).encode() for path, listed in lines.items()}

    def close(self) -> None:
        self._open.clear()
        self._stack.close()

    def _database(self, path: PurePosixPath) -> Any:
        if path not in self._open:
            (self.root / path).mkdir(parents=True, exist_ok=True)
            database = self.lmdb.open(str(self.root / path), map_size=FIRST_MAP)
            self._open[path] = self._stack.enter_context(database)
        return self._open[path]

    def _put(self, path: PurePosixPath, values: Mapping[str, bytes]) -> None:
        """All values in one transaction, again from the start in a larger map where it is full."""
        database = self._database(path)
        while True:
            try:
                with database.begin(write=True) as writing:
                    for key, value in values.items():
                        if writing.get(key.encode()) != value:  # a repair leaves the bytes of a whole database alone
                            writing.put(key.encode(), value)
            except self.lmdb.MapFullError:
                database.set_mapsize(2 * database.info()["map_size"])
            else:
                return

    @contextmanager
    def _told(self) -> Any:
        """LMDB's own errors as OSError: what goes wrong here is the disk."""
        try:
            yield
        except self.lmdb.Error as error:
            raise OSError(None, str(error)) from None


def read_lmdb(journal: Path) -> list[EncodedPair]:
    """The pairs that the journal beside the databases records, by split and key.

    Raises UsageError for a database that is missing or damaged, and where lmdb is missing.
    """
    from nmflowgan_cli.data.pair_schema import PairPlaces

    last = {(record["split"], record["key"]): record for record in done_records(journal, PairPlaces)}
    done = [record for _, record in sorted(last.items())]
    if not all("clean" in record and "noisy" in record for record in done):
        raise UsageError(f"{journal} has a record without clean and noisy", "expected the journal of make-pairs")
    for path in dict.fromkeys(str(record[side]) for record in done for side in ("clean", "noisy")):
        _refuse_fatal(journal.parent / path)  # damage is found before the work
        with reading(journal.parent / path):
            pass
    return [_recorded(record, journal.parent) for record in done]


def _recorded(record: Mapping[str, Any], root: Path) -> EncodedPair:
    key, clean, noisy = (str(record[each]) for each in ("key", "clean", "noisy"))

    def read() -> tuple[bytes, bytes]:
        return _value(root / clean, key), _value(root / noisy, key)

    return pair_of(record, f"{noisy}#{key}", read)


def _value(path: Path, key: str) -> bytes:
    with reading(path) as database, database.begin() as transaction:
        value = transaction.get(key.encode())
    if value is None:
        raise UsageError(f"{path} holds no {key}, which its journal lists", "make it again with --resume")
    return value


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """The open database; UsageError where it is missing or damaged, and where lmdb is missing."""
    lmdb = require("lmdb", "lmdb")
    with (
        damage_named(path, "a database"),
        _ONE,
        lmdb.open(str(path), readonly=True, lock=False, create=False) as opened,
    ):
        _refuse_cut_off(path, opened)
        yield opened


def _refuse_cut_off(path: Path, database: Any) -> None:
    """Raise UsageError for a file that is shorter than its pages: LMDB maps it, and reading beyond its end kills."""
    wanted = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
    found = (path / "data.mdb").stat().st_size
    if found < wanted:
        raise UsageError(f"{path} is damaged: {found} bytes of {wanted}", "make it again")


def _refuse_fatal(path: Path) -> None:
    """Raise UsageError for a database whose pages point astray: LMDB follows them, and that may kill a process."""
    walk = [sys.executable, "-c", WALK, str(path)]
    done = subprocess.run(walk, stderr=subprocess.PIPE, timeout=600, check=False)  # noqa: S603 - a program of our own
    if done.returncode < 0:
        raise UsageError(f"{path} is damaged: reading it ends in signal {-done.returncode}", "make it again")
