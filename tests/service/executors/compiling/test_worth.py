"""Whether compiling pays follows from what a study runs: its lanes, not the best number of them."""

from dataclasses import replace

import pytest

from service.executors.compiling.worth import (
    Costs,
    Work,
    compiled_seconds,
    eager_seconds,
    is_faster,
    saved_seconds,
    worth_compiling,
)

MLP = {1: 19e-3, 2: 11e-3, 4: 6.1e-3, 8: 3.2e-3, 16: 1.5e-3, 32: 1.1e-3, 64: 0.8e-3, 128: 0.64e-3}
REPTILE = Costs(MLP, program_lanes=8, compiled=0.64e-3 / 3, compiling=82.0)
"""A short study of Reptile on sinusoids on a slow machine."""

CONV4 = Costs({1: 0.12}, program_lanes=1, compiled=0.08, compiling=320.0)


def test_a_study_of_few_lanes_compiles_though_its_best_number_of_lanes_would_be_cheap() -> None:
    work = Work(ahead=50_000, lanes=6)
    best = min(MLP.values())
    assert work.ahead * best < REPTILE.compiling < work.ahead * eager_seconds(MLP, work.lanes)
    assert worth_compiling(work, REPTILE)
    assert not worth_compiling(replace(work, lanes=128), REPTILE)


def test_a_program_is_used_by_who_has_lanes_that_it_trains_faster() -> None:
    slower_than_the_best_number = replace(REPTILE, compiled=1.2 * min(MLP.values()))
    assert [is_faster(Work(1, n), slower_than_the_best_number) for n in (1, 6, 128)] == [
        True, True, False,
    ]  # fmt: skip
    assert not is_faster(Work(1, lanes=1), replace(CONV4, program_lanes=2))  # one lane is unused
    assert is_faster(Work(1, lanes=2), replace(CONV4, program_lanes=2))


def test_what_saves_less_than_it_costs_is_not_begun() -> None:
    assert not worth_compiling(Work(ahead=4_600, lanes=3), CONV4)
    assert worth_compiling(Work(ahead=46_000, lanes=3), CONV4)


def test_what_others_train_meanwhile_gains_nothing() -> None:
    alone = Work(ahead=20_000, lanes=4)
    saved = [saved_seconds(replace(alone, workers=n), REPTILE) for n in (1, 2, 3, 100)]
    assert saved == sorted(saved, reverse=True) and saved[0] > saved[1]
    assert saved[-1] == 0.0  # all is trained before the program is there


def test_a_budget_of_time_is_not_spent_on_compiling_what_then_has_no_time_to_train() -> None:
    work = Work(ahead=10**6, lanes=6)
    assert worth_compiling(replace(work, seconds_left=3600.0), REPTILE)
    assert not worth_compiling(replace(work, seconds_left=60.0), REPTILE)


def test_a_machine_on_which_everything_takes_twice_as_long_decides_the_same() -> None:
    slow = Costs(
        {lanes: 2 * seconds for lanes, seconds in MLP.items()},
        program_lanes=8,
        compiled=2 * REPTILE.compiled,
        compiling=2 * REPTILE.compiling,
    )
    for ahead in (1_000, 15_000, 100_000):
        work = Work(ahead, lanes=4)
        assert saved_seconds(work, slow) == pytest.approx(2 * saved_seconds(work, REPTILE))
        assert worth_compiling(work, slow) == worth_compiling(work, REPTILE)


@pytest.mark.parametrize(("lanes", "seconds"), [(1, 8.0), (2, 5.0), (3, 4.0), (4, 3.5), (9, 3.5)])
def test_eager_seconds_lie_between_and_beyond_what_was_measured(lanes, seconds) -> None:
    assert eager_seconds({1: 8.0, 2: 5.0, 4: 3.5}, lanes) == pytest.approx(seconds)


def test_unused_lanes_of_a_program_cost_theirs() -> None:
    assert compiled_seconds(REPTILE, 8) == compiled_seconds(REPTILE, 16) == REPTILE.compiled
    assert compiled_seconds(REPTILE, 1) == pytest.approx(8 * REPTILE.compiled)
    assert compiled_seconds(REPTILE, 9) == pytest.approx(16 / 9 * REPTILE.compiled)
