"""Fresh learners for tests of the training steps."""

import torch

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.training.run import model_options, open_learner


def learner_of(recipe, vocabulary, **options):
    """The learner of a recipe on the CPU, whose model has these options besides those of the recipe."""
    chosen = {**model_options(recipe.architecture, recipe), **options}
    return open_learner(
        recipe, Header(architecture=recipe.architecture, options=chosen, vocabulary=vocabulary), torch.device("cpu")
    )
