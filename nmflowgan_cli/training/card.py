"""A drafted card for the weights of a run, as Hugging Face shows it: README.md of a repository with the weights."""

from collections.abc import Mapping

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.conditions import CAMERA_NAMES
from nmflowgan_cli.training.recipe import Recipe, to_toml

FILE = "card.md"
LICENCES = {"mit": "mit", "cc0": "cc0-1.0", "cc0-1.0": "cc0-1.0", "cc-by-4.0": "cc-by-4.0", "apache-2.0": "apache-2.0"}
"""Terms that Hugging Face has an identifier for."""


def card(header: Header, recipe: Recipe, *, command: str, seed: int, seconds: float, best: Mapping[str, float]) -> str:
    """The card as Markdown with front matter; what only the trainer knows is left to be written."""
    names = {**CAMERA_NAMES, **header.vocabulary.names}
    trained = {
        camera: ", ".join(map(str, header.vocabulary.trained_isos(camera))) for camera in header.vocabulary.cameras
    }
    return "\n".join(
        [
            "---",
            f"license: {LICENCES.get(header.terms.lower(), 'other')}",
            "library_name: nmflowgan-cli",
            "pipeline_tag: image-to-image",
            "tags: [camera-noise, noise-synthesis, normalizing-flow, denoising]",
            "---",
            "",
            f"# {header.name}",
            "",
            f"Noise of {len(trained)} cameras for clean photographs: architecture `{header.architecture}` of "
            "[NM-FlowGAN](https://arxiv.org/abs/2312.10112), trained with nmflowgan-cli "
            f"{header.tool_version}.",
            "",
            "| camera | trained at ISO |",
            "|---|---|",
            *(f"| {names.get(camera, camera)} | {isos} |" for camera, isos in trained.items() if isos),
            "",
            f"- **Data**: {'; '.join(header.data) or 'not told'}",
            f"- **Terms**: {header.terms or 'not told'}",
            f"- **Command**: `{command or 'not told'}`",
            f"- **Seed**: {seed}",
            f"- **Time**: {seconds / 60:.1f} minutes, {recipe.steps} steps of {recipe.batch} patches",
            f"- **Validation**: {_scores(header.metrics.get('validation', {}))}",
            f"- **Best by KLD**: {_scores(best)}",
            "",
            "## Recipe",
            "",
            "```toml",
            to_toml(recipe),
            "```",
            "",
        ]
    )


def _scores(scores: Mapping[str, float | str]) -> str:
    told = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in scores.items())
    return ", ".join(told) or "none"
