"""A learner's loss: which batch its statistics are of."""

import torch

from metaopt.algorithms.learner import Learner
from metaopt.algorithms.maml import meta_gradient
from metaopt.models.conv4 import Conv4
from metaopt.tasks.base import Episodes, Examples, mean_loss


def examples(tasks: int, count: int, seed: int) -> Examples:
    drawn = torch.Generator().manual_seed(seed)
    x = torch.rand(1, tasks, count, 1, 16, 16, generator=drawn, dtype=torch.float64)
    return Examples(x, torch.arange(count).remainder(3).expand(1, tasks, count))


def test_training_takes_batch_statistics_of_the_examples_whose_loss_it_is():
    """No switch of an evaluation reaches MAML's outer loss: it is transductive."""
    learner = Learner(Conv4((1, 16, 16), 3, filters=2), classification=True)
    params = learner.model.init(torch.tensor([1]), torch.float64)
    support, query = examples(2, 3, seed=1), examples(2, 6, seed=2)
    still = torch.tensor([1e-12], dtype=torch.float64)
    _, outer = meta_gradient(
        learner,
        learner.layout.flatten(params),
        Episodes(support, query),
        inner_lr=still,
        inner_steps=torch.tensor([1]),
        step_cap=1,
    )
    theta = {name: p[:, None].expand(1, 2, *p.shape[1:]) for name, p in params.items()}
    assert torch.allclose(outer, learner.loss(theta, query).mean(1), atol=1e-8)
    both = torch.cat([support.x, query.x], dim=2)
    of_support = learner.outputs(theta, both, 3)[..., 3:, :]
    other = mean_loss(of_support, query.y, classification=True).mean(1)
    assert not torch.allclose(outer, other, atol=1e-3)
