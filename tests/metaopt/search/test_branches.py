"""Branch searches: asks, tells and their replay."""

import itertools
import math
import random
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from metaopt.errors import InvalidSearch
from metaopt.search.branches import BranchSearch, LogEntry, replay
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import Choice, Float, Int

SPACE = {
    "inner_lr": Float(1e-3, 1.0, log=True),
    "gradient_clamp": Float(0.0, 10.0),
    "inner_steps": Int(1, 5),
    "meta_batch": Int(4, 32, log=True),
    "order": Choice(("first", "second")),
    "train_shots": Choice((1, 2.5, 10)),
}


def arguments(sampler, **changes):
    given = {
        "sampler": sampler,
        "study_seed": 7,
        "branch": "maml",
        "startup_trials": 3,
    }
    return {**given, **changes}


class Logged:
    """A search and the log its caller keeps."""

    def __init__(self, search, log=()):
        self.search, self.log = search, list(log)

    def ask(self, number):
        params = self.search.ask(number)
        self.log.append(LogEntry("ask", number, params=params))
        return params

    def tell(self, number, *told):
        self.search.tell(number, *told)
        self.log.append(LogEntry("tell", number, None, *told))


def loss(params):
    return abs(math.log10(params["inner_lr"]) + 2) + 0.1 * params["inner_steps"]


def test_a_paused_trial_counts_as_pruned_until_it_is_told_again():
    run = Logged(BranchSearch(SPACE, **arguments("tpe")))
    for number in range(6):
        run.ask(number)
        run.tell(number, "paused", float(number), 10)
    run.tell(0, "paused", 0.5, 30)
    run.tell(0, "completed", 0.25)
    with pytest.raises(InvalidSearch, match="told before"):
        run.tell(0, "pruned", 0.25, 30)
    again = replay(SPACE, run.log, **arguments("tpe"))
    assert again.ask(6) == run.ask(6)


def drive(run, steps, *, start=0, sign=1.0):
    """Keep up to four trials running and end them in a mixed order with every outcome."""
    chance = random.Random(start)
    kinds = itertools.cycle(
        ["completed", "pruned", "paused", "diverged", "completed", "failed", "pruned", "completed"]
        + ["cancelled"] * (steps > 12)
    )
    running, paused = {}, set()
    suggestions = []
    for number in range(start, start + steps):
        running[number] = run.ask(number)
        suggestions.append(running[number])
        while len(running) > 3:
            ended = chance.choice(sorted(running))
            params, kind = running[ended], next(kinds)
            if kind == "paused" and ended in paused:
                kind = "completed"
            if kind == "paused":
                paused.add(ended)
            else:
                del running[ended]
            reached = {
                "completed": [10, 30, 90],
                "pruned": [10, 30][: chance.choice([1, 2])],
                "paused": [10],
            }
            losses = {rung: sign * (loss(params) + 1 / rung) for rung in reached.get(kind, [])}
            last = max(losses, default=None)
            run.tell(ended, kind, losses.get(last), last, losses)
    return suggestions


RANGES = {
    "inner_lr": Float(1e-3, 1.0, log=True),
    "inner_steps": Int(1, 5),
    "outer_lr": Float(0.1, 0.2),
}
# sampler, space, asks, and after how many entries of the log the replay takes over
REPLAYED = [
    ("random", SPACE, 30, (0, 1, 9, 20, 37)),
    ("grid", SPACE, 30, (0, 1, 20, 37)),
    ("qmc", SPACE, 30, (0, 1, 9, 20, 37)),
    ("tpe", SPACE, 30, (0, 1, 9, 20, 37)),
    ("cma-es", RANGES, 60, (0, 1, 9, 20, 37, 60, 90, 105)),
    ("gp", RANGES, 12, (1, 14, 19)),
    ("auto", RANGES, 12, (1, 14, 19)),
    ("auto", SPACE, 30, (0, 1, 9, 20, 37)),
]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("sampler", "space", "asks", "cuts"), REPLAYED)
def test_a_replayed_search_suggests_the_same_bits_from_any_point(sampler, space, asks, cuts, sign):
    given = arguments(sampler)
    whole = Logged(BranchSearch(space, **given))
    drive(whole, asks, sign=sign)  # losses above 0, and below as those of accuracies are
    told = {entry.outcome for entry in whole.log if entry.kind == "tell"}
    assert {"completed", "pruned", "paused", "diverged", "failed"} <= told
    for cut in (*cuts, len(whole.log) - 1):
        rebuilt = replay(space, whole.log[:cut], **given)
        for entry in whole.log[cut:]:
            if entry.kind == "ask":
                assert rebuilt.ask(entry.trial_number) == entry.params
            else:
                rebuilt.tell(
                    entry.trial_number,
                    entry.outcome,
                    entry.loss,
                    entry.meta_iteration,
                    entry.losses,
                )
        assert rebuilt.asks == whole.search.asks == asks


@pytest.mark.parametrize("sampler", ["gp", "auto"])
def test_points_found_in_another_thread_are_those_of_asks_where_the_looking_began(sampler):
    given = arguments(sampler)
    run = Logged(BranchSearch(RANGES, **given))
    for number in range(5):
        run.ask(number)
    for number in range(4):
        run.tell(number, "completed", float(number))
    assert run.search.slow_asks(2) == 2
    find = run.search.later(2)
    run.search.tell(4, "completed", -5.0)  # too late for these two
    with ThreadPoolExecutor(1) as pool:
        points = pool.submit(find, lambda: False).result()
    for number, found in enumerate(points, start=5):
        run.search.restore(number, found.params)

    repeated = replay(RANGES, run.log, **given)
    assert [repeated.ask(5), repeated.ask(6)] == [found.params for found in points]
    repeated.tell(4, "completed", -5.0)
    assert repeated.ask(7) == run.search.ask(7)


def test_looking_stops_when_it_is_told_to():
    run = BranchSearch(RANGES, **arguments("gp", startup_trials=1))
    run.ask(0)
    run.tell(0, "completed", 1.0)
    assert run.later(3)(lambda: True) == []


@pytest.mark.parametrize("sampler", ["random", "grid", "qmc", "tpe", "cma-es"])
def test_asks_that_take_no_time_are_not_called_slow(sampler):
    run = Logged(BranchSearch(RANGES, **arguments(sampler)))
    drive(run, 8)
    assert run.search.slow_asks(4) == 0


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_replay_takes_whole_parameter_sets_in_any_order_of_names(sampler):
    given = arguments(sampler)
    first = Logged(BranchSearch(SPACE, **given))
    drive(first, 12)
    extra = [
        LogEntry("ask", e.trial_number, params={"schedule": "constant", **reverse(e.params)})
        if e.kind == "ask"
        else e
        for e in first.log
    ]
    rebuilt = replay(reverse(SPACE), extra, **given)
    assert drive(first, 6, start=100) == drive(Logged(rebuilt), 6, start=100)


def reverse(mapping):
    return dict(reversed(mapping.items()))


def test_values_lie_in_the_space_and_have_its_types():
    run = Logged(BranchSearch(SPACE, **arguments("tpe")))
    for params in drive(run, 25):
        assert set(params) == set(SPACE)
        assert 1e-3 <= params["inner_lr"] <= 1 and isinstance(params["inner_lr"], float)
        assert params["meta_batch"] in range(4, 33) and isinstance(params["meta_batch"], int)
        assert params["order"] in ("first", "second")
        assert params["train_shots"] in (1, 2.5, 10)


@pytest.mark.parametrize("change", [{"study_seed": 8}, {"branch": "reptile"}])
def test_another_seed_or_branch_suggests_something_else(change):
    one = BranchSearch(SPACE, **arguments("random"))
    other = BranchSearch(SPACE, **arguments("random", **change))
    assert one.ask(0) != other.ask(0)


def test_trials_asked_for_together_differ():
    run = BranchSearch(SPACE, **arguments("tpe"))
    assert len({tuple(run.ask(n).values()) for n in range(8)}) == 8


def test_tpe_finds_better_points_than_it_began_with():
    run = BranchSearch(SPACE, **arguments("tpe", startup_trials=10))
    losses = []
    for number in range(40):
        losses.append(loss(run.ask(number)))
        run.tell(number, "completed", losses[-1])
    assert sum(losses[-10:]) < 0.6 * sum(losses[:10])


def test_tpe_stays_away_from_where_trials_diverge():
    later = []
    for seed in range(8):
        space = {"inner_lr": Float(1e-3, 1.0, log=True)}
        run = BranchSearch(space, **arguments("tpe", study_seed=seed))
        for number in range(40):
            diverged = run.ask(number)["inner_lr"] > 0.1
            run.tell(number, *(("diverged",) if diverged else ("completed", 1.0 + number % 2)))
        later += [run.ask(number)["inner_lr"] for number in range(40, 50)]
    assert sum(inner_lr > 0.1 for inner_lr in later) < 0.27 * len(later)  # a third of the space


def test_tpe_stays_away_from_divergence_while_no_trial_has_completed_yet():
    run = BranchSearch({"inner_lr": Float(1e-3, 1.0, log=True)}, **arguments("tpe"))
    for number in range(40):
        inner_lr = run.ask(number)["inner_lr"]
        pruned = ("pruned", 1.0 + abs(math.log10(inner_lr) + 2), 100)
        run.tell(number, *(("diverged",) if inner_lr > 0.1 else pruned))
    later = [run.ask(number)["inner_lr"] for number in range(40, 50)]
    assert sum(inner_lr > 0.1 for inner_lr in later) <= 1


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_a_search_warns_of_nothing_and_writes_nothing(sampler, capfd):
    space = RANGES if sampler == "cma-es" else SPACE
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drive(Logged(BranchSearch(space, **arguments(sampler, startup_trials=0))), 8)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sampler", ["random", "qmc", "tpe", "gp", "auto"])
def test_a_space_without_dimensions_has_one_point(sampler):
    run = BranchSearch({}, **arguments(sampler, startup_trials=1))
    for number in range(3):
        assert run.ask(number) == {}
        run.tell(number, "completed", 1.0)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ((0, "completed", math.nan), "trial 0 completed needs a finite loss, got nan"),
        ((0, "pruned", None, 10), "trial 0 pruned needs a finite loss, got None"),
        ((0, "pruned", 1.0), "trial 0 pruned needs its meta_iteration"),
        ((0, "exploded"), "outcome must be one of completed, pruned"),
        ((3, "failed"), "trial 3 was never asked for in this branch"),
        ((1, "failed"), "trial 1 has been told before"),
    ],
)
def test_a_bad_tell_is_refused_and_leaves_the_trial_running(told, message):
    run = BranchSearch(SPACE, **arguments("tpe"))
    run.ask(0)
    run.ask(1)
    run.tell(1, "completed", 1.0)
    with pytest.raises(InvalidSearch, match=message):
        run.tell(*told)
    run.tell(0, "completed", 2.0)


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ([LogEntry("ask", 0, params={})], "trial 0 has no value for 'inner_lr' in the log"),
        ([LogEntry("ask", 0, params={"inner_lr": 5.0})], "trial 0 in the log: inner_lr 5.0 is not"),
        ([LogEntry("tell", 0, outcome="failed")], "trial 0 was never asked for"),
    ],
)
def test_a_log_that_does_not_fit_is_refused(log, message):
    with pytest.raises(InvalidSearch, match=message):
        replay({"inner_lr": Float(1e-3, 1.0)}, log, **arguments("tpe"))


def test_a_search_with_unusable_settings_is_refused():
    with pytest.raises(InvalidSearch, match="sampler must be one of"):
        BranchSearch(SPACE, **arguments("cmaes"))
    with pytest.raises(InvalidSearch, match="startup_trials must be >= 0, got -1"):
        BranchSearch(SPACE, **arguments("tpe", startup_trials=-1))
    run = BranchSearch(SPACE, **arguments("tpe"))
    run.ask(0)
    with pytest.raises(InvalidSearch, match="trial 0 was asked for before"):
        run.ask(0)


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_given_point_is_a_trial_as_any_other_and_replayed(sampler):
    given = arguments(sampler)
    point = dict(zip(sorted(SPACE), (0.0, 1e-3, 5, 4, "first", 2.5), strict=True))
    search = BranchSearch(SPACE, **given)
    search.restore(0, {**point, "outer_lr": 0.1})
    search.tell(0, "completed", loss(point))
    log = [LogEntry("ask", 0, params=point), LogEntry("tell", 0, None, "completed", loss(point))]
    assert search.ask(1) == replay(SPACE, log, **given).ask(1)
    if sampler == "random":
        cold = BranchSearch(SPACE, **given)
        cold.ask(0)
        assert cold.ask(1) == replay(SPACE, log, **given).ask(1)


def test_a_given_point_outside_the_space_is_refused():
    search = BranchSearch(SPACE, **arguments("tpe"))
    with pytest.raises(InvalidSearch, match="trial 0"):
        search.restore(0, {"inner_lr": 0.1})
    assert search.asks == 0
