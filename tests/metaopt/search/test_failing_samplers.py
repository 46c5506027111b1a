"""Samplers that fail: the search goes on with random points, and can be repeated."""

import pytest

from metaopt.errors import InvalidSearch
from metaopt.search.branches import BranchSearch, LogEntry, replay
from metaopt.search.samplers.kind import SamplerKind
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import Choice, Float, Int, contains

SPACE = {"x": Float(0.0, 1.0), "k": Int(1, 5), "order": Choice(("first", "second"))}
GOOD = {"x": 0.25, "k": 2, "order": "first"}


class Failing:
    """Suggests one point, and fails where it is told to."""

    def __init__(self, where, what):
        self._where, self._what = where, what

    def suggest(self, index):
        if self._where == "suggestion" and index == 2:
            return self._what
        return self._go("suggest", index, GOOD)

    def begin(self, index, params):
        self._go("begin", index)

    def tell(self, index, end):
        self._go("tell", index)

    def slow_asks(self, index, count):
        return self._go("slow_asks", index, count)

    def copy(self):
        return self._go("copy", 2, self)

    def _go(self, place, index, answer=None):
        if self._where == place and index >= 2:
            raise self._what
        return answer


def failing(where, what, slow=False):
    def make(problem):
        if where == "make":
            raise what
        return Failing(where, what)

    return SamplerKind("failing", make, adaptive=True, slow=slow)


def arguments(**changes):
    given = {"sampler": "failing", "study_seed": 7, "branch": "maml", "startup_trials": 1}
    return {**given, **changes}


RAISED = [
    ("make", TypeError("no")),
    ("suggest", ZeroDivisionError("float division by zero")),
    ("suggest", InvalidSearch("nothing is left")),
    ("suggest", MemoryError()),
    ("suggest", OSError("no file")),
    ("begin", KeyError("x")),
    ("tell", AssertionError()),
]
SUGGESTED = [
    None,
    {},
    {**GOOD, "other": 1},
    {"x": 0.5, "k": 2},
    {**GOOD, "x": 1.5},
    {**GOOD, "x": float("nan")},
    {**GOOD, "x": "0.5"},
    {**GOOD, "k": float("inf")},
    {**GOOD, "k": 2.5},
    {**GOOD, "k": True},
    {**GOOD, "order": "third"},
    {**GOOD, "order": ["first"]},
]
FAILURES = [*RAISED, *(("suggestion", what) for what in SUGGESTED)]


def searched(asks=8, cut=None):
    """The log of a search, taken up anew after `cut` asks."""
    search, log = BranchSearch(SPACE, **arguments()), []
    for number in range(asks):
        if number == cut:
            search = replay(SPACE, log, **arguments())
        point = search.ask(number)
        assert all(contains(SPACE[name], value) for name, value in point.items())
        log.append(LogEntry("ask", number, params=point, random=search.failure is not None))
        search.tell(number, "completed", 1.0 / (number + 1), 10)
        log.append(LogEntry("tell", number, None, "completed", 1.0 / (number + 1), 10))
    return search, log


@pytest.mark.parametrize(("where", "what"), FAILURES)
def test_a_search_goes_on_at_random_and_says_why(where, what):
    with SAMPLERS.including(failing(where, what)):
        search, log = searched()
    random = [entry.random for entry in log if entry.kind == "ask"]
    assert random == sorted(random) and random[-1] and sum(random) >= 5
    points = [entry.params for entry in log if entry.random]
    assert len({point["x"] for point in points}) == len(points)
    assert search.failure and "\n" not in search.failure
    if where == "suggest" and isinstance(what, ZeroDivisionError):
        assert search.failure == "ZeroDivisionError: float division by zero"


@pytest.mark.parametrize(("where", "what"), FAILURES)
def test_a_search_that_fell_back_is_taken_up_to_the_same_points(where, what):
    with SAMPLERS.including(failing(where, what)):
        _, log = searched()
        for cut in (1, 3, 7):
            assert searched(cut=cut)[1] == log


@pytest.mark.parametrize(("where", "what"), FAILURES)
def test_what_the_log_says_is_derived_again(where, what):
    with SAMPLERS.including(failing(where, what)):
        _, log = searched()
        again = BranchSearch(SPACE, **arguments())
        for entry in log:
            if entry.kind == "tell":
                again.tell(entry.trial_number, entry.outcome, entry.loss, entry.meta_iteration)
                continue
            if entry.random:
                again.fall_back("as the log says")
            assert again.ask(entry.trial_number) == entry.params


def test_the_log_decides_where_the_sampler_fails_no_more():
    with SAMPLERS.including(failing("suggest", RuntimeError("bad luck"))):
        _, log = searched(asks=8)
    with SAMPLERS.including(failing("nowhere", None)):
        search = replay(SPACE, log[:10], **arguments())
        assert search.failure
        assert [search.ask(number) for number in (5, 6)] == [log[10].params, log[12].params]


@pytest.mark.parametrize("where", ["slow_asks", "copy", "suggest", "begin"])
def test_what_is_looked_for_in_another_thread_is_found_at_random_once_it_fails(where):
    with SAMPLERS.including(failing(where, RuntimeError("no variance"), slow=True)):
        search = BranchSearch(SPACE, **arguments())
        for number in range(2):
            search.ask(number)
        if not search.slow_asks(3):
            assert search.failure == "RuntimeError: no variance"
            return
        found = search.later(3)(lambda: False)
        assert [suggestion.failure for suggestion in found] == ["RuntimeError: no variance"] * 3
        for number, suggestion in enumerate(found, 2):
            search.restore(number, suggestion.params, failure=suggestion.failure)
        again = BranchSearch(SPACE, **arguments())
        again.fall_back("as the log says")
        for number in range(2):
            again.restore(number, GOOD)
        assert [again.ask(number) for number in range(2, 5)] == [s.params for s in found]
        assert search.ask(5) == again.ask(5) and search.slow_asks(2) == 0


def test_a_sampler_that_fails_to_look_at_a_space_is_refused():
    def check(problem):
        raise TypeError("no")

    kind = SamplerKind("failing", lambda problem: Failing("", None), adaptive=True, check=check)
    with (
        SAMPLERS.including(kind),
        pytest.raises(InvalidSearch, match=r"failed to look at the space of branch maml \(TypeE"),
    ):
        BranchSearch(SPACE, **arguments())


def test_numbers_of_numpy_are_taken_as_numbers():
    import numpy as np

    point = {"x": np.float64(0.5), "k": np.int64(3), "order": "second"}
    with SAMPLERS.including(failing("suggestion", point)):
        search, log = searched(asks=3)
    assert search.failure is None
    assert [type(value) for value in log[4].params.values()] == [float, int, str]
