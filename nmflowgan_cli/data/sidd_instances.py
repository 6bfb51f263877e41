"""Scene instances of SIDD: their names, and the published divisions of the data set by their numbers.

A name is `NNNN_SSS_CC_IIIII_TTTTT_KKKK_B`: instance, scene, camera, ISO, shutter, colour temperature, brightness.
https://abdokamel.github.io/sidd/.
"""

import re
from dataclasses import dataclass

from nmflowgan_cli.conditions import CAMERA_NAMES, Condition

INSTANCES = 200
"""SIDD has no higher number; what is not of SIDD is numbered from here on, so that no published split matches it."""
FIRST_FRAME = 10
"""The pictures of SIDD-Small and Medium are frames 010 and 011 of a burst."""
# fmt: off
TRAIN_INSTANCES = frozenset((
    4, 11, 13, 17, 18, 20, 22, 23, 25, 27, 28, 29, 30, 34, 35, 39, 40, 42, 43, 44, 45, 47, 81, 86, 88, 90, 101, 102,
    104, 105, 110, 111, 115, 116, 125, 126, 127, 129, 132, 135, 138, 140, 175, 177, 178, 179, 180, 181, 185, 186, 189,
    192, 193, 194, 196, 197,
))
# fmt: on
"""The 56 scene instances that NM-FlowGAN (and sRGBFlow before it) was trained on."""
TEST_INSTANCES = frozenset(
    (54, 55, 57, 59, 60, 62, 63, 66, 150, 151, 152, 154, 155, 159, 160, 161, 163, 164, 165, 166, 198, 199)
)
"""The 22 scene instances that NM-FlowGAN was tested on."""
DENOISER_ISOS = {
    "IP": (100, 400, 800, 1600),
    "GP": (100, 800),
    "S6": (100, 400, 800, 1600, 3200),
    "N6": (100, 800),
    "G4": (100, 800),
}
"""The 15 codes of the paper. Of SIDD-Medium's 160 instances, the 123 with one of them train the paper's denoiser."""

_INSTANCE = re.compile(r"(\d{4,})_(\d{3,})_([A-Za-z0-9]+)_(\d{5})_(\d{5})_(\d{4})_([LNH])(?![A-Za-z0-9])")
_FRAME = re.compile(r"_SRGB_(\d{3})")


@dataclass(frozen=True)
class SceneInstance:
    """The fields of a scene instance's name."""

    number: int
    scene: str
    """Three digits; instances of one scene show the same thing."""
    condition: Condition
    shutter: int
    """One over the exposure time, in 1/s."""
    temperature: int
    """Colour temperature of the light, in kelvin."""
    brightness: str
    """"L" low, "N" normal, "H" high."""

    @property
    def name(self) -> str:
        """The name, whose camera has letters and digits alone."""
        camera = "".join(c for c in self.condition.camera if c.isascii() and c.isalnum()) or "XX"
        numbers = f"{self.number:04d}_{self.scene}_{camera}_{self.condition.iso:05d}"
        return f"{numbers}_{self.shutter:05d}_{self.temperature:04d}_{self.brightness}"

    @property
    def published(self) -> bool:
        """Whether the number is one of SIDD's own."""
        return 0 < self.number <= INSTANCES


def find_instance(text: str) -> SceneInstance | None:
    """The last scene instance that a path or a name mentions; None where there is none.

    Other cameras than SIDD's are taken as they are written: folders of this shape may come from anywhere.
    """
    found = _INSTANCE.findall(text)
    if not found:
        return None
    number, scene, camera, iso, shutter, temperature, brightness = found[-1]
    condition = Condition(camera.upper() if camera.upper() in CAMERA_NAMES else camera, int(iso))
    return SceneInstance(int(number), scene, condition, int(shutter), int(temperature), brightness)


def find_frame(text: str) -> int | None:
    """The number of the frame that the last of SIDD's file names in a path mentions."""
    found = _FRAME.findall(text)
    return int(found[-1]) if found else None
