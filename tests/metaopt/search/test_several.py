"""Searches for several objectives, and under constraints."""

import math

import pytest

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.search.branches import BranchSearch, LogEntry, replay
from metaopt.search.samplers import tpe
from metaopt.search.samplers.history import End
from metaopt.search.samplers.kind import Problem
from metaopt.search.samplers.registry import SAMPLERS, check_searchable
from metaopt.search.space import Float

WITH_SEVERAL = [kind.name for kind in SAMPLERS.kinds() if kind.several]

SPACE = {"x": Float(0.0, 1.0), "y": Float(0.0, 1.0)}
TWO = Goals(False, ("score", "cost"))
BOUND = Goals(False, bounds={"cost": 0.3})


def arguments(sampler, goals):
    given = {"study_seed": 5, "branch": "maml", "startup_trials": 4, "grid_points": 6}
    return {**given, "sampler": sampler, "goals": goals}


def problem(goals):
    return Problem(SPACE, goals, 5, "maml", startup_trials=1, grid_points=2)


def drive(sampler, goals, trials=24, *, rate=None):
    """Return a search and its log: less x costs more loss, x is what it costs."""
    search, log = BranchSearch(SPACE, **arguments(sampler, goals)), []
    for number in range(trials):
        point = search.ask(number)
        log.append(LogEntry("ask", number, params=point))
        told = end(number, point)
        search.tell(number, *told)
        log.append(LogEntry("tell", number, None, *told))
    return search, log


def end(number, point):
    score = 1.0 - point["x"] + (point["y"] - 0.5) ** 2
    metrics = {"cost": point["x"]}
    if number % 7 == 3:
        return "diverged", None, None, {}, {}
    if number % 4 == 1:
        return "pruned", score + 1, 10, {10: score + 1}, metrics
    if number % 11 == 9:
        return "failed", None, None, {}, {}
    return "completed", score, 90, {10: score + 1, 90: score}, metrics


@pytest.mark.parametrize("sampler", WITH_SEVERAL)
def test_a_replay_of_several_objectives_suggests_the_same_bits(sampler):
    whole, log = drive(sampler, TWO)
    again = replay(SPACE, log, **arguments(sampler, TWO))
    assert again.ask(99) == whole.ask(99)


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_a_replay_under_constraints_suggests_the_same_bits(sampler):
    whole, log = drive(sampler, BOUND, 16)
    again = replay(SPACE, log, **arguments(sampler, BOUND))
    assert again.ask(99) == whole.ask(99)


@pytest.mark.parametrize("sampler", sorted(set(SAMPLERS.names()) - set(WITH_SEVERAL)))
def test_a_sampler_that_knows_one_objective_refuses_two(sampler):
    with pytest.raises(InvalidSearch, match=f"{sampler} searches for one objective, got score, co"):
        check_searchable(sampler, problem(TWO))


@pytest.mark.parametrize(
    ("sampler", "trials"), [("tpe", 48), ("gp", 40), ("cma-es", 40), ("auto", 40)]
)
def test_a_sampler_that_learns_keeps_away_from_what_breaks_a_constraint(sampler, trials):
    # The score alone draws to x = 1; the bound says x <= 0.3.
    _, free = drive(sampler, Goals(False), trials)
    _, bound = drive(sampler, BOUND, trials)

    def kept(log):
        late = [entry.params["x"] for entry in log if entry.kind == "ask"][-16:]
        return sum(x <= 0.3 for x in late)

    assert kept(bound) > 8 > kept(free)


def test_tpe_finds_more_of_the_front_than_random_does():
    # With y = 0.5 everything is on the front, whatever x is.
    def distance(sampler):
        _, log = drive(sampler, TWO, 60)
        late = [entry.params["y"] for entry in log if entry.kind == "ask"][-20:]
        return sum(abs(y - 0.5) for y in late) / len(late)

    assert distance("tpe") < 0.6 * distance("random")


def told_tpe(goals, ends):
    study = tpe.make(problem(goals))
    for index, ended in enumerate(ends):
        study.begin(index, {"x": 0.1 * index, "y": 0.5})
        study.tell(index, ended)
    return study._study.trials


def test_every_end_gets_its_place_among_several_objectives():
    ends = [
        End("completed", 0.5, 90, {}, {"cost": 0.1}),
        End("completed", 0.1, 90, {}, {"cost": 0.9}),
        End("pruned", 0.1, 30, {}, {"cost": 0.1}),
        End("pruned", 0.1, 10, {}, {"cost": 0.1}),
        End("diverged"),
        End("failed"),
    ]
    trials = told_tpe(Goals(False, ("score", "cost"), {"cost": 0.3}), ends)
    violations = [next(iter(t.constraints.values()), None) for t in trials]
    assert violations[0] == 0.0 and violations[5] is None
    best_first = sorted(range(5), key=lambda i: violations[i])
    assert best_first == [0, 2, 3, 1, 4]
    assert trials[1].values == [0.1, 0.9]
    assert all(math.isfinite(v) for v in trials[4].values)
    assert trials[4].values == [10.0, 0.9]


def test_a_paused_trial_of_several_objectives_is_told_again():
    paused = End("paused", 0.4, 10, {}, {"cost": 0.2})
    study = tpe.make(problem(TWO))
    study.begin(0, {"x": 0.1, "y": 0.5})
    study.tell(0, paused)
    study.tell(0, End("completed", 0.3, 90, {}, {"cost": 0.2}))
    (trial,) = study._study.trials
    assert trial.values == [0.3, 0.2] and list(trial.constraints.values()) == [0.0]


def test_an_objective_that_is_missing_or_not_finite_is_refused():
    search = BranchSearch(SPACE, **arguments("tpe", TWO))
    search.ask(0)
    with pytest.raises(InvalidSearch, match="trial 0 completed needs its cost"):
        search.tell(0, "completed", 1.0, 90, {}, {})
    with pytest.raises(InvalidSearch, match="trial 0: cost must be finite, got nan"):
        search.tell(0, "completed", 1.0, 90, {}, {"cost": float("nan")})
