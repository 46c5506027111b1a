"""The task bank and the adaptation curve."""

import pytest
import torch

from metaopt.algorithms.learner import Learner
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import Adaptation, adaptation_curves, draw
from metaopt.metrics.registry import METRICS, default_metric
from metaopt.models.conv4 import Conv4
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Episodes, Examples
from metaopt.tasks.regression import Sinusoid
from metaopt.tasks.scoring import Scoring
from tests import reference

BANK = BankSpec("validation", 11, 30, 5, 10, 4)


def test_a_bank_is_the_same_on_every_call_and_of_every_length():
    tasks = Sinusoid()
    once, again = draw(tasks, BANK, "cpu"), draw(tasks, BANK, "cpu")
    longer = draw(tasks, BankSpec("validation", 11, 50, 5, 10, 4), "cpu")
    for a, b, c in zip(once, again, longer, strict=True):
        assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y)
        assert torch.equal(a.x, c.x[:30])


def test_banks_of_other_splits_and_seeds_share_no_task():
    tasks = Sinusoid()
    banks = [BANK, BankSpec("test", 11, 30, 5, 10, 4), BankSpec("validation", 12, 30, 5, 10, 4)]
    values = torch.cat([draw(tasks, bank, "cpu").support.x.flatten() for bank in banks])
    assert len(values.unique()) == len(values)


def test_the_curve_equals_adapting_each_task_by_hand(problem):
    learner, phi, episodes = problem
    bank = Episodes(*(Examples(e.x[0], e.y[0]) for e in episodes))
    curves = adaptation_curves(
        learner,
        phi,
        bank,
        Adaptation({"inner_lr": torch.tensor([0.05, 0.1], dtype=torch.float64)}),
        Scoring(METRICS.get(default_metric("classes" if learner.classification else "numbers"))),
        steps=3,
        transductive=True,
    )
    conv = isinstance(learner.model, Conv4)
    for lane, alpha in enumerate((0.05, 0.1)):
        for task in range(3):
            x_s, y_s = bank.support.x[task], bank.support.y[task]
            x_q, y_q = bank.query.x[task], bank.query.y[task]
            fast = dict(learner.layout.unflatten(phi[lane]))
            for step in range(4):
                out = (
                    reference.conv4(fast, x_q, learner.model.pooling)
                    if conv
                    else reference.mlp(fast, x_q)
                )
                score = (
                    (out.argmax(-1) == y_q).double().mean() if conv else reference.loss(out, y_q)
                )
                assert torch.allclose(curves.scores[lane, task, step], score, atol=1e-9)
                fast = {k: v.detach().requires_grad_() for k, v in fast.items()}
                inner = reference.loss(
                    reference.conv4(fast, x_s, learner.model.pooling)
                    if conv
                    else reference.mlp(fast, x_s),
                    y_s,
                )
                names = [k for k in fast if k not in learner.model.not_adapted]
                grads = torch.autograd.grad(inner, [fast[k] for k in names])
                fast |= {k: fast[k] - alpha * g for k, g in zip(names, grads, strict=True)}


@pytest.mark.parametrize("metric", ["mse", "mae", "nmse"])
def test_a_task_that_diverges_is_counted_and_its_score_stays_finite(metric):
    learner = Learner(Mlp((1,), (8, 8), 1), classification=False)
    phi = learner.layout.flatten(learner.model.init(torch.tensor([1, 2]), torch.float32))
    curves = adaptation_curves(
        learner,
        phi,
        draw(Sinusoid(), BANK, "cpu"),
        Adaptation({"inner_lr": torch.tensor([0.01, 1e6])}),
        Scoring(METRICS.get(metric)),
        steps=4,
        transductive=True,
    )
    assert not curves.diverged[0].any()
    assert curves.diverged[1, :, -1].all() and not curves.diverged[1, :, 0].any()
    assert (curves.scores[1, :, -1] == METRICS.get(metric).diverged).all()


def test_inductive_batch_norm_judges_each_query_example_by_the_support_alone():
    learner = Learner(Conv4((1, 16, 16), 3, filters=4), classification=True)
    generator = torch.Generator().manual_seed(1)
    theta = learner.model.init(torch.tensor([3]), torch.float64)
    support = torch.rand(1, 3, 1, 16, 16, generator=generator, dtype=torch.float64)
    query = torch.rand(1, 6, 1, 16, 16, generator=generator, dtype=torch.float64)
    y = torch.tensor([[0, 1, 2, 0, 1, 2]])
    both = learner.outputs(theta, torch.cat([support, query], 1), 3)[:, 3:]
    scored = learner.scores(
        theta,
        Examples(support, y[:, :3]),
        Examples(query, y),
        scoring=Scoring(METRICS.get("accuracy")),
        transductive=False,
    )
    assert scored.item() == (both.argmax(-1) == y).double().mean().item()
    one = learner.outputs(theta, torch.cat([support, query[:, :1]], 1), 3)[:, 3:]
    assert torch.allclose(both[:, :1], one, atol=1e-12)
    transductive = learner.outputs(theta, query)
    assert not torch.allclose(both, transductive, atol=1e-3)
