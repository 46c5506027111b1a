"""Prototypical networks: a class is the mean of the embeddings of its support examples."""

from dataclasses import dataclass

from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.classes import class_means, never
from metaopt.models.base import Params
from metaopt.tasks.base import Examples


def square_distances(x: Tensor, centres: Tensor) -> Tensor:
    """‖x_n − c_k‖² (*B, N, C) for x (*B, N, D) and centres (*B, C, D).

    As ‖x̃‖² − 2x̃ᵀc̃ + ‖c̃‖² of x̃ = x − m and c̃ = c − m, where m is the mean of the centres: a
    distance does not depend on m, and without it far from 0 that cancels.  Differences x − c would
    take D times the memory.
    """
    middle = centres.detach().mean(-2, keepdim=True)
    x, centres = x - middle, centres - middle
    squares = x.square().sum(-1)[..., :, None] + centres.square().sum(-1)[..., None, :]
    return squares - 2 * x @ centres.mT


@dataclass(frozen=True)
class Prototypes(Learner):
    """p(y = k | x) = softmax_k(−‖f(x) − c_k‖²), c_k the mean of f over the support set of class k.

    The model is f, with outputs of the width of the embedding; the paper's four blocks of
    convolutions have no linear layer behind them.  Batch norm takes its statistics from support and
    query examples together where answers are transductive, as in training.

    Reference:
        Snell, Swersky & Zemel (2017), arXiv:1703.05175, equations 1 and 2.
    """

    def answers(self, theta: Params, support: Examples, x: Tensor, *, transductive: bool) -> Tensor:
        """Return the logits −‖f(x) − c_k‖² (*B, Q, C).  See `Learner`."""
        known, asked = self.outputs_of_both(theta, support, x, together=transductive)
        assert self.width is not None
        centres, seen = class_means(known, support.y, self.width)
        return never(-square_distances(asked, centres), seen)
