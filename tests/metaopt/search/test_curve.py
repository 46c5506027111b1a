"""Curves of searches: what is known of the first trials, whatever came, changed or went."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from metaopt.search.curve import LossCurve
from tests.steps import steps_of

CHANGES = st.lists(
    st.tuples(st.integers(0, 70), st.one_of(st.none(), st.floats(-5, 5), st.just("gone"))),
    max_size=60,
)


@given(CHANGES)
def test_it_knows_what_a_list_of_the_trials_knows(
    changes: list[tuple[int, float | str | None]],
) -> None:
    curve, plain = LossCurve(), dict[int, float | None]()
    costs = {ask: float(ask % 4) for ask in range(71)}
    for ask, loss in changes:
        if isinstance(loss, str):
            curve.drop(ask)
            plain.pop(ask, None)
        else:
            curve.put(ask, loss, costs[ask])
            plain[ask] = loss
    losses = [plain[ask] for ask in sorted(plain)]
    assert len(curve) == len(losses)
    assert curve.least() == least(losses)
    for count in range(len(losses)):
        assert curve.least_of_first(count) == least(losses[:count])
    spent = list(itertools.accumulate(costs[ask] for ask in sorted(plain)))
    assert curve.cost == (spent[-1] if spent else 0.0)
    for most in (0.0, 0.5, 1.0, 7.0, curve.cost / 2, curve.cost, 1e9):
        within = [loss for loss, so_far in zip(losses, spent, strict=True) if so_far <= most]
        assert curve.least_within(most) == least(within)


def least(losses: list[float | None]) -> float | None:
    return min((loss for loss in losses if loss is not None), default=None)


def test_a_change_and_a_question_cost_little_more_in_a_curve_of_thirty_times_as_many() -> None:
    def steps(trials: int) -> int:
        curve = LossCurve([float(ask % 7) for ask in range(trials)])

        def change() -> None:
            curve.put(trials // 2, -1.0)
            curve.drop(trials // 3)
            assert curve.least_of_first(trials // 2 + 1) == -1.0

        return steps_of(change)

    assert steps(6000) < 2 * steps(200)
