"""Pictures of one place that can be flipped between, without scripts: hovering shows one, choosing keeps it."""

from collections.abc import Mapping

from nmflowgan_cli.imaging import Bytes
from nmflowgan_cli.report.crops import Example
from nmflowgan_cli.report.markup import Markup, element, joined, picture

NO_NOTE = Markup()


def example_figure(
    example: Example, key: str, *, real: str = "real", noise: str = "Noise", note: Markup = NO_NOTE
) -> Markup:
    """Clean, real and made crop in one place, and beside it the amplified noises; `key` is unique in the page.

    `real` is the label of the real noisy crop, which is seen at first, `noise` the heading of the noises.
    """
    pictures = {"clean": example.clean, real: example.real, **example.made}
    noises = {name: example.noise(crop) for name, crop in list(pictures.items())[1:]}
    top, left = example.place
    height, width = example.clean.shape[:2]
    place = f"{example.pair}: {width}x{height} pixels from column {left}, row {top}."
    return element(
        "figure",
        element(
            "div",
            flip(pictures, f"{key}-picture", legend="Picture", about=f"{example.condition}, crop", first=real),
            flip(
                noises,
                f"{key}-noise",
                legend=f"{noise} \u00d7 {example.gain}",
                about=f"{example.condition}, noise",
                first=real,
            ),
            class_="pair",
        ),
        element("figcaption", joined(place, note)),
    )


def flip(pictures: Mapping[str, Bytes], key: str, *, legend: str, about: str, first: str) -> Markup:
    """Pictures by label, of which the one pointed at is seen, or else the one chosen: at first `first`."""
    choices = [
        element(
            "label",
            element("input", type="radio", name=key, checked=label == first),
            element("span", label),
            picture(pixels, f"{about}: {label}"),
        )
        for label, pixels in pictures.items()
    ]
    return element("fieldset", element("legend", legend), *choices, class_="flip")
