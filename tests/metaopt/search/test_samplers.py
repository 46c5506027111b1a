"""Samplers."""

import subprocess
import sys

import pytest
from optuna.samplers import RandomSampler, TPESampler

from metaopt.errors import InvalidSearch
from metaopt.search.samplers import make_sampler


@pytest.mark.parametrize(("name", "kind"), [("random", RandomSampler), ("tpe", TPESampler)])
def test_samplers_are_made_by_name_without_a_warning(name, kind, recwarn):
    assert type(make_sampler(name, seed=1, startup_trials=3)) is kind
    assert not recwarn.list


def test_an_unknown_sampler_is_refused_with_the_known_ones():
    with pytest.raises(InvalidSearch, match="must be one of random, tpe, got 'gp'"):
        make_sampler("gp", seed=1, startup_trials=3)


def test_searching_loads_no_torch():
    code = (
        "import sys, metaopt.search.branches as b, metaopt.search.pruning\n"
        "from metaopt.search.space import Float\n"
        "s = b.BranchSearch({'x': Float(0, 1), 'y': Float(0, 1)}, sampler='tpe', maximize=False,"
        " study_seed=1, branch='maml', startup_trials=1)\n"
        "for n in range(3):\n"
        "    s.ask(n)\n"
        "    s.tell(n, 'completed', 1.0)\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
