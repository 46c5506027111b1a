"""How tasks relate, as a model that conditions MAML: weights that fit a task before its first step.

support set ──h, mean──▶ q ──attention over anchors──▶ z ──m──▶ scale, shift of φ ──▶ θ_0
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.inner import for_tasks
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.networks import Network, SetEncoder, joined
from metaopt.models.base import Params
from metaopt.models.initialization import lecun
from metaopt.models.lifted import Lifted
from metaopt.models.mlp import Mlp
from metaopt.tasks.base import Examples

KEYS, VALUES = "relation.keys", "relation.values"
_ENCODER, _MODULATOR, _KEYS, _VALUES = range(9_200_001, 9_200_005)  # salts


@dataclass(frozen=True)
class Relations(Learner):
    """θ_0 = φ ⊙ (1 + s) + t, with scales and shifts (s, t) = m([q, z]) of the task.

        q = (1/S) Σ_i h([x_i, y_i])          the task's embedding, as a CNP encodes a support set
        a = softmax(K q / √d)                how much it is like each of M anchor tasks
        z = Vᵀ a                             what is known about tasks like it

    K, V (M, d), the networks h and m and the weights φ are meta-learned together, by MAML's
    meta-gradient through θ_0 and the inner steps, which move θ as MAML's do.  What a task takes
    from others goes through the anchors alone.  m's last layer starts at 0: training begins as
    MAML.

    The parts are those of published models, put together as simply as they can be, and this is none
    of those models.  That a task's embedding modulates the initial weights is MMAML's, which has a
    recurrent or convolutional encoder and modulates activations: a scale of a channel's weights and
    bias, and a shift of the bias, are the same.  That the embedding is compared with learned
    anchors, and that both it and what comes of that modulate all weights, is HSML's and ARML's,
    with one layer of soft attention in place of HSML's tree of clusters and of ARML's graphs of
    prototypes and of meta-knowledge; and there is no loss that reconstructs examples.  h reads
    inputs as they are, flattened, images too.

    Args:
        anchors: M; 1 is attention to nothing, so that V is a constant.
        embedding: d.
        hidden: Width of the hidden layers of h (two) and of m (one).
        by_channel: A scale and a shift for each output channel of each tensor, or one for all of
            it.  Channels are the last axis of a matrix (in, out) and the first of a kernel, and of
            whatever a `torch.nn.Module` has.

    Reference:
        Vuorio et al. (2019), arXiv:1910.13616 (MMAML: modulation); Yao et al. (2019),
        arXiv:1905.05301 (HSML) and (2020), arXiv:2001.00745 (ARML): relations between tasks;
        Vaswani et al. (2017), arXiv:1706.03762, equation 1 (attention).
    """

    anchors: int = 8
    embedding: int = 32
    hidden: int = 64
    by_channel: bool = True

    @cached_property
    def encoder(self) -> SetEncoder:
        """H and the mean."""
        assert self.width is not None
        inputs = math.prod(self.model.input_shape) + self.width
        mlp = Mlp((inputs,), (self.hidden, self.hidden), self.embedding)
        network = Network("relation.encoder", mlp, _ENCODER)
        return SetEncoder(network, self.classification, self.width)

    @cached_property
    def modulator(self) -> Network:
        """M."""
        mlp = Mlp((2 * self.embedding,), (self.hidden,), 2 * sum(self._channels.values()))
        return Network("relation.modulator", mlp, _MODULATOR)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's weights, then those of h and m, K and V."""
        anchors = dict.fromkeys((KEYS, VALUES), (self.anchors, self.embedding))
        networks = (self.encoder.network.shapes, self.modulator.shapes)
        return joined(self.model.shapes, *networks, anchors)

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return a fresh φ for keys (*B,)."""
        shape = (self.embedding, self.anchors)  # normal, of variance 1/d: vectors of length 1
        anchors = {
            name: lecun(seeding.fold_in(keys, salt), shape).mT.to(dtype)
            for name, salt in ((KEYS, _KEYS), (VALUES, _VALUES))
        }
        modulator = self.modulator.init(keys, dtype)
        last = {name: torch.zeros_like(modulator[name]) for name in list(modulator)[-2:]}
        encoder = self.encoder.network.init(keys, dtype)
        return self.model.init(keys, dtype) | encoder | modulator | last | anchors

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return θ_0 (H, T, …).  See `Learner`."""
        q = self._embedded(phi, support, tasks)
        related = torch.cat([q, self._attention(phi, q) @ phi[VALUES]], dim=-1)
        halves = self.modulator.apply(phi, related).chunk(2, dim=-1)
        scales, shifts = (self._by_tensor(half) for half in halves)
        return {
            name: phi[name][:, None] * (1 + scales[name]) + shifts[name]
            for name in self.model.shapes
        }

    def attention(self, phi: Params, support: Examples, tasks: int) -> Tensor:
        """How much each task is like each anchor (H, T, M); of each task they sum to 1."""
        return self._attention(phi, self._embedded(phi, support, tasks))

    def _embedded(self, phi: Params, support: Examples, tasks: int) -> Tensor:
        """Return q (H, T, d)."""
        own = for_tasks({name: phi[name] for name in self.encoder.network.shapes}, tasks)
        return self.encoder(own, support.x.flatten(-len(self.model.input_shape)), support.y)

    def _attention(self, phi: Params, q: Tensor) -> Tensor:
        return torch.softmax(q @ phi[KEYS].mT / math.sqrt(self.embedding), dim=-1)

    def _by_tensor(self, numbers: Tensor) -> Params:
        """The numbers (H, T, ·) of each tensor, so that they broadcast with it."""
        parts = numbers.split(list(self._channels.values()), dim=-1)
        return {
            name: part.reshape(*part.shape[:-1], *place)
            for part, (name, place) in zip(parts, self._places.items(), strict=True)
        }

    @cached_property
    def _places(self) -> dict[str, tuple[int, ...]]:
        """The shape of the scales of each tensor: 1 wherever they are shared."""
        return {name: self._place(shape) for name, shape in self.model.shapes.items()}

    def _place(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        place = [1] * len(shape)
        if shape and self.by_channel:
            first = len(shape) > 2 or isinstance(self.model, Lifted)
            axis = 0 if first else -1
            place[axis] = shape[axis]
        return tuple(place)

    @cached_property
    def _channels(self) -> dict[str, int]:
        """How many scales each tensor has."""
        return {name: math.prod(place) for name, place in self._places.items()}
