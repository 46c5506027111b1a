"""Samplers."""

import subprocess
import sys
from dataclasses import replace

import pytest

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.search.branches import BranchSearch
from metaopt.search.samplers.kind import Problem, SlowSampler
from metaopt.search.samplers.registry import SAMPLERS, check_searchable
from metaopt.search.space import Choice, Float
from tests.fakes.toy_sampler import TOY

SPACE = {"x": Float(0, 1), "y": Float(0, 1)}


def problem(space=SPACE):
    return Problem(space, Goals(False), 1, "maml", startup_trials=3, grid_points=3)


def make(name, space=SPACE):
    check_searchable(name, problem(space))
    return SAMPLERS.get(name).make(problem(space))


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_samplers_are_made_by_name_without_a_warning(name, recwarn):
    point = make(name).suggest(0)
    assert set(point) == {"x", "y"} and all(0 <= u <= 1 for u in point.values())
    assert not recwarn.list


def test_an_unknown_sampler_is_refused_with_the_known_ones():
    with pytest.raises(
        InvalidSearch, match="must be one of auto, cma-es, gp, grid, qmc, .*, got 'nsga'"
    ):
        make("nsga")


def test_only_a_grid_ends():
    limits = {kind.name: kind.limit(problem()) for kind in SAMPLERS.kinds()}
    assert limits == {**dict.fromkeys(SAMPLERS.names()), "grid": 9}


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_a_sampler_is_what_its_record_says(name):
    kind = SAMPLERS.get(name)
    assert isinstance(make(name), SlowSampler) == kind.slow
    points = [asked_after(name, loss) for loss in (0.0, 1.0)]
    assert (points[0] != points[1]) == kind.adaptive
    for option in ("startup_trials", "grid_points"):
        if option not in kind.options:
            assert asked_after(name, 0.0, **{option: 7}) == points[0]


def asked_after(name, loss, **options):
    """The point after ends that depend on `loss`; with 0 the first point is the best."""
    given = {"startup_trials": 2, "grid_points": 4, **options}
    run = BranchSearch(SPACE, sampler=name, study_seed=1, branch="maml", **given)
    for number in range(14):
        run.ask(number)
        run.tell(number, "completed", abs(loss - number / 14), 10)
    return run.ask(14)


def test_cma_es_refuses_what_it_cannot_search():
    with pytest.raises(InvalidSearch, match="numbers only, order .branch maml. has choices"):
        make("cma-es", {**SPACE, "order": Choice(("first", "second"))})
    with pytest.raises(
        InvalidSearch, match="needs at least 2 searched parameters, branch maml has 1"
    ):
        make("cma-es", {"x": Float(0, 1)})


@pytest.mark.parametrize("sampler", ["random", "grid", "qmc", "tpe", "cma-es"])
def test_searching_without_a_gaussian_process_loads_no_torch(sampler):
    code = (
        "import sys, metaopt.search.branches as b, metaopt.search.pruning.registry\n"
        "from metaopt.search.space import Float\n"
        "s = b.BranchSearch({'x': Float(0, 1), 'y': Float(0, 1)}, sampler=sys.argv[1],"
        " study_seed=1, branch='maml', startup_trials=1)\n"
        "for n in range(3):\n"
        "    s.ask(n)\n"
        "    s.tell(n, 'completed', 1.0)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, sampler], timeout=300).returncode == 0


def test_a_sampler_of_somebody_else_is_asked_as_ours_are():
    with SAMPLERS.including(TOY):
        run = BranchSearch(SPACE, sampler="toy", study_seed=1, branch="maml", startup_trials=0)
        assert (run.limit, run.slow_asks(3)) == (None, 0)
        losses = []
        for number in range(20):
            point = run.ask(number)
            losses.append((point["x"] - 0.9) ** 2)
            run.tell(number, "completed", losses[-1], 10)
        assert min(losses) < 0.01 < losses[0]
        with pytest.raises(InvalidSearch, match="toy searches for one objective"):
            check_searchable("toy", replace(problem(), goals=Goals(False, ("score", "cost"))))
    with pytest.raises(InvalidSearch, match="must be one of auto"):
        make("toy")
