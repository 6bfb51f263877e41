"""Pictures of one place that can be flipped between, without scripts: hovering shows one, choosing keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nmflowgan_cli.evaluation.gallery import Example
from nmflowgan_cli.evaluation.html_tables import number, plain_table
from nmflowgan_cli.evaluation.markup import Markup, Section, element, joined, picture
from nmflowgan_cli.evaluation.protocol import Bytes


@dataclass(frozen=True)
class Denoised:
    """One place of a test picture: noisy, clean and what each denoiser makes of it."""

    title: str
    crops: Mapping[str, Bytes]
    """(H, W, 3) uint8 by label, all of one shape."""


def example_figure(example: Example, key: str) -> Markup:
    """Clean, real and synthetic crop in one place, and beside it the amplified noises; `key` is unique in the page."""
    pictures = {"clean": example.clean, "real": example.real, **example.made}
    noises = {name: example.noise(crop) for name, crop in list(pictures.items())[1:]}
    top, left = example.place
    height, width = example.clean.shape[:2]
    place = f"{example.pair}: {width}x{height} pixels from column {left}, row {top}."
    return element(
        "figure",
        element(
            "div",
            flip(pictures, f"{key}-picture", legend="Picture", about=f"{example.condition}, crop"),
            flip(noises, f"{key}-noise", legend=f"Noise \u00d7 {example.gain}", about=f"{example.condition}, noise"),
            class_="pair",
        ),
        element("figcaption", place),
    )


def flip(pictures: Mapping[str, Bytes], key: str, *, legend: str, about: str) -> Markup:
    """Pictures by label, of which the one pointed at is seen, or else the one chosen: at first "real", or the first."""
    first = "real" if "real" in pictures else next(iter(pictures))
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


def denoised_section(
    examples: Sequence[Denoised], scores: Mapping[str, tuple[float, float]], *, note: str = ""
) -> Section:
    """Denoised crops and the PSNR (dB) and SSIM (0 to 1) on real pairs of each denoiser, by its name."""
    rows = {name: [number(psnr, 2), number(ssim)] for name, (psnr, ssim) in scores.items()}
    table = plain_table(rows, ("trained on", "PSNR (dB)", "SSIM"), caption="Denoisers on real pairs")
    figures = (
        element("figure", flip(one.crops, f"denoised-{index}", legend=one.title, about=one.title))
        for index, one in enumerate(examples)
    )
    told = element("p", note) if note else Markup()
    return Section("denoising", "Denoising", joined(told, table, element("div", *figures, class_="pair")))
