"""Racing: how often the truly best trial is stopped, and how soon the others are."""

import random

import numpy as np
import pytest
import torch

from metaopt.errors import InvalidSearch
from metaopt.estimation.statistics import trimmed_mean
from metaopt.evaluation.bank import BankSpec
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.search.pruning.race import decide, is_worse
from metaopt.search.pruning.rule import (
    MOST_CONTENDERS,
    Decision,
    Leader,
    Options,
    Rung,
    contenders,
)
from metaopt.search.pruning.standings import Standings

BANK = BankSpec(split="validation", seed=1, tasks=100, k_shot=5, q_query=10, steps=3)
RUNGS, ALPHA = 3, 0.05


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """Real adaptation scores less each trial's mean: (trials, tasks), the tasks shared."""
    torch.manual_seed(0)
    signature = signature_of(
        tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        model={"kind": "mlp", "widths": [16, 16]},
        algorithm="maml",
        params={"meta_batch": 4},
    )
    population = Population(signature)
    for i in range(8):
        rates = {"inner_lr": 0.005 * (1 + i % 4), "outer_lr": 0.003}
        population.admit(str(i), {"meta_batch": 4, **rates}, seed=i, horizon=300)
    population.advance(300)
    found = population.evaluate(population.lanes, BANK)
    scores = np.array([found[lane].scores for lane in population.lanes])
    assert scores.shape == (8, 100) and np.isfinite(scores).all()
    return scores - scores.mean(1, keepdims=True)


def scored(number: int, losses: list[float]) -> Leader:
    return Leader(float(np.mean(losses)), number, losses, trimmed_mean(losses))


def rung_of(trials: list[Leader], **options: float) -> Rung:
    """A rung at which these trials were scored, the last one just now."""
    return Rung(
        0,
        RUNGS,
        standings=Standings({one.trial_number: one.loss for one in trials}),
        task_losses={trials[-1].trial_number: trials[-1].losses},
        leader=min(trials),
        contenders=contenders(trials),
        options=Options(alpha=ALPHA, **options),
    )


def stops(trials: list[Leader], **options: float) -> bool:
    return decide(rung_of(trials, **options), trials[-1].trial_number) is Decision.STOP


def race(noise: np.ndarray, truths: list[float], chance: random.Random) -> dict[int, int]:
    """Run trials in a random order through all rungs; return at which rung each was stopped."""
    order = list(range(len(truths)))
    chance.shuffle(order)
    stopped: dict[int, int] = {}
    for rung in range(RUNGS):
        tasks = [chance.randrange(noise.shape[1]) for _ in range(noise.shape[1])]
        trials: list[Leader] = []
        for number in [n for n in order if n not in stopped]:
            residuals = noise[chance.randrange(len(noise))][tasks]
            trials.append(scored(number, (truths[number] + residuals).tolist()))
            if stops(trials):
                stopped[number] = rung
    return stopped


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.3])
def test_the_truly_best_is_stopped_in_at_most_one_race_of_twenty(noise, gap):
    """1,000 races; the best is ahead by `gap` of a score's spread, or hardly at all."""
    chance, races = random.Random(2), 1000
    spread = float(noise.std())
    truths = [0.0] + [spread * (gap + 0.01 * i) for i in range(1, 8)]
    wrong = sum(0 in race(noise, truths, chance) for _ in range(races))
    assert wrong / races <= ALPHA


def test_what_is_clearly_worse_is_stopped_early(noise):
    """All but the first four that come."""
    chance, races = random.Random(3), 100
    truths = [0.0] + [2.0 * float(noise.std())] * 7
    stopped = [race(noise, truths, chance) for _ in range(races)]
    at_once = sum(rung == 0 for one in stopped for rung in one.values())
    assert at_once > 0.7 * 4 * 7 / 8 * races


CLOSE = [0.1 * (i % 7) for i in range(60)]
WORSE = [1.0 + 0.1 * (i % 5) for i in range(60)]


def test_nothing_is_stopped_before_the_startup_trials_have_come():
    trials = [scored(number, CLOSE) for number in range(4)]
    assert not stops([*trials[1:], scored(4, WORSE)])
    assert stops([*trials, scored(4, WORSE)])
    assert stops([scored(0, CLOSE), scored(1, WORSE)], startup_trials=1)


def test_the_leader_may_have_a_tail_that_a_contender_has_shown():
    good = [scored(number, CLOSE) for number in range(4)]
    exploded = scored(5, [*CLOSE[:-1], 300.0])
    assert stops([*good, scored(4, WORSE)])
    assert not stops([*good, exploded, scored(4, WORSE)])


def test_what_explodes_on_many_tasks_says_nothing_of_the_leader():
    good = [scored(number, CLOSE) for number in range(4)]
    exploded = scored(5, [*CLOSE[:30], *[300.0] * 30])
    assert stops([*good, exploded, scored(4, WORSE)])


def test_contenders_are_the_same_in_whatever_order_trials_come():
    trials = [Leader(float(n), n, (), float(n * 7 % 5)) for n in range(3 * MOST_CONTENDERS)]
    bit_by_bit: tuple[Leader, ...] = ()
    for trial in reversed(trials):
        bit_by_bit = contenders([*bit_by_bit, trial])
    assert bit_by_bit == contenders(trials)
    assert len(bit_by_bit) == MOST_CONTENDERS


def test_a_difference_below_delta_is_tolerated():
    leader = [0.1 * i for i in range(20)]
    scores = [x + 0.5 + 0.01 * (i % 3) for i, x in enumerate(leader)]
    assert is_worse(scores, leader, delta=0.4, level=0.01)
    assert not is_worse(scores, leader, delta=0.6, level=0.01)
    assert not is_worse(leader, scores, delta=0.0, level=0.01)


def test_equal_differences_need_no_test():
    assert is_worse([2.0, 3.0], [1.0, 2.0], delta=0.0, level=1e-9)
    assert not is_worse([1.0, 2.0], [1.0, 2.0], delta=0.0, level=0.5)


def test_a_difference_may_vary_more_than_it_shows():
    leader, scores = [0.0] * 50, [1.0] * 50
    assert is_worse(scores, leader, delta=0.0, level=0.001, least_variance=2.0)
    assert not is_worse(scores, leader, delta=0.0, level=0.001, least_variance=10.0)


@pytest.mark.parametrize(("scores", "leader"), [([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0, 3.0])])
def test_scores_must_be_paired(scores, leader):
    with pytest.raises(InvalidSearch, match="same for both"):
        is_worse(scores, leader, delta=0.0, level=0.05)
