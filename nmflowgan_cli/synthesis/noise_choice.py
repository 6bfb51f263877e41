"""The noise that a command asks for: weights by name or path, a profile, or pictures to be like."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nmflowgan_cli.errors import ConditionError, NmflowganError, UsageError
from nmflowgan_cli.imaging import is_raw
from nmflowgan_cli.notices import notice
from nmflowgan_cli.profiles.packaged import TERMS, packaged, renders
from nmflowgan_cli.synthesis.condition_choice import ANY, split
from nmflowgan_cli.synthesis.weights import Weights, find_weights, of_profile, profile_file

if TYPE_CHECKING:
    from nmflowgan_cli.profiles.profile import NoiseProfile

PLAIN = "plain"
CAMERA = "camera"
GAINS = 0.1, 16.0
"""The lowest and highest gain of red and blue relative to green."""


@dataclass(frozen=True, kw_only=True)
class NoiseChoice:
    """What a user says of the noise; at most one of `weights`, `profile` and `like`."""

    weights: str | None = None
    """Name or path."""
    profile: Path | None = None
    like: tuple[str, ...] = ()
    """Noisy pictures, or folders or patterns of them."""
    rendered: str = ""
    """"plain": cameras that no plainly rendered weights know are taken from the table of cameras; "camera": noise of
    the camera's own JPEGs, of the pictures to be like or by name; "" for weights that know the camera, or else its own
    JPEGs, and for pictures to be like by their kind of file."""
    white_balance: str = ""
    """"R,B": gains relative to green, for profiles; "" to draw it for each picture as the profile says."""
    cache_dir: Path | None = None

    def __post_init__(self) -> None:
        given = {"--weights": self.weights, "--profile": self.profile, "--like": self.like}
        named = [flag for flag, value in given.items() if value]
        if len(named) > 1:
            raise UsageError(f"{' and '.join(named)} both say which noise", "leave one of them out")
        if self.rendered not in ("", PLAIN, CAMERA):
            raise UsageError(f"unknown rendering {self.rendered!r}", f"{PLAIN} or {CAMERA}")
        if self.rendered and named and named != ["--like"]:
            raise UsageError(f"--rendered is for cameras by name and --like, not {named[0]}", "leave one of them out")

    @property
    def of_profile(self) -> bool:
        """Whether the noise is that of a profile: camera and ISO may then be left out."""
        named = self.weights is not None and self.weights.lower().endswith(".json")
        return bool(self.profile or self.like) or named

    def find(self, cameras: Sequence[str] = (), resumed: Path | None = None) -> Weights:
        """The noise model, not loaded yet; see `find_weights` for `cameras`.

        `resumed`: the output folder of the run that goes on: its profile of the same pictures is taken again. Raises
        UsageError, WeightsError, and for pictures that cannot be read or tell too little PictureError.
        """
        if self.like:
            return self._lit(self._likeness(resumed))
        if self.profile:
            return self._lit(_of_raw(self.profile) if is_raw(self.profile) else profile_file(self.profile))
        return self._lit(self._named(cameras))

    def _named(self, cameras: Sequence[str]) -> Weights:
        """The weights that are named or know the cameras, or the profile of a camera of the table."""
        names = split(cameras)
        if self.rendered == CAMERA:
            return _of_own_pictures(names)
        if self.rendered and not _plain_weights_know(names):
            return _of_table(names)
        try:
            return find_weights(self.weights, cameras, cache_dir=self.cache_dir)
        except ConditionError as error:
            if self.weights is None and len(names) == 1 and renders(names[0]):
                return _of_own_pictures(names)
            known = _in_table(names) if self.weights is None else ""
            if not known:
                raise
            hint = f"--rendered plain takes the noise of plainly rendered pictures of {known} from the table of cameras"
            raise ConditionError(error.message, hint) from None

    def _lit(self, found: Weights) -> Weights:
        """The same noise in the light of `white_balance`."""
        if not self.white_balance:
            return found
        if found.profile is None:
            raise UsageError(f"{found.name} takes no white balance", "--white-balance is for --profile and --like")
        from nmflowgan_cli.profiles.files import parse_profile, with_white_balance

        red, blue = _gains(self.white_balance)
        return of_profile(with_white_balance(parse_profile(found.profile, found.name), red, blue))

    def _likeness(self, resumed: Path | None) -> Weights:
        """The profile of the pictures to be like; what its estimator found doubtful is logged."""
        from nmflowgan_cli.files import sha256
        from nmflowgan_cli.profiles.likeness import like
        from nmflowgan_cli.synthesis.inputs import find_pictures

        paths = [source.path for source in find_pictures(self.like)]
        try:
            digests = [sha256(path) for path in paths]
        except OSError as error:
            raise UsageError(f"cannot read {error.filename}: {error.strerror}") from None
        found = _kept(resumed, digests, rendered=self.rendered)
        if found is None:
            begin = time.monotonic()
            found = of_profile(like(paths, rendered=self.rendered))
            told = f"{len(paths)} pictures" if len(paths) > 1 else paths[0].name
            notice(f"estimated the noise of {told} in {time.monotonic() - begin:.1f} seconds")
        _tell(found)
        return found


def _of_raw(path: Path) -> Weights:
    """The noise that the tags of a DNG state, in the light that it was taken in; raises PictureError."""
    from nmflowgan_cli.profiles.raw import read_raw

    return of_profile(read_raw(path))


def _plain_weights_know(names: Sequence[str]) -> bool:
    """Whether all names mean phones of SIDD, which is rendered plainly, or any camera."""
    from nmflowgan_cli.conditions import camera_code
    from nmflowgan_cli.data.profiles import camera_profiles

    phones = tuple(camera_profiles())
    try:
        return all(name == ANY or camera_code(name, phones) for name in names)
    except ConditionError:
        return False


def _in_table(names: Sequence[str]) -> str:
    """The full name where a single camera is named and is in the table of cameras, else empty."""
    from nmflowgan_cli.profiles.cameras import search

    found = search(names[0]) if len(names) == 1 else []
    return found[0].name if len(found) == 1 else ""


def _of_table(names: Sequence[str]) -> Weights:
    """The noise of one camera of the table; raises ConditionError for several, and for one that is not there."""
    from nmflowgan_cli.profiles.cameras import camera_of, profile_of

    if len(names) != 1:
        raise ConditionError(f"{len(names)} cameras of the table at once", "one with --rendered plain")
    camera, profile = camera_of(names[0]), profile_of(names[0])
    told = f"noise of {camera.name}, plainly rendered, by the table of cameras (quality: {camera.quality})"
    notice("; ".join((told, *camera.remarks)))
    found = of_profile(profile)
    # The name as it was typed finds the camera again where ISOs are chosen.
    return replace(found, vocabulary=replace(found.vocabulary, names={camera.name: names[0]}))


def _of_own_pictures(names: Sequence[str]) -> Weights:
    """The noise of one camera's own JPEGs; raises ConditionError for several, and for one that is not packaged."""
    if len(names) != 1:
        raise ConditionError(f"{len(names)} cameras with noise of their own JPEGs at once", "one; --rendered plain")
    profile = packaged(names[0])
    notice(f"noise of the {profile.name}'s own JPEGs; terms: {TERMS}")
    found = of_profile(profile)
    return replace(found, terms=TERMS, vocabulary=replace(found.vocabulary, names={profile.name: names[0]}))


def _kept(folder: Path | None, digests: Sequence[str], *, rendered: str) -> Weights | None:
    """The profile of these pictures beside an earlier run's manifest, of this rendering; "" is any."""
    for path in sorted(folder.glob("profile-*.json")) if folder else ():
        try:
            found = profile_file(path)
        except NmflowganError:
            continue
        kind = CAMERA if b'"rendering' in (found.profile or b"") else PLAIN
        if rendered in ("", kind) and list(found.references) == list(digests):
            return replace(found, path=None)
    return None


def _tell(found: Weights) -> None:
    from nmflowgan_cli.profiles.files import parse_profile

    profile: NoiseProfile = parse_profile(found.profile or b"", found.name)
    for remark in profile.remarks:
        notice(remark)


def _gains(text: str) -> tuple[float, float]:
    """The gains of "R,B"; raises UsageError."""
    try:
        red, blue = map(float, text.split(","))
    except ValueError:
        red = blue = 0.0
    low, high = GAINS
    if not (low <= red <= high and low <= blue <= high):
        raise UsageError(
            f"white balance {text!r} is not understood", f"gains of red and blue, {low:g} to {high:g}: 1.9,1.6"
        )
    return red, blue
