"""What every algorithm with an inner loop holds, asked of one on small tasks in float64."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from metaopt.algorithms.drawn import Drawn, MetaGradient
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import draw
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.tasks.base import Episodes, mean_loss
from metaopt.winner import read_winner
from tests import reference
from tests.metaopt.algorithms.test_maml import reference_apply
from tests.programs import use_compiled

SINUSOID = {"kind": "sinusoid", "k_shot": 4, "q_query": 3}
MLP = {"kind": "mlp", "widths": [6], "activation": "tanh"}
OMNIGLOT = {"kind": "omniglot", "n_way": 2, "k_shot": 1, "q_query": 2, "rotations": "task"}
CONV4 = {"kind": "conv4", "filters": 2}

LANES = [
    {"inner_lr": 0.05, "inner_steps": 1},
    {"inner_lr": 0.1, "inner_steps": 3},
    {"inner_lr": 0.02, "inner_steps": 2},
]
"""Numbers of trials that stand side by side."""


RATES = (0.1, 0.3)
ITERATIONS = 400


def numbers(steps: tuple[int, int]) -> dict[str, Tensor]:
    """Numbers of two lanes."""
    return {
        "inner_lr": torch.tensor(RATES, dtype=torch.float64),
        "inner_steps": torch.tensor(steps),
    }


def of_the_loop(learner: Learner, phi: Tensor, episodes: Episodes, steps, first_order, frozen):
    """Gradients (H, P) and losses (H,) by a loop over lanes and tasks with the whole model."""
    gradients, losses = [], []
    for lane in range(phi.shape[0]):
        tasks = [tuple((e.x[lane, t], e.y[lane, t]) for e in episodes) for t in range(3)]
        gradient, loss = reference.maml_gradient(
            reference_apply(learner), learner.layout.unflatten(phi[lane]), tasks,
            inner_lr=RATES[lane], steps=steps[lane], first_order=first_order, frozen=frozen,
        )  # fmt: skip
        gradients.append(learner.layout.flatten(gradient))
        losses.append(loss)
    return torch.stack(gradients), torch.stack(losses)


def meta_gradient(
    algorithm: str, learner: Learner, phi: Tensor, episodes: Episodes, *, step_cap: int,
    numbers: dict[str, Tensor], **options,
) -> MetaGradient:  # fmt: skip
    """What an algorithm's record gives for a learner of the plain kind."""
    record = ALGORITHMS.get(algorithm)
    values = record.structure(record.complete(options))
    nothing = torch.empty(*episodes.query.y.shape[:2], 0, 0, dtype=torch.int64)
    return record.meta_gradient(
        record.learner(learner, values), phi, Drawn(*episodes, nothing), numbers=numbers,
        options=values, step_cap=step_cap, state=None,
    )  # fmt: skip


def population(
    algorithm: str, lanes: list[dict], *, tasks=SINUSOID, model=MLP, steps: int = 3,
    horizon: int = 10, **fixed,
) -> Population:  # fmt: skip
    """Trials of these numbers, untrained, named t0, t1, …"""
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=fixed, step_cap=steps, test_cap=5,
        dtype="float64",
    )  # fmt: skip
    made = Population(signature, program_lanes=4)
    for i, numbers in enumerate(lanes):
        made.admit(f"t{i}", {**fixed, **numbers}, seed=i, horizon=horizon)
    return made


def weights(made: Population, lane: str) -> Tensor:
    return torch.cat([p.flatten() for p in made.weights(lane).values()])


def assert_lanes_are_trials_alone(algorithm: str, lanes=LANES, **case) -> None:
    together = population(algorithm, lanes, **case)
    together.advance(4)
    for i, numbers in enumerate(lanes):
        alone = population(algorithm, [{"inner_steps": 1}] * i + [numbers], **case)
        for other in range(i):
            alone.evict(f"t{other}")
        alone.advance(4)
        ours, theirs = weights(together, f"t{i}"), weights(alone, f"t{i}")
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()
        bank = BankSpec("test", 1, 3, 3, 3, 5)
        curves = [made.evaluate([f"t{i}"], bank)[f"t{i}"].curve for made in (together, alone)]
        assert curves[0] == pytest.approx(curves[1], rel=1e-9)


def assert_the_file_answers_like_the_study(
    algorithm: str, path: Path, *, transductive: bool = True, **case
) -> None:
    made = population(algorithm, LANES, **case)
    made.advance(3)
    bank = BankSpec("test", 3, 4, 2, 3, 5, transductive)
    for lane in ("t0", "t1"):
        told = made.evaluate([lane], bank)[lane].scores
        made.write_model(lane, path, transductive=transductive)
        winner = read_winner(path.read_bytes())
        episodes = draw(made.program.tasks, bank, "cpu")
        for task, score in enumerate(told):
            adapted = winner.adapt(episodes.support.x[task], episodes.support.y[task])
            x, y = (part[task] for part in episodes.query)
            if made.program.tasks.classification:
                found = float((adapted.predict(x) == y).double().mean())
            else:
                found = float(mean_loss(adapted.outputs(x), y, classification=False))
            assert found == pytest.approx(score, rel=1e-9)


def assert_compiled_is_plain(algorithm: str, programs: Path, *, steps=(1, 3, 5), **case) -> None:
    """Of lanes with these inner steps: a program is the larger the more it has of them."""
    lanes = [{**numbers, "inner_steps": n} for numbers, n in zip(LANES, steps, strict=False)]
    plain, fast = (population(algorithm, lanes, steps=max(steps), **case) for _ in range(2))
    use_compiled(fast, programs)
    assert fast.compiled and not plain.compiled
    for made in (plain, fast):
        made.advance(4)
    for lane in plain.lanes:
        assert plain.state(lane).age == 4
        ours, theirs = weights(fast, lane), weights(plain, lane)
        assert (ours - theirs).abs().max() <= 1e-9 * theirs.abs().max()


def curves_before_and_after(algorithm: str, *, inner_steps: int, **numbers) -> list[list[float]]:
    """Mean errors on sinusoids after 0, 1, … inner steps, of a fresh trial and of a trained one."""
    made = population(
        algorithm, [{"inner_steps": inner_steps, "outer_lr": 0.01, **numbers}], steps=inner_steps,
        tasks={"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        model={"kind": "mlp", "widths": [20, 20]}, meta_batch=5, horizon=ITERATIONS,
    )  # fmt: skip
    bank = BankSpec("test", 5, 100, 10, 10, 5)
    before = made.evaluate(["t0"], bank)["t0"].curve
    made.advance(ITERATIONS)
    return [before, made.evaluate(["t0"], bank)["t0"].curve]
