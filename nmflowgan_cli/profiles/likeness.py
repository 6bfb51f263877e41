"""Profiles of the noise in pictures, bursts and pairs: reading, camera and ISO, then the estimator."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from nmflowgan_cli import files
from nmflowgan_cli.conditions import CAMERA_NAMES, Condition
from nmflowgan_cli.data.manifest import written_camera
from nmflowgan_cli.data.reading import Paired, allot, of_camera, read_paired
from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import FORMATS, Bytes, Picture, read
from nmflowgan_cli.notices import notice
from nmflowgan_cli.profiles.exif import Shot, shot_of
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference

MOST_PICTURES = 100
"""References that are read at a time, whole."""
MOST_PAIRS = 32
PLAIN, CAMERA = "plain", "camera"
"""Renderings: from raw without denoising, or by the camera itself."""


def like(
    paths: Sequence[Path], *, camera: str = "", iso: int | None = None, rendered: str = "", seed: int = 0
) -> NoiseProfile:
    """The profile of the camera that took these noisy pictures, from them alone; without a mosaic if they are grey.

    `camera`, `iso`: where EXIF does not say them, or says them wrongly. `rendered`: "" is `usual_rendering`. Raises
    UsageError for pictures of several cameras or ISOs, PictureError for one that cannot be read, and what the
    estimator raises where it cannot know.
    """
    from nmflowgan_cli.profiles.estimate import from_pictures, from_rendered

    pictures, shot = _opened(paths, camera, iso)
    grey = [_is_grey(picture) for picture in pictures]
    if all(grey):
        from nmflowgan_cli.profiles.mono import from_grey

        return from_grey(pictures, _references(paths), name=shot.camera, iso=shot.iso)
    if any(grey):
        raise UsageError(f"{paths[grey.index(True)].name} is grey, and others are not", "a profile for each kind")
    if (rendered or usual_rendering([path.name for path in paths])) == CAMERA:
        return from_rendered(pictures, _references(paths), name=shot.camera, iso=shot.iso)
    return from_pictures(pictures, _references(paths), name=shot.camera, iso=shot.iso, seed=seed)


def from_shots(paths: Sequence[Path], *, camera: str = "", iso: int | None = None, seed: int = 0) -> NoiseProfile:
    """The profile of a burst: shots of one still scene; as `like`."""
    from nmflowgan_cli.profiles.estimate import from_burst

    pictures, shot = _opened(paths, camera, iso)
    if all(map(_is_grey, pictures)):
        raise UsageError("a burst of grey pictures", "without --burst they make a profile, too")
    return from_burst(pictures, _references(paths), name=shot.camera, iso=shot.iso, seed=seed)


def of_pairs(
    data: Path,
    *,
    split: str = "all",
    camera: str = "",
    iso: int | None = None,
    rendered: str = "",
    seed: int = 0,
) -> NoiseProfile:
    """The profile of pairs of one camera and ISO, of whatever data `read_paired` reads; at most MOST_PAIRS of them.

    Raises UsageError where they are of several cameras or ISOs and none is chosen, or none is left.
    """
    from nmflowgan_cli.profiles.estimate import from_pairs, from_rendered

    condition = Condition(written_camera(camera), iso) if camera and iso else None
    pairs, usual = read_paired(data, condition=condition)
    chosen = _of_split(of_camera(pairs, camera), usual, split)
    chosen = [pair for pair in chosen if iso in (None, pair.condition.iso)]
    conditions = list(dict.fromkeys(pair.condition for pair in chosen))
    if len(conditions) != 1:
        told = ", ".join(map(str, conditions)) or "none that is asked for"
        raise UsageError(f"{data} holds pairs of {told}", "choose one of each by --camera and --iso")
    known, taken = conditions[0], [(pair.name, *pair.load()) for pair in chosen[:MOST_PAIRS]]
    if all(_is_grey(noisy) for _, _, noisy in taken):
        raise UsageError(f"{data} holds grey pictures", "the noisy ones alone make a profile: profile fit PICTURES")
    clean, noisy = [clean for _, clean, _ in taken], [noisy for _, _, noisy in taken]
    references = [Reference(name[-100:], sha256(noisy.tobytes()).hexdigest()) for name, _, noisy in taken]
    name, known_iso = CAMERA_NAMES.get(known.camera, known.camera), known.iso or None
    if (rendered or usual_rendering([name for name, _, _ in taken])) == CAMERA:
        return from_rendered(noisy, references, name=name, iso=known_iso, clean=clean)
    return from_pairs(clean, noisy, references, name=name, iso=known_iso, seed=seed)


def usual_rendering(names: Sequence[str]) -> str:
    """The rendering that the file names suggest: "camera" for JPEGs, which cameras write themselves."""
    if not all(FORMATS.get(Path(name).suffix.lower()) == "JPEG" for name in names):
        return PLAIN
    notice(f"{names[0]} is a JPEG, taken for the camera's own; if it was developed from raw: --rendered plain")
    return CAMERA


def _of_split(pairs: Sequence[Paired], usual: str, split: str) -> Sequence[Paired]:
    if split == "all":
        return pairs
    side, division = (split, usual) if split in ("train", "val") else ("val", split)
    return allot(pairs, division)[side]


def _references(paths: Sequence[Path]) -> list[Reference]:
    return [Reference(path.name[-100:], files.sha256(path)) for path in paths]


def _is_grey(rgb: Bytes) -> bool:
    """Whether all three channels are equal."""
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())


def _opened(paths: Sequence[Path], camera: str, iso: int | None) -> tuple[list[Bytes], Shot]:
    """The pixels, and their camera (named after the first picture where it is not said) and ISO."""
    if len(paths) > MOST_PICTURES:
        raise UsageError(f"{len(paths)} pictures to estimate noise from", f"at most {MOST_PICTURES}; a few are enough")
    pictures = [read(path) for path in paths]
    shot = common_shot(paths, pictures, camera, iso)
    named = shot if shot.camera else shot._replace(camera=f"like {paths[0].name}"[:100])
    return [picture.rgb for picture in pictures], named


def common_shot(paths: Sequence[Path], pictures: Sequence[Picture], camera: str, iso: int | None) -> Shot:
    """Camera and ISO of all pictures: as given, or else by their EXIF; raises UsageError where it differs."""
    shots = [shot_of(picture) for picture in pictures]
    cameras = {camera} if camera else {shot.camera for shot in shots}
    isos = {iso} if iso else {shot.iso for shot in shots}
    if len(cameras) > 1 or len(isos) > 1:
        told = "; ".join(
            f"{path.name}: {shot.camera or 'no camera'}, {f'ISO {shot.iso}' if shot.iso else 'no ISO'}"
            for path, shot in zip(paths, shots, strict=True)
        )
        raise UsageError(f"the pictures are not of one camera and ISO: {told[:300]}", "make a profile of each of them")
    return Shot(cameras.pop(), isos.pop())
