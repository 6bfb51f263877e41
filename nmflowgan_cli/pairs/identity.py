"""Identity of pictures in the names of SIDD: their own instance and frame, or a number that SIDD does not have.

So no published division of SIDD takes a picture for another one.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from typing import NamedTuple, Protocol

from nmflowgan_cli.conditions import Condition
from nmflowgan_cli.data.origin import Origin
from nmflowgan_cli.data.sidd_instances import FIRST_FRAME, INSTANCES, SceneInstance

FIRST_CROP = 100
"""Numbers of pictures that share instance and frame with another one, or do not state their frame, begin here."""


class Identity(NamedTuple):
    """What SIDD's names say of a noisy picture."""

    instance: SceneInstance
    frame: int | None
    """None where the picture is not of SIDD."""


class Identifiable(Protocol):
    """A noisy picture of a scene, which may be one of SIDD."""

    @property
    def condition(self) -> Condition: ...
    @property
    def scene(self) -> str: ...
    @property
    def instance(self) -> SceneInstance | None: ...
    @property
    def frame(self) -> int | None: ...
    @property
    def origin(self) -> Origin: ...


def identities(pictures: Iterable[Identifiable]) -> Iterator[Identity]:
    """The identity of each picture, all different; those that are not of SIDD have numbers above its 200 instances."""
    numbers, scenes = count(INSTANCES + 1), defaultdict[str, int](count(INSTANCES + 1).__next__)
    frames: defaultdict[str, set[int]] = defaultdict(set)
    for picture in pictures:
        instance = picture.instance
        if instance is not None and _of_sidd(picture, instance):
            taken = frames[instance.name]
            frame = _free_frame(picture.frame, taken)
            taken.add(frame)
            yield Identity(instance, frame)
        else:
            scene = f"{scenes[picture.scene]:03d}"
            yield Identity(SceneInstance(next(numbers), scene, picture.condition, 0, 0, "N"), None)


def _of_sidd(picture: Identifiable, instance: SceneInstance) -> bool:
    """Whether the picture is the noisy one of a published instance: not made from its clean one."""
    return instance.published and instance.condition == picture.condition and not picture.origin.synthetic


def _free_frame(wanted: int | None, taken: set[int]) -> int:
    if wanted is None and not taken:
        return FIRST_FRAME
    if wanted is not None and wanted not in taken:
        return wanted
    return next(number for number in count(FIRST_CROP) if number not in taken)
