"""How many lanes are computed at once where nothing was measured."""

import pytest

from metaopt.population.signature import signature_of
from metaopt.population.sizes import default_program_lanes

SINUSOID = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
OMNIGLOT = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 1}


@pytest.mark.parametrize(
    ("algorithm", "params", "lanes"),
    [
        ("maml", {"inner_steps": 1}, 4),
        ("maml", {"inner_steps": 5}, 2),
        ("maml", {"inner_steps": 30}, 1),
        ("maml", {"inner_steps": 5, "order": "first"}, 4),
        ("maml", {"meta_batch": 1000}, 1),
        ("reptile", {"meta_batch": 1}, 16),
        ("reptile", {}, 8),
    ],
)
def test_a_program_keeps_a_core_busy_and_fits_its_cache(algorithm, params, lanes):
    signature = signature_of(
        tasks=SINUSOID, model={"kind": "mlp"}, algorithm=algorithm, params=params
    )
    assert default_program_lanes(signature) == lanes


def test_wide_convolutions_run_one_by_one():
    for filters, lanes in ((2, 4), (16, 2), (32, 1), (64, 1)):
        model = {"kind": "conv4", "filters": filters}
        one = signature_of(tasks=OMNIGLOT, model=model, algorithm="maml", params={})
        assert default_program_lanes(one) == lanes
