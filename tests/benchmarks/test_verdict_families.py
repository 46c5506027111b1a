"""Families of noise: their truth is what they say, and verdicts on them hold it."""

import numpy as np
import pytest

from benchmarks import verdict_families
from benchmarks.noise_families import FAMILIES, Family


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_true_loss_of_every_configuration_is_one(family: Family) -> None:
    luck = np.random.default_rng(1)
    losses = family.draw(luck, 4, 500, 4000)
    scatter = losses.mean(axis=0).mean(axis=1).std() / 500**0.5 + losses.std() / 4000**0.5
    assert abs(losses.mean() - 1.0) < 4 * scatter


def test_a_family_s_verdicts_are_the_same_each_time_and_hold_the_truth() -> None:
    first, again = (verdict_families.simulate_family("LN(1)", 20, tasks=100)[3] for _ in range(2))
    assert first == again and first.finalists > 0.8
    page = verdict_families.text({"LN(1)": {3: first}}, 20)
    assert "LN(1), 3 seeds" in page and "cautioned" in page


@pytest.mark.slow
@pytest.mark.parametrize("studies", [120, pytest.param(2000, marks=pytest.mark.night)])
@pytest.mark.parametrize("name", ["LN(1.5)", "seeds .02/.02/.3"])
def test_verdicts_hold_where_data_misbehave(name: str, studies: int) -> None:
    for outcome in verdict_families.simulate_family(name, studies).values():
        assert outcome.finalists >= 0.93 and outcome.winner >= 0.92
