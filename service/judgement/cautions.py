"""Cautions: what a verdict's intervals cannot hold, said beside them; pure functions.

An interval is made of what the trainings and tasks showed.  It is not to be believed alone where a
few tasks make most of it, where one finalist's trainings scatter far more than the others', and
for what so few trainings and tasks would often not show.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from scipy.special import fdtrc

from service.judgement.estimates import Contender, own_noise
from service.wire.views.judged import Caution
from service.wire.views.result import SealedScore
from service.wire.words import numbers
from service.wire.words.verdict import heavy_sentence

RARE = 0.1
"""A share of trainings that go wrong."""
RARE_TASK = 0.001
"""A share of tasks that go wrong."""
UNSEEN = 0.05
"""Chance of not having met any, from which on it is said."""
UNSTEADY = 0.01
"""Level of the test that a contender's trainings scatter no more than the others'."""


class Judged(NamedTuple):
    """A contender, its sealed score, and the name it has in sentences."""

    name: str
    trial_number: int | None
    fresh: Contender
    sealed: SealedScore


def cautions(
    judged: Sequence[Judged], metric: str, *, different: int | None = None
) -> list[Caution]:
    """What to say beside the scores of finalists and what they are compared with.

    Args:
        judged: Those that have a score, best first.
        metric: Name of the score.
        different: How many different tasks the sealed ones are drawn from; None is no end of them.
    """
    return [
        *_unseen(judged),
        *_drawn_again(judged, different),
        *_broken_trainings(judged),
        *_of_tasks(judged, metric),
        *_unsteady(judged),
    ]


def _unseen(judged: Sequence[Judged]) -> Iterator[Caution]:
    """What so few trainings and tasks would often not have met."""
    seeds = min((len(each.fresh.runs) for each in judged), default=0)
    tasks = min((each.fresh.tasks for each in judged), default=0)
    if not seeds:
        return
    bad_training, bad_task = (1 - RARE) ** seeds, (1 - RARE_TASK) ** tasks
    if max(bad_training, bad_task) <= UNSEEN:
        return
    yield Caution(
        code="unseen",
        text=f"trained {numbers.times(seeds)} and judged on {tasks:,} tasks, so what goes wrong in "
        f"one training in ten is not seen in {100 * bad_training:.0f} % of such verdicts, nor what "
        f"goes wrong on one task in a thousand in {100 * bad_task:.0f} %, and no interval here "
        "allows for it",
    )


def _drawn_again(judged: Sequence[Judged], different: int | None) -> Iterator[Caution]:
    """That tasks were judged on more than once, so that they are no sample of what there is."""
    tasks = min((each.fresh.tasks for each in judged), default=0)
    if different is None or tasks <= different:
        return
    ones = "one task" if different == 1 else f"{different:,} different ones"
    yield Caution(
        code="few_different",
        text=f"the {tasks:,} sealed tasks are {ones}, drawn again with other examples, so the "
        "intervals tell what more such draws would give, and nothing of other tasks",
    )


def _broken_trainings(judged: Sequence[Judged]) -> Iterator[Caution]:
    for name, number, fresh, _ in judged:
        broken = len(fresh.runs) - fresh.seeds
        if broken:
            text = (
                f"{name}: {broken} of {len(fresh.runs)} fresh trainings did not reach the end; "
                "its score is of the others"
            )
            yield Caution(code="broken_trainings", trial_number=number, text=text)


def _of_tasks(judged: Sequence[Judged], metric: str) -> Iterator[Caution]:
    for name, number, _, sealed in judged:
        if sealed.exploded is not None and sealed.exploded.value > 0.0:
            share, high = (
                numbers.small_share(v) for v in (sealed.exploded.value, sealed.exploded.high)
            )
            text = f"{name}: adaptation explodes on {share} of sealed tasks (at most {high})"
            yield Caution(code="exploding_tasks", trial_number=number, text=text)
        if sealed.heavy_tasks is not None:
            text = f"{name}: {heavy_sentence(sealed.heavy_tasks, sealed.tasks, metric)}"
            yield Caution(code="heavy_tasks", trial_number=number, text=text)


def _unsteady(judged: Sequence[Judged]) -> Iterator[Caution]:
    """Whose trainings scatter more than those of all others: an F test for each, by Bonferroni."""
    steady = [each for each in judged if each.fresh.adapts and each.fresh.seeds > 1]
    for each in steady:
        own = own_noise(each.fresh)
        noises = [own_noise(other.fresh) for other in steady if other is not each]
        degrees = sum(noise.degrees for noise in noises)
        squares = sum(noise.variance * noise.degrees for noise in noises)
        if not degrees or not own.variance:
            continue
        ratio = own.variance * degrees / squares if squares else math.inf
        if fdtrc(own.degrees, degrees, ratio) * len(steady) <= UNSTEADY:
            times = f"{ratio**0.5:.0f} times as much as others'" if squares else "and no other's do"
            text = f"{each.name}: its trainings scatter {times}; more seeds would tell its worth"
            yield Caution(code="unsteady_training", trial_number=each.trial_number, text=text)
