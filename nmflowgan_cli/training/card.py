"""A drafted card for the weights of a run, as Hugging Face shows it: README.md of a repository with the weights."""

from collections.abc import Mapping

from nmflowgan_cli.checkpoints.format import LICENCES, Header
from nmflowgan_cli.conditions import CAMERA_NAMES, Vocabulary
from nmflowgan_cli.training.recipe import Recipe

FILE = "card.md"


def card(
    header: Header,
    recipe: Recipe,
    title: str,
    *,
    command: str,
    seed: int,
    seconds: float,
    best: Mapping[str, float],
) -> str:
    """The card of what was trained step by step, as Markdown with front matter; see `draft`.

    `best`: the scores of the best weights by validation, if there was any.
    """
    facts = {
        "Command": code(command),
        "Seed": str(seed),
        "Time": f"{seconds / 60:.1f} minutes, {recipe.steps} steps of {recipe.batch} patches",
    }
    if best:
        facts |= {"Validation": _scores(header.metrics.get("validation", {})), "Best by KLD": _scores(best)}
    return draft(header, title, facts, recipe=recipe.to_toml())


def draft(header: Header, title: str, facts: Mapping[str, str], *, recipe: str = "") -> str:
    """A drafted card of any weights; what only their maker knows is left to be written.

    `title` says what they are, without a full stop; `facts` how they came about, by name; `recipe` is TOML. Tables of
    measured numbers are put in by scripts/record_metrics.py.
    """
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
            f"{title}, trained with nmflowgan-cli {header.tool_version}.",
            "",
            *("<!-- cameras -->", camera_table(header.vocabulary), "<!-- end of cameras -->", ""),
            *("## Data and terms", "", f"- **Data**: {'; '.join(header.data) or 'not told'}"),
            *(f"- **Terms**: {header.terms or 'not told'}", ""),
            *("## Training", "", *(f"- **{name}**: {value}" for name, value in facts.items()), ""),
            *("<!-- metrics val -->", "<!-- end of metrics val -->", ""),
            *(["## Recipe", "", "```toml", recipe, "```", ""] if recipe else []),
        ]
    )


def camera_table(vocabulary: Vocabulary) -> str:
    """A table in Markdown of the cameras, with the ISOs that each was trained at."""
    names = {**CAMERA_NAMES, **vocabulary.names}
    trained = {camera: vocabulary.trained_isos(camera) for camera in vocabulary.cameras}
    rows = (
        f"| `{camera}` | {names.get(camera, camera)} | {', '.join(map(str, isos))} |"
        for camera, isos in trained.items()
        if isos
    )
    return "\n".join(["| code | camera | trained at ISO |", "|---|---|---|", *rows])


def code(command: str) -> str:
    """A command as Markdown."""
    return f"`{command or 'not told'}`"


def _scores(scores: Mapping[str, float | str]) -> str:
    told = (f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}" for name, value in scores.items())
    return ", ".join(told) or "none"
