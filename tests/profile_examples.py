"""Profiles that tests share: one with everything in it, and one of an unknown ISO."""

import dataclasses

from nmflowgan_cli.models.isp import CameraProfile
from nmflowgan_cli.profiles.profile import NoiseProfile, Reference

CAMERA = CameraProfile(
    noise={100: (3e-4, 1.5e-6), 6400: (0.0171234, 9.1e-4)},
    matrix=((0.8, 0.3, -0.1), (0.1, 0.9, 0.0), (0.0, 0.25, 0.75)),
    laplacian_gains=(0.4, 0.6, 0.7),
    white_balance=((1.5, 2.5), (1.25, 1.75)),
    floor=-0.01,
    black_shift=0.2,
    headroom=0.5,
)
WHOLE = NoiseProfile(
    name="Größe 5 / café",
    camera=CAMERA,
    way="pictures",
    references=(Reference("a.jpg", "0" * 64, (1.75, 1.5)), Reference("b.jpg", "f" * 64)),
    uncertainty={"shot": 0.02, "floor": 0.001},
    levels=((3, 250), (0, 255), (12, 200)),
    texture=14.5,
    remarks=("levels below 12 were not seen",),
)
UNKNOWN = dataclasses.replace(WHOLE, iso_known=False, camera=dataclasses.replace(CAMERA, noise={100: (0.01, 1e-4)}))
