"""Lanes: the state of many trials, stacked on a leading axis H.

Each field is one tensor over all lanes, so a meta-iteration is a handful of operations however
many lanes there are; adding and removing lanes happens between segments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

_NUMBER = "numbers."


@dataclass(frozen=True)
class Lanes:
    """State of H lanes.

    Args:
        phi: Meta-parameters (H, P).
        m, v: Moments of the outer Adam (H, P); zeros of width 0 where the outer step is SGD.
        inner_v: Second moment of the inner Adam (H, P), width 0 for SGD.
        inner_taken: Its steps (H, 1).
        inner_lr, outer_lr: α and β (or ε) (H,).
        inner_steps, test_steps: Whole numbers (H,).
        seed: Trial seeds, int64 (H,).
        age: Meta-iterations trained, int64 (H,).
        horizon: Meta-iterations of a whole trial, int64 (H,).
        alive: False once loss or weights stopped being finite (H,).
        diverged_at: Meta-iteration of that, −1 before (H,).
        numbers: Other lane numbers that the algorithm has (H,), by name.
    """

    phi: Tensor
    m: Tensor
    v: Tensor
    inner_v: Tensor
    inner_taken: Tensor
    inner_lr: Tensor
    outer_lr: Tensor
    inner_steps: Tensor
    test_steps: Tensor
    seed: Tensor
    age: Tensor
    horizon: Tensor
    alive: Tensor
    diverged_at: Tensor
    numbers: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Return H."""
        return self.phi.shape[0]

    def select(self, index: Tensor | slice) -> "Lanes":
        """The lanes at `index`, in that order."""
        return Lanes.of({name: tensor[index] for name, tensor in self.tensors().items()})

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Lanes":
        """The lanes whose `tensors` these are.

        Raises:
            TypeError: one is missing, or is none of a lane's.
        """
        numbers = {n.removeprefix(_NUMBER): t for n, t in tensors.items() if n.startswith(_NUMBER)}
        own = {name: t for name, t in tensors.items() if not name.startswith(_NUMBER)}
        return cls(**own, numbers=numbers)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor by name, an algorithm's own numbers as `numbers.NAME`."""
        names = [field.name for field in fields(self) if field.name != "numbers"]
        own = {name: getattr(self, name) for name in names}
        return own | {_NUMBER + name: number for name, number in self.numbers.items()}

    def replace(self, **changes: Any) -> "Lanes":
        """Return lanes with some fields changed."""
        return replace(self, **changes)


def stack(groups: Sequence[Lanes]) -> Lanes:
    """The lanes of all groups, in order."""
    tensors = [group.tensors() for group in groups]
    return Lanes.of({name: torch.cat([lane[name] for lane in tensors]) for name in tensors[0]})


def padded(lanes: Lanes, count: int) -> Lanes:
    """Return `count` lanes: the given ones, then copies of the first that are not alive."""
    missing = count - lanes.count
    if missing <= 0:
        return lanes
    first = lanes.select(torch.zeros(missing, dtype=torch.int64, device=lanes.phi.device))
    return stack([lanes, first.replace(alive=torch.zeros_like(first.alive))])
