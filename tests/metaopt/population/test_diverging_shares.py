"""A tenth, three tenths, half of the lanes diverge at random steps: the others do not notice."""

from dataclasses import dataclass
from random import Random

import pytest
import torch
from torch import Tensor

from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import LaneState, Population
from metaopt.population.step import task_keys
from metaopt.tasks.base import Episodes
from metaopt.tasks.regression import Sinusoid
from tests.metaopt.population.test_population import CASES, flat, signature

LANES, HORIZON, SEGMENT = 10, 20, 5
BANK = BankSpec("validation", 5, 20, 5, 10, 5)


@dataclass(frozen=True)
class Torn(Sinusoid):
    """Sinusoids, of which those of some keys have no finite values."""

    torn: frozenset[int] = frozenset()

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        episodes = super().sample(split, keys, k_shot, q_query)
        hit = torch.isin(keys, torch.tensor([*self.torn], dtype=keys.dtype))[..., None, None]
        support, query = (part._replace(y=part.y.masked_fill(hit, torch.inf)) for part in episodes)
        return Episodes(support, query)


def seed_of(lane: int) -> int:
    return 100 + lane


def torn_at(steps: dict[int, int], tasks: int, chance: Random) -> frozenset[int]:
    """The key of one task of each of those lanes at its step."""
    chosen = []
    for lane, step in steps.items():
        keys = task_keys(torch.tensor([seed_of(lane)]), torch.tensor([step]), tasks)
        chosen.append(int(keys.flatten()[chance.randrange(tasks)]))
    return frozenset(chosen)


def trained(case: str, torn: frozenset[int]) -> Population:
    algorithm, fixed, cap = CASES[case]
    outer = {"epsilon": 0.3} if algorithm == "reptile" else {"outer_lr": 0.003}
    population = Population(signature(case, "float32"), lane_chunk=4, tasks=Torn(torn=torn))
    for lane in range(LANES):
        params = {**fixed, **outer, "inner_lr": 0.01 + 0.001 * lane, "inner_steps": 1 + lane % cap}
        population.admit(f"t{lane}", params, seed=seed_of(lane), horizon=HORIZON)
    for _ in range(HORIZON // SEGMENT):
        population.advance(SEGMENT)
    return population


@pytest.mark.parametrize("case", ["maml", "reptile"])
def test_neighbours_of_lanes_that_diverge_at_random_steps_keep_every_bit(case: str) -> None:
    healthy, tasks = trained(case, frozenset()), int(CASES[case][1]["meta_batch"])
    names = [f"t{lane}" for lane in range(LANES)]
    assert all(healthy.state(name) == LaneState(HORIZON, None, None) for name in names)
    scores = healthy.evaluate(names, BANK)
    for share in (0.1, 0.3, 0.5):
        chance = Random(round(100 * share))
        chosen = chance.sample(range(LANES), round(share * LANES))
        steps = {lane: chance.randrange(HORIZON) for lane in chosen}
        mixed = trained(case, torn_at(steps, tasks, chance))
        for lane, name in enumerate(names):
            state = mixed.state(name)
            assert flat(mixed, name).isfinite().all()
            if lane in steps:
                assert (state.age, state.diverged_at) == (steps[lane], steps[lane])
                assert f"meta-iteration {steps[lane]}" in str(state.cause)
            else:
                assert state == healthy.state(name)
                assert torch.equal(flat(mixed, name), flat(healthy, name))
        alive = [name for lane, name in enumerate(names) if lane not in steps]
        told = mixed.evaluate(names, BANK)  # in the same layout, too
        assert {name: told[name] for name in alive} == {name: scores[name] for name in alive}
