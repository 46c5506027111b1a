"""A tenth, three tenths, half of a search's trials diverge: what is suggested stays a function of
the log, inside the space, and of the trials that live."""

import random

import pytest

from metaopt.search.branches import BranchSearch, replay
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import contains
from tests.metaopt.search.test_branches import RANGES, Logged, arguments, loss

ASKS = {"gp": 14, "auto": 14}
SHARES = (0.1, 0.3, 0.5)


CASES = [
    pytest.param(name, share, marks=[pytest.mark.night] if name in ASKS and share < 0.5 else [])
    for name in SAMPLERS.names()
    for share in SHARES
]


@pytest.mark.parametrize(("sampler", "share"), CASES)
def test_a_sampler_is_unharmed_by_trials_that_diverge(sampler: str, share: float) -> None:
    given = arguments(sampler)
    run, chance = Logged(BranchSearch(RANGES, **given)), random.Random(round(100 * share))
    asks = ASKS.get(sampler, 30)
    diverging = set(chance.sample(range(asks), round(share * asks)))
    points = []
    for number in range(asks):
        point = run.ask(number)
        assert set(point) == set(RANGES)
        assert all(contains(RANGES[name], value) for name, value in point.items())
        points.append(point)
        if number in diverging:
            run.tell(number, "diverged", None, None)
        else:
            run.tell(number, "completed", loss(point), 90, {90: loss(point)})
    assert len({tuple(sorted(p.items())) for p in points}) > asks / 2  # it does not stand still
    for cut in (2, asks, 2 * asks - 1):
        again = replay(RANGES, run.log[:cut], **given)
        for entry in run.log[cut:]:
            if entry.kind == "ask":
                assert again.ask(entry.trial_number) == entry.params
            else:
                again.tell(
                    entry.trial_number,
                    entry.outcome,
                    entry.loss,
                    entry.meta_iteration,
                    entry.losses,
                )
