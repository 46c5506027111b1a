"""Kept: the best model that a lane has had, beside the one that it trains on from.

    lane ──select──▶ latest better than kept? ──yes──▶ kept = latest
      │                                        └─no──▶ kept stays; the lane trains on all the same
      └──counting──▶ the lane as it is evaluated and written: with the kept model in its place

It goes where its lane goes: into its checkpoint, to another population, and away with it.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from metaopt.population.lanes import Lanes

_TENSOR = "kept."
TENSORS = ("phi", "inner_v", "inner_taken")
"""Of a lane, what a model is: its outer moments are of no use to it."""
METADATA = "kept"


class Kept(NamedTuple):
    """The best model of a lane so far.

    Args:
        phi: Its meta-parameters (1, P).
        inner_v, inner_taken: Its inner Adam's memory, as of `Lanes`.
        age: Its meta-iteration.
        loss: What it had where it was last scored, on so many `tasks`.
        compared_at: The meta-iteration of the model that was compared with it last.
        latest_loss: What that one had, on the same tasks.
    """

    phi: Tensor
    inner_v: Tensor
    inner_taken: Tensor
    age: int
    loss: float
    tasks: int
    compared_at: int
    latest_loss: float

    def scored(self, loss: float, tasks: int) -> "Kept":
        """The same, once it is scored on so many tasks."""
        return self._replace(loss=loss, tasks=tasks)

    def tensors(self) -> dict[str, Tensor]:
        """Its tensors, as a checkpoint names them."""
        return {_TENSOR + name: getattr(self, name) for name in TENSORS}

    def numbers(self) -> str:
        """The rest of it, as the JSON of a checkpoint's metadata."""
        numbers = {n: v for n, v in self._asdict().items() if n not in TENSORS}
        return json.dumps(numbers, sort_keys=True, allow_nan=False)


def compared(kept: Kept | None, lane: Lanes, loss: float, tasks: int) -> Kept:
    """The better of what is kept and a lane's latest model; of equals the earlier.

    Args:
        kept: The best before, if any; its loss is on the same tasks.
        lane: With its latest model (H = 1).
        loss, tasks: Of that, and on how many.
    """
    age = int(lane.age[0])
    if kept is not None and kept.loss <= loss:
        return kept._replace(compared_at=age, latest_loss=loss)
    # Copies: a slice would keep all lanes' memory for as long as this one is the best.
    model = {name: getattr(lane, name).clone() for name in TENSORS}
    return _kept(model, age=age, loss=loss, tasks=tasks, compared_at=age, latest_loss=loss)


def _kept(model: Mapping[str, Tensor], **numbers: Any) -> Kept:
    return Kept(**{**model, **numbers})


def counting(lane: Lanes, kept: Kept | None) -> Lanes:
    """A lane (H = 1) with the model that counts: the kept one, if there is one."""
    if kept is None:
        return lane
    model = {name: getattr(kept, name) for name in TENSORS}
    return lane.replace(**model, age=lane.age.new_tensor([kept.age]))


def split(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> tuple[dict[str, Tensor], Kept | None]:
    """A checkpoint's tensors without those of what it keeps, and that, if it keeps any.

    Raises:
        KeyError, TypeError, ValueError: it has but a part of it.
    """
    own = {name: t for name, t in tensors.items() if not name.startswith(_TENSOR)}
    if METADATA not in metadata:
        if len(own) < len(tensors):
            raise KeyError(METADATA)
        return own, None
    model = {name: tensors[_TENSOR + name] for name in TENSORS}
    return own, _kept(model, **json.loads(metadata[METADATA]))
