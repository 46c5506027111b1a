"""Samplers."""

import subprocess
import sys

import pytest

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.search.samplers.registry import SAMPLERS, make_sampler
from metaopt.search.space import Choice, Float

SPACE = {"x": Float(0, 1), "y": Float(0, 1)}


def make(name, space=SPACE):
    return make_sampler(
        name, space, goals=Goals(False), seed_parts=(1, "maml"), startup_trials=3, grid_points=3
    )


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_are_made_by_name_without_a_warning(name, recwarn):
    point = make(name).suggest(0)
    assert set(point) == {"x", "y"} and all(0 <= u <= 1 for u in point.values())
    assert not recwarn.list


def test_an_unknown_sampler_is_refused_with_the_known_ones():
    with pytest.raises(InvalidSearch, match="must be one of random, grid, qmc, .*, got 'nsga'"):
        make("nsga")


def test_only_a_grid_ends():
    assert {name: make(name).limit for name in SAMPLERS} == {
        **dict.fromkeys(SAMPLERS),
        "grid": 9,
    }


def test_cma_es_refuses_what_it_cannot_search():
    with pytest.raises(InvalidSearch, match="numbers only, order has choices"):
        make("cma-es", {**SPACE, "order": Choice(("first", "second"))})
    with pytest.raises(InvalidSearch, match="needs 2 searched parameters, got 1"):
        make("cma-es", {"x": Float(0, 1)})


@pytest.mark.parametrize("sampler", ["random", "grid", "qmc", "tpe", "cma-es"])
def test_searching_without_a_gaussian_process_loads_no_torch(sampler):
    code = (
        "import sys, metaopt.search.branches as b, metaopt.search.pruning.registry\n"
        "from metaopt.search.space import Float\n"
        "s = b.BranchSearch({'x': Float(0, 1), 'y': Float(0, 1)}, sampler=sys.argv[1],"
        " maximize=False, study_seed=1, branch='maml', startup_trials=1)\n"
        "for n in range(3):\n"
        "    s.ask(n)\n"
        "    s.tell(n, 'completed', 1.0)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code, sampler], timeout=60).returncode == 0
