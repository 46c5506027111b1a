"""What a record says that its algorithm has beside the model's weights, against the learner."""

import math

import pytest

from metaopt.algorithms.algorithm import Around
from metaopt.algorithms.learners.learned_optimizer import LearnedOptimizer
from metaopt.algorithms.make import Asked, make_learner
from metaopt.algorithms.registry import ALGORITHMS

NUMBERS = Asked((1,), 1, classification=False), {"kind": "mlp", "widths": [40, 40]}
CLASSES = Asked((1, 28, 28), 5, classification=True, train_classes=64), {"kind": "conv4"}
PER_STEP = {"norm": "per_step", "table": 10}


def shares(name: str, **options) -> list[float]:
    """What is told of φ (and of an optimizer's memory), as shares of what there is."""
    record = ALGORITHMS.get(name)
    values = record.complete(options)
    found = []
    for asked, model in (NUMBERS, CLASSES):
        if not record.does(asked.target) or (options and not asked.classification):
            continue
        learner = make_learner(record, record.structure(values), model, asked)
        weights = sum(map(math.prod, learner.model.shapes.values()))
        there = learner.layout.total
        if isinstance(learner, LearnedOptimizer):  # it remembers something of each weight
            there += weights * sum(learner.network.memory.values())
        around = Around(weights, math.prod(asked.input_shape), asked.outputs)
        found.append((weights + record.adds(values, around)) / there)
    return found


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_what_is_told_is_within_a_small_factor(name):
    told = shares(name)
    assert told and all(0.5 < share < 2.5 for share in told)


@pytest.mark.parametrize(
    ("name", "options"), [("maml_plus_plus", PER_STEP), ("learned_optimizer", {"network": "mlp"})]
)
def test_so_it_is_with_other_options(name, options):
    told = shares(name, **options)
    assert told and all(0.5 < share < 2.5 for share in told)
