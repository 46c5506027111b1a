"""Training without the service."""

import doctest

import pytest

import metaopt.algorithms.registry
import metaopt.evaluation.evaluate
import metaopt.keys
import metaopt.messages
import metaopt.models.lift
import metaopt.plain
import metaopt.population.train
from metaopt.errors import InvalidPopulation
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import evaluate
from metaopt.population.train import train

TASKS = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
MODEL = {"kind": "mlp", "widths": [8, 8]}


def test_several_trials_train_at_once_and_each_gets_its_scores():
    trials = [{"meta_batch": 4, "outer_lr": rate} for rate in (1e-4, 1e-2)]
    trained = train("maml", tasks=TASKS, model=MODEL, params=trials, meta_iterations=200)
    slow, fast = evaluate(trained, BankSpec("validation", 1, 50, 5, 10, 3))
    assert len(fast.curve) == 4 and len(fast.scores) == 50
    assert fast.curve[1] < slow.curve[1]


def test_trials_of_different_structure_are_refused():
    trials = [{"meta_batch": 4}, {"meta_batch": 8}]
    with pytest.raises(InvalidPopulation, match="meta_batch = 8"):
        train("maml", tasks=TASKS, model=MODEL, params=trials, meta_iterations=1)


@pytest.mark.parametrize(
    "module",
    [
        metaopt.population.train,
        metaopt.keys,
        metaopt.algorithms.registry,
        metaopt.evaluation.evaluate,
        metaopt.messages,
        metaopt.models.lift,
        metaopt.plain,
    ],
    ids=lambda m: m.__name__,
)
def test_examples_in_docstrings_run(module):
    outcome = doctest.testmod(module)
    assert outcome.attempted > 0 and outcome.failed == 0


def test_the_sinusoid_recipe_learns_to_adapt_in_one_step():
    """The paper's recipe with a larger outer rate, cut short (benchmarks/sinusoid_paper.py)."""
    trained = train(
        "maml",
        tasks={"kind": "sinusoid", "k_shot": 10, "q_query": 10},
        model={"kind": "mlp", "widths": [40, 40]},
        params={"inner_lr": 0.01, "outer_lr": 5e-3, "meta_batch": 25},
        meta_iterations=600,
    )
    (scores,) = evaluate(trained, BankSpec("test", 1, 200, 5, 20, 1))
    assert scores.curve[0] > 2.5
    assert scores.curve[1] < 1.3
