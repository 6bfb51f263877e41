"""Learning rates, and what the presets of a training promise."""

import tomllib

import pytest

from nmflowgan_cli.errors import UsageError
from nmflowgan_cli.training.nmflowgan import recipe
from nmflowgan_cli.training.nmflowgan.schedules import flow_factor, game_factor
from nmflowgan_cli.training.recipe import open_recipe


def test_halving_is_that_of_the_paper():
    """Every 10 of 40 epochs, for flow and game alike."""
    epochs = [flow_factor("halving", epoch / 40) for epoch in range(41)]
    assert epochs == [1] * 10 + [0.5] * 10 + [0.25] * 10 + [0.125] * 11
    assert epochs == [game_factor("halving", epoch / 40) for epoch in range(41)]


@pytest.mark.parametrize(("factor", "end"), [(flow_factor, 0.003), (game_factor, 0.0)])
def test_smooth_schedules_fall_from_one_to_their_end(factor, end):
    values = [factor("smooth", step / 50) for step in range(51)]
    assert (values[0], values[-1]) == (1, pytest.approx(end))
    assert values == sorted(values, reverse=True)
    assert factor("smooth", 0.5) == pytest.approx((1 + end) / 2)


@pytest.mark.parametrize("name", ["lite", "paper"])
def test_strategies_say_who_learns_when(name):
    two_stage = open_recipe(name, strategy="two-stage")
    assert two_stage.flow_until == two_stage.spatial_from < two_stage.steps
    for strategy in ("simultaneous", "joint"):
        chosen = open_recipe(name, strategy=strategy)
        assert (chosen.spatial_from, chosen.flow_until) == (0, chosen.steps)


def test_without_gan_only_the_flow_learns():
    for name in ("lite", "paper"):
        whole = open_recipe(name)
        chosen = recipe.without(whole, ("gan",))
        assert chosen.steps == chosen.flow_until == chosen.spatial_from == whole.flow_until
    with pytest.raises(UsageError, match="'unet' is no part of the model"):
        recipe.without(recipe.lite(), ("unet",))


def test_a_recipe_is_toml():
    chosen = recipe.without(recipe.paper(strategy="joint"), ("sal", "sdl"))
    values = tomllib.loads(chosen.to_toml())
    assert values == chosen.settings()
    assert (values["ablate"], values["strategy"], values["betas"]) == (["sal", "sdl"], "joint", [0.9, 0.999])
