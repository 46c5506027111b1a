"""Conditional neural processes: a support set becomes a vector, by which queries are answered."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.networks import Network, SetEncoder, joined
from metaopt.models.base import Params
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Examples

LEAST_DEVIATION = 0.1
_ENCODER, _DECODER = 9_100_001, 9_100_002  # salts: their weights are independent of the model's


@dataclass(frozen=True)
class NeuralProcess(Learner):
    """(μ, σ) = g([f(x), r]) of numbers, logits g([f(x), r]) of classes; r = mean h([f(x_i), y_i]).

    The model is f, with outputs of the width of the embedding; h and g are networks of its own with
    ReLUs between their layers.  There is no gradient and no step at test: θ is φ.  Without support
    examples r is 0.  σ = 0.1 + 0.9·softplus(σ̃), and the answer is μ.

    In the paper f is the identity and h and g take x itself; classes are there aggregated one by
    one, here they are one-hot targets of one set, so that numbers and classes are treated alike.
    Batch norm takes its statistics from support and query examples together where answers are
    transductive, as in training.

    Args:
        embedding: Width of f.
        representation: Width R of r.
        hidden: Width of the hidden layers of h and g.
        encoder_layers, decoder_layers: Hidden layers of h and of g.
        loss_on_support: Whether the loss is on support and query examples, and not on the latter
            alone.

    Reference:
        Garnelo et al. (2018), arXiv:1807.01613, equations 1 to 3 and, for the loss, 4; bound of σ
        and widths as in the authors' code.
    """

    embedding: int = 64
    representation: int = 128
    hidden: int = 128
    encoder_layers: int = 3
    decoder_layers: int = 2
    loss_on_support: bool = True

    @cached_property
    def encoder(self) -> SetEncoder:
        """H and the mean."""
        width = self._width
        layers = (self.hidden,) * self.encoder_layers
        mlp = Mlp((self.embedding + width,), layers, self.representation)
        return SetEncoder(Network("cnp.encoder", mlp, _ENCODER), self.classification, width)

    @cached_property
    def decoder(self) -> Network:
        """G."""
        outputs = self._width if self.classification else 2 * self._width
        layers = (self.hidden,) * self.decoder_layers
        mlp = Mlp((self.embedding + self.representation,), layers, outputs)
        return Network("cnp.decoder", mlp, _DECODER)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's weights, then those of h and g."""
        return joined(self.model.shapes, self.encoder.network.shapes, self.decoder.shapes)

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return a fresh φ for keys (*B,)."""
        own = (self.encoder.network.init(keys, dtype), self.decoder.init(keys, dtype))
        return self.model.init(keys, dtype) | own[0] | own[1]

    def answers(self, theta: Params, support: Examples, x: Tensor, *, transductive: bool) -> Tensor:
        """Return μ or logits (*B, Q, C).  See `Learner`."""
        known, asked = self.outputs_of_both(theta, support, x, together=transductive)
        return self._decoded(theta, known, support.y, asked)[..., : self._width]

    def loss_of_answers(self, theta: Params, support: Examples, query: Examples) -> Tensor:
        """The mean of −log N(y; μ, σ²) over examples and numbers, or the cross-entropy (*B,).

        Tasks with a loss of their own are trained on that of μ, and σ not at all.
        """
        known, asked = self.outputs_of_both(theta, support, query.x, together=True)
        y = query.y
        if self.loss_on_support:
            asked = torch.cat([known, asked], dim=-2)
            y = torch.cat([support.y, y], dim=-1 if self.classification else -2)
        outputs = self._decoded(theta, known, support.y, asked)
        mean = outputs[..., : self._width]
        if self.classification or self.own_loss is not None:
            return self.loss_of(mean, y)
        free = torch.nn.functional.softplus(outputs[..., self._width :])
        return surprise(mean, LEAST_DEVIATION + (1 - LEAST_DEVIATION) * free, y).mean((-2, -1))

    def _decoded(self, theta: Params, known: Tensor, y: Tensor, asked: Tensor) -> Tensor:
        """g([e, r]) (*B, Q, ·) for embeddings `asked` (*B, Q, D) and `known` with targets y."""
        r = self.encoder(theta, known, y)[..., None, :]
        pairs = torch.cat([asked, r.expand(*asked.shape[:-1], self.representation)], dim=-1)
        return self.decoder.apply(theta, pairs)

    @property
    def _width(self) -> int:
        assert self.width is not None
        return self.width


def surprise(mean: Tensor, deviation: Tensor, y: Tensor) -> Tensor:
    """−log N(y; μ, σ²) = log σ + ½ ((y − μ) / σ)² + ½ log 2π, of each number."""
    distance = (y - mean) / deviation
    return deviation.log() + 0.5 * distance.square() + 0.5 * math.log(2 * math.pi)
