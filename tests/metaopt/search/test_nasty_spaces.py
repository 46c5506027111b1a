"""Every sampler on spaces, losses and ends that nobody would wish for."""

import math
import re
import sys
import warnings

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from metaopt.search.branches import BranchSearch
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import Choice, Float, Int, contains, unresolved
from tests.properties import examples

EXAMPLES = {"gp": 6, "auto": 6}
LOSSES = [1.0, 1.0, 0.5, 0.0, -0.0, 5e-324, 1e-300, 1e300, -1e300, sys.float_info.max]
ENDS = ["completed", "completed", "completed", "pruned", "diverged", "failed", "cancelled"]
BOUNDS = [0.0, 5e-324, 1e-310, 1e-300, 1e-150, 1e-12, 0.003, 0.1, 1.0, 1000.0, 1e16, 1e149, 1e300]
WHOLE = [0, 1, 2, 2**20, 2**31, 2**39, 2**40 - 1, 2**40, 2**53, 2**63, 10**30]


@st.composite
def floats(draw):
    low = draw(st.sampled_from(BOUNDS)) * draw(st.sampled_from([1, -1]))
    width = abs(low) * draw(st.sampled_from([1e-16, 1e-12, 2e-9, 1e-6, 1.0, 1e6])) or 1e-12
    high = draw(st.sampled_from([math.nextafter(low, math.inf), low + width, 1.7e308]))
    assume(low < high < math.inf)
    return Float(low, high, log=low > 0 and draw(st.booleans()))


@st.composite
def whole(draw):
    low = draw(st.sampled_from(WHOLE)) * draw(st.sampled_from([1, -1]))
    high = low + draw(st.sampled_from([1, 3, 2**31, 2**40, 10**30]))
    return Int(low, high, log=low > 0 and draw(st.booleans()))


CHOICES = st.sampled_from(
    [Choice((1, 2)), Choice(("a", 1, 2.5, 0.0)), Choice(tuple(range(256))), Choice((1, "1"))]
)
SPACES = st.dictionaries(
    st.sampled_from(["x", "y", "z"]), st.one_of(floats(), floats(), whole(), CHOICES), max_size=3
)
STORIES = st.lists(
    st.tuples(st.sampled_from(LOSSES), st.sampled_from(ENDS), st.sampled_from([10, 20])),
    min_size=9,
    max_size=9,
)


def search(sampler, space):
    return BranchSearch(
        space, sampler=sampler, study_seed=3, branch="maml", startup_trials=3, grid_points=3
    )


def run(asked, space, story):
    """Ask and tell as `story` says; every point is in the space."""
    for number, (loss, outcome, rung) in enumerate(story[: asked.limit]):
        point = asked.ask(number)
        assert set(point) == set(space)
        assert all(contains(space[name], value) for name, value in point.items())
        asked.tell(number, outcome, loss, rung)


def each_sampler(test):
    """Run a property for each sampler, as often as its asks are quick."""

    @pytest.mark.hypothesis
    @pytest.mark.parametrize("sampler", SAMPLERS.names())
    def tested(sampler):
        @settings(
            max_examples=examples(EXAMPLES.get(sampler, 25)),
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(space=SPACES, story=STORIES)
        def tried(space, story):
            test(sampler, space, story)

        tried()

    return tested


def searchable(sampler, space):
    try:
        return search(sampler, space)
    except ValueError:  # it has said that it does not search such spaces
        assume(False)


@each_sampler
def test_a_space_that_is_let_in_is_one_that_its_sampler_can_search(sampler, space, story):
    assume(not any(unresolved(dimension) for dimension in space.values()))
    asked = searchable(sampler, space)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(asked, space, story)
    assert asked.failure is None


@each_sampler
def test_any_other_space_is_searched_too_if_need_be_at_random(sampler, space, story):
    asked = searchable(sampler, space)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run(asked, space, story)


@pytest.mark.parametrize(
    ("dimension", "rule"),
    [
        (Float(0.003, math.nextafter(0.003, 1), log=True), "must span at least 3e-12"),
        (Float(1.0, 1.0 + 1e-10), "widen the range, or fix the value, e.g. 1.0"),
        (Float(0.0, 5e-324), "must span at least 1e-150"),
        (Float(1e-300, 1.0, log=True), "must begin at 1e-150 or above"),
        (Float(-1.7e308, 1.7e308), "must be within ±1e\\+150"),
        (Int(2**53, 2**53 + 1), "must be within ±1099511627776"),
    ],
)
def test_what_no_sampler_resolves_is_named(dimension, rule):
    found = unresolved(dimension)
    assert found is not None
    assert re.search(rule, found) and repr(dimension.high) in found


def test_ordinary_ranges_are_none_of_these():
    for dimension in (Float(1e-12, 1000.0, log=True), Float(-1.0, 1.0), Int(1, 4096), Choice((1,))):
        assert unresolved(dimension) is None
