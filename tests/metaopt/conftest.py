"""Small learners and episodes in float64 for the proofs."""

import pytest
import torch

from metaopt.algorithms.learner import Learner
from metaopt.models.conv4 import Conv4
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Episodes, Examples


@pytest.fixture(autouse=True)
def one_thread():
    """Leave the other core to whoever runs beside the tests; bits must not depend on it."""
    torch.set_num_threads(1)


@pytest.fixture(
    params=["mlp", "conv4", "conv4-max", "conv4-fixed-norm", "conv4-products", "conv4-products-max"]
)
def problem(request):
    """Return (learner, phi (2, P), episodes (2, 3 tasks)) with generic weights, smooth enough."""
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    lanes, tasks, ways = 2, 3, 3
    if request.param == "mlp":
        learner = Learner(Mlp((2,), (8, 8), 1), classification=False)
        episodes = Episodes(
            Examples(normal(lanes, tasks, 5, 2), normal(lanes, tasks, 5, 1)),
            Examples(normal(lanes, tasks, 7, 2), normal(lanes, tasks, 7, 1)),
        )
    else:
        pooling = "max" if "max" in request.param else "stride"
        form = "products" if "products" in request.param else "auto"
        adapt = request.param != "conv4-fixed-norm"
        model = Conv4((1, 16, 16), ways, filters=4, pooling=pooling, adapt_norm=adapt, form=form)
        learner = Learner(model, classification=True)
        y = torch.arange(ways).repeat(2).expand(lanes, tasks, -1)
        episodes = Episodes(
            Examples(normal(lanes, tasks, 6, 1, 16, 16), y),
            Examples(normal(lanes, tasks, 6, 1, 16, 16), y),
        )
    return learner, 0.4 * normal(lanes, learner.layout.total) + 0.1, episodes
