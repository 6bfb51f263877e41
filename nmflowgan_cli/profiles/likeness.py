"""A profile of the noise in pictures: `--like`."""

from collections.abc import Sequence
from pathlib import Path

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.imaging import Picture, read
from nmflowgan_cli.profiles.exif import Shot, shot_of
from nmflowgan_cli.profiles.profile import NoiseProfile

MOST_PICTURES = 50
"""References that are read at a time, whole."""


def like(paths: Sequence[Path], *, camera: str = "", iso: int | None = None, seed: int = 0) -> NoiseProfile:
    """The profile of the camera that took these noisy pictures, from them alone.

    `camera`, `iso`: where they are not said by EXIF, or said wrongly. Raises UsageError for pictures of several cameras
    or ISOs, PictureError for one that cannot be read, and what the estimator raises where it cannot know.
    """
    from nmflowgan_cli.profiles.estimate import from_pictures  # pyright: ignore[reportMissingImports]

    if len(paths) > MOST_PICTURES:
        raise UsageError(f"{len(paths)} pictures to estimate noise from", f"{MOST_PICTURES} at most; a few are enough")
    pictures = [read(path) for path in paths]
    shot = common_shot(paths, pictures, camera, iso)
    name = shot.camera or f"like {paths[0].name}"
    return from_pictures(pictures, [path.name for path in paths], name=name, iso=shot.iso, seed=seed)


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
        raise UsageError(f"the pictures are not of one camera and ISO: {told[:300]}", "a profile for each of them")
    return Shot(cameras.pop(), isos.pop())
