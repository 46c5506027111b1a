"""Classification tasks of which a linear embedding learns what matters."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.errors import InvalidTasks
from metaopt.tasks.base import SPLITS, Episodes, Examples

SIGNAL, NOISE = 2, 6


@dataclass(frozen=True)
class Blobs:
    """A class is a point of two numbers; an example is near it, beside six of strong noise.

    Args:
        n_way: Classes in a task.
        dtype: Float type of `x`.
    """

    n_way: int = 3
    dtype: torch.dtype = torch.float32

    input_shape = (SIGNAL + NOISE,)
    classification = True

    @property
    def outputs(self) -> int:
        return self.n_way

    def with_ways(self, split: str, n_way: int) -> "Blobs":
        if n_way > 12:
            raise InvalidTasks(f"n_way must be at most 12, got {n_way}")
        return replace(self, n_way=n_way)

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        centres = self._centres(split, keys)
        keys = seeding.fold_in(keys, SPLITS.index(split))
        return Episodes(
            self._examples(seeding.fold_in(keys, 2), centres, k_shot),
            self._examples(seeding.fold_in(keys, 3), centres, q_query),
        )

    def _centres(self, split: str, keys: Tensor) -> Tensor:
        keys = seeding.fold_in(keys, SPLITS.index(split))
        return 2 * seeding.normal(seeding.fold_in(keys, 1), self.n_way * SIGNAL)

    def _examples(self, keys: Tensor, centres: Tensor, each: int) -> Examples:
        lead, width = keys.shape, SIGNAL + NOISE
        noise = seeding.normal(keys, self.n_way * each * width)
        noise = noise.reshape(*lead, self.n_way, each, width)
        near = centres.reshape(*lead, self.n_way, 1, SIGNAL) + 0.3 * noise[..., :SIGNAL]
        x = torch.cat([near, 3 * noise[..., SIGNAL:]], dim=-1).flatten(-3, -2)
        y = torch.arange(self.n_way, device=keys.device).repeat_interleave(each)
        return Examples(x.to(self.dtype), y.expand(*lead, -1))


@dataclass(frozen=True)
class NumberedBlobs(Blobs):
    """The same of 40 classes in each split, which have numbers."""

    def class_count(self, split: str) -> int:
        return 40

    def class_numbers(self, split: str, keys: Tensor) -> Tensor:
        return seeding.choose(seeding.fold_in(keys, 4), self.class_count(split), self.n_way)

    def _centres(self, split: str, keys: Tensor) -> Tensor:
        numbers = self.class_numbers(split, keys) + 100 * SPLITS.index(split)
        return 2 * seeding.normal(numbers, SIGNAL).flatten(-2)
