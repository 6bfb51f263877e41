"""Selection of the pairs to evaluate."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.manifest import written_camera
from nmflowgan_cli.data.reading import Paired, allot, of_camera, read_paired
from nmflowgan_cli.errors import UsageError


class Selection(NamedTuple):
    """Pairs to evaluate, out of so many."""

    pairs: list[Paired]
    found: int


def select(
    data: Path, split: str = "all", *, limit: int | None = None, camera: str = "", iso: int | None = None
) -> Selection:
    """The pairs that `data` names (see `data.reading.read_paired`), at most `limit` of a camera and ISO.

    `split`: "all"; the data's own "train" or "val", or for SIDD's folders as the paper has them; "nm-flowgan" for the
    paper's 22 test instances; else scenes, separated by commas. `camera`: the only one, and that of clean/ and noisy/
    that do not name theirs, like `iso`. Raises UsageError where no pair is left.
    """
    condition = Condition(written_camera(camera), iso) if camera and iso else None
    found, usual = read_paired(data, condition=condition)
    chosen = list(_chosen(of_camera(found, camera), usual, split))
    if not chosen:
        raise UsageError(f"{data} has no pairs in the split {split!r}", f"it has {len(found)} in all")
    return Selection(_limited(chosen, limit), len(found))


def _chosen(found: Sequence[Paired], usual: str, split: str) -> Sequence[Paired]:
    if split == "all":
        return found
    if split == "denoiser":
        raise UsageError("the split 'denoiser' holds nothing out", "all, train, val, nm-flowgan, or scenes")
    side, division = (split, usual) if split in ("train", "val") else ("val", split)
    return allot(found, division)[side]


def _limited(pairs: Sequence[Paired], limit: int | None) -> list[Paired]:
    seen: Counter[Any] = Counter()
    kept = []
    for pair in pairs:
        seen[pair.condition] += 1
        if limit is None or seen[pair.condition] <= limit:
            kept.append(pair)
    return kept
