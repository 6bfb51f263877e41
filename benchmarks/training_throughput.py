"""Patches a second of a training step, against the plain order of the authors' code with the same networks and losses.

The plain order, for each batch: every `generator_every`-th time a step of the generator, the flow with it; then a step
of the critic, for which the whole generator runs again, its likelihood and the gradient of that included. Here instead
the flow learns from every batch, and the critic and the generator share what was made. Both train flow and game
together, in the same precision (of spatial network and critic); rounds take turns, and ratios are those of the medians.
Seconds are of one processor core.

    python benchmarks/training_throughput.py [--architecture lite paper] [--precision float32 bfloat16] [--rounds 5]
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nmflowgan_cli.checkpoints.format import Header
from nmflowgan_cli.data.batches import Batch
from nmflowgan_cli.data.profiles import camera_profiles
from nmflowgan_cli.data.simulate import Simulator, load_clean
from nmflowgan_cli.training.nmflowgan import losses, recipe
from nmflowgan_cli.training.nmflowgan.adversarial import AdversarialStep, spatial_precision
from nmflowgan_cli.training.nmflowgan.learner import NMFlowGANLearner
from nmflowgan_cli.training.nmflowgan.likelihood import LikelihoodStep
from nmflowgan_cli.training.nmflowgan.recipe import NMFlowGANRecipe
from nmflowgan_cli.training.run import open_learner

PHOTOS = Path(__file__).parents[1] / "photos"
Step = Callable[[Batch, int], None]


def fresh(chosen: NMFlowGANRecipe, simulator: Simulator, memory_format: torch.memory_format) -> NMFlowGANLearner:
    torch.manual_seed(0)
    header = Header(architecture=chosen.architecture, options={}, vocabulary=simulator.vocabulary(1))
    learner = open_learner(chosen, header, torch.device("cpu"))
    for module in (learner.model, learner.critic):
        module.to(memory_format=memory_format)  # pyright: ignore[reportCallIssue]
    return learner


def ours(chosen: NMFlowGANRecipe, simulator: Simulator) -> Step:
    """The steps of `nmflowgan train`."""
    learner = fresh(chosen, simulator, torch.channels_last)
    flow_step, game_step = LikelihoodStep(learner, chosen), AdversarialStep(learner, chosen)

    def step(batch: Batch, number: int) -> None:
        batch = batch._replace(**{name: _channels_last(getattr(batch, name)) for name in ("clean", "noisy")})
        game_step(batch, number)
        flow_step(batch, number)

    return step


def _channels_last(picture: torch.Tensor) -> torch.Tensor:
    return picture.to(memory_format=torch.channels_last)


def plain(chosen: NMFlowGANRecipe, simulator: Simulator) -> Step:
    """The order of the authors' code, without more thought."""
    learner = fresh(chosen, simulator, torch.contiguous_format)
    adam = torch.optim.Adam
    generator = [*learner.flow.parameters(), *learner.spatial.parameters()]
    generator_optimiser = adam(generator, lr=chosen.spatial_rate, betas=chosen.betas)
    critic_optimiser = adam(learner.critic.parameters(), lr=chosen.critic_rate, betas=chosen.betas)
    precision = spatial_precision(chosen, torch.device("cpu"))
    adversarial = losses.ADVERSARIAL[chosen.adversarial_loss]

    def step(batch: Batch, number: int) -> None:
        if number % chosen.generator_every == 0:
            nll, views = learner.likelihood(batch)[0], learner.views(batch)
            with precision:
                loss = nll + adversarial.generator(views.judge(views.fake).float())
            if chosen.covariance_weight:
                moments = (losses.patch_moments(latents) for latents in (views.real, views.fake))
                loss = loss + chosen.covariance_weight * losses.moments_mismatch(*moments)
            generator_optimiser.zero_grad()
            loss.backward()
            generator_optimiser.step()
        nll, views = learner.likelihood(batch)[0], learner.views(batch)
        fake = views.fake.detach()
        with precision:
            loss = nll + adversarial.critic(views.judge(views.real).float(), views.judge(fake).float())
        if number % chosen.penalty_every == 0:
            penalty = adversarial.penalty(views.judge, views.real, fake, torch.rand(len(fake)))
            loss = loss + chosen.penalty * chosen.penalty_every * penalty
        critic_optimiser.zero_grad()
        loss.backward()
        critic_optimiser.step()

    return step


def seconds(step: Step, batches: list[Batch], first: int) -> float:
    began = time.process_time()
    for number, batch in enumerate(batches, first):
        step(batch, number)
    return time.process_time() - began


def compare(chosen: NMFlowGANRecipe, precisions: Sequence[str], rounds: int) -> None:
    """Print the rates of both orders in each precision, and their ratios."""
    simulator = Simulator(load_clean(PHOTOS, smallest=chosen.patch), camera_profiles(), chosen.patch)
    # Whole cycles of critic and generator, and of the penalty, so that every round has the same work.
    cycle = int(np.lcm(chosen.generator_every, chosen.penalty_every))
    rng = np.random.default_rng(0)
    batches = [simulator.batch(chosen.batch, rng) for _ in range(cycle)]
    steps = {
        (order, precision): make(replace(chosen, precision=precision), simulator)
        for precision in precisions
        for order, make in (("plain order", plain), ("ours", ours))
    }
    times: dict[tuple[str, str], list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            times[name].append(seconds(step, batches, turn * cycle))
    patches = chosen.batch * cycle
    rates = {name: patches / statistics.median(spent[1:]) for name, spent in times.items()}
    first = rates["plain order", precisions[0]]
    print(f"{chosen.architecture}: batch {chosen.batch}, patches of {chosen.patch}, {rounds} rounds of {cycle} steps")
    for (order, precision), rate in rates.items():
        ratio = rate / rates["plain order", precision]
        print(
            f"  {order}, {precision}: {rate:.2f} patches/s, {ratio:.2f} times the plain order in {precision},"
            f" {rate / first:.2f} times that in {precisions[0]}",
            flush=True,
        )
    print(f"  for each patch of the plain order's flow ours learns from {chosen.generator_every}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", nargs="+", choices=("lite", "paper"), default=["lite", "paper"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", nargs="+", choices=("float32", "bfloat16"), default=["float32"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for architecture in arguments.architecture:
        if architecture == "lite":
            # All of its steps train both parts, like the order it is compared with.
            chosen = recipe.lite(flow_steps=10_000, spatial_steps=10_000, strategy="simultaneous")
        else:
            chosen = replace(recipe.paper(steps=10_000), batch=4)
        compare(chosen, arguments.precision, arguments.rounds)


if __name__ == "__main__":
    main()
