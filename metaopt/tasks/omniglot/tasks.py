"""Omniglot: classify handwritten characters, a few drawings each.

1,623 characters of 50 alphabets, each drawn by the same 20 people (Lake et al. 2015), at
28 × 28 pixels, grey in [0, 1], ink high.  All drawings lie on the device as one uint8 tensor
(25 MB); an episode is drawn there by gathers from keys, without a loop over tasks or images.

Rotations by quarter turns, as the literature has them, in every split:

    none      a class is a character
    task      each class of a task is turned by a drawn angle (MAML)
    classes   each turned character is a class of its own: four times the classes
              (Matching Networks, Prototypical Networks)
"""

import functools
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.data.raw.preparation import Moments, Preparation
from metaopt.errors import InvalidTasks
from metaopt.tasks.base import SPLITS, Episodes, Examples
from metaopt.tasks.description import Description
from metaopt.tasks.omniglot.archives import find_archives, read_archives
from metaopt.tasks.omniglot.file import Drawings, decode
from metaopt.tasks.omniglot.pixels import SIZE, shrink
from metaopt.tasks.omniglot.splits import split_members
from metaopt.tasks.turns import turned_pixels

ROTATIONS = ("none", "task", "classes")

_CLASSES, _DRAWINGS, _TURNS = 1, 2, 3  # what a task's key is folded with


@dataclass(frozen=True, eq=False)
class Omniglot:
    """N-way tasks on Omniglot; made by `load`.

    Args:
        greys: uint8 (characters, drawings, 784), ink 255, on the device.
        names: "Alphabet/characterNN" by character.
        members: int64 character indices by split, on the device.
        turns: int64 (4, 784), where each pixel of a turned image comes from, on the device.
        n_way: Classes in a task.
        rotations: "none", "task" or "classes".
        dtype: Float type of `x`.
    Reference:
        Lake, Salakhutdinov & Tenenbaum (2015), Science 350(6266).
    """

    greys: Tensor
    names: tuple[str, ...]
    members: dict[str, Tensor]
    turns: Tensor
    n_way: int
    rotations: str = "none"
    dtype: torch.dtype = torch.float32

    input_shape = (1, SIZE, SIZE)
    classification = True
    preparation = Preparation(
        "images",
        Moments((0.0,), (1.0,)),
        packing={"size": [SIZE, SIZE], "channels": 1, "invert": True},
        white=1.0,
    )

    @classmethod
    def load(
        cls,
        spec: dict[str, Any],
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        path: Path | None = None,
    ) -> Self:
        """The tasks that `spec` describes, with all drawings on `device`.

        Args:
            spec: `n_way` >= 2, `split` ("vinyals" or "random:SEED"), `rotations`.
            device, dtype: Where the drawings lie, and the float type of the episodes.
            path: A user's own copy: the directory with the two official zips or with the two
                folders in them, or a file as packaged here.  None takes the packaged one.

        Raises:
            InvalidTasks: a rule above broken, or data missing or unreadable.
        """
        n_way, split = spec.get("n_way", 5), spec.get("split", "vinyals")
        rotations = spec.get("rotations", "none")
        if rotations not in ROTATIONS:
            raise InvalidTasks(
                f"rotations must be one of {', '.join(ROTATIONS)}, got {rotations!r}"
            )
        names, greys = _images(path)
        members = split_members(split, names)
        _check_ways(n_way, members, 4 if rotations == "classes" else 1)
        on_device = {part: torch.tensor(chosen, device=device) for part, chosen in members.items()}
        return cls(
            greys.to(device),
            names,
            on_device,
            turned_pixels(SIZE).to(device),
            n_way,
            rotations,
            dtype,
        )

    @property
    def outputs(self) -> int:
        """Return n_way."""
        return self.n_way

    def with_ways(self, split: str, n_way: int) -> Self:
        """The same tasks of a split with so many classes.  See `metaopt.tasks.base.OfOtherWays`."""
        chosen = self._members(split).tolist()
        _check_ways(n_way, {split: chosen}, 4 if self.rotations == "classes" else 1)
        return replace(self, n_way=n_way)

    def classes(self, split: str) -> list[str]:
        """The names of a split's classes: "Alphabet/characterNN", or "…/rotDDD" too."""
        names = [self.names[i] for i in self._members(split).tolist()]
        if self.rotations != "classes":
            return names
        return [f"{name}/rot{90 * turn:03d}" for name in names for turn in range(4)]

    def class_count(self, split: str) -> int:
        """How many classes a split has.  See `metaopt.tasks.base.NumberedClasses`."""
        return len(self._members(split)) * (4 if self.rotations == "classes" else 1)

    def class_numbers(self, split: str, keys: Tensor) -> Tensor:
        """Return the places of each task's classes in `classes` (*B, n_way).

        A character that a task turns is the same class however it is turned.
        """
        keys = seeding.fold_in(keys, SPLITS.index(split))
        return self._choose(self._members(split), seeding.fold_in(keys, _CLASSES))

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key, class by class.

        Its classes are distinct, so are the drawings of a class, and no drawing is both support
        and query.  Support drawings do not depend on `q_query`.

        Args:
            split: "train", "validation" or "test".
            keys: int64 (*B,), on the device of the data.
            k_shot, q_query: Drawings of each class, >= 0, together at most 20.

        Returns:
            `x` (*B, n_way · shots, 1, 28, 28) in [0, 1] and `y` (*B, n_way · shots) int64.

        Raises:
            InvalidTasks: unknown split, or more drawings than a character has.
        """
        members = self._members(split)
        self._check_shots(k_shot, q_query)
        keys = seeding.fold_in(keys, SPLITS.index(split))
        greys = self._gather(*self._draw(members, keys, k_shot + q_query))
        return Episodes(
            self._examples(greys[..., :k_shot, :]), self._examples(greys[..., k_shot:, :])
        )

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say which drawings of which characters the task has.  See `SelfDescribing`."""
        members = self._members(split)
        self._check_shots(k_shot, q_query)
        key = seeding.fold_in(key, SPLITS.index(split))
        character, turn, drawing = self._draw(members, key, k_shot + q_query)
        names = [self.names[i] for i in character.tolist()]
        turns = [0] * self.n_way if turn is None else turn.tolist()
        called = tuple(
            f"{name} turned {90 * quarters}°" if quarters else name
            for name, quarters in zip(names, turns, strict=True)
        )
        classes = (
            f"{name}, {_numbers(drawings, k_shot)}"
            for name, drawings in zip(called, drawing.tolist(), strict=True)
        )
        alphabets = len({name.split("/")[0] for name in names})
        counted = f"{alphabets} alphabets" if alphabets > 1 else "one alphabet"
        return Description(
            f"{self.n_way} characters of {counted}", tuple(classes), lambda x: x[:, 0], called
        )

    def _draw(
        self, members: Tensor, keys: Tensor, count: int
    ) -> tuple[Tensor, Tensor | None, Tensor]:
        """Return characters and turns (*B, n_way), and drawings (*B, n_way, count)."""
        character, turn = self._draw_classes(members, seeding.fold_in(keys, _CLASSES))
        if self.rotations == "task":
            turn = seeding.integers(seeding.fold_in(keys, _TURNS), self.n_way, 4)
        drawing = self._draw_drawings(seeding.fold_in(keys, _DRAWINGS), count)
        return character, turn, drawing

    def _draw_classes(self, members: Tensor, keys: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return distinct classes as characters (*B, n_way), and turns if classes have one."""
        chosen = self._choose(members, keys)
        if self.rotations != "classes":
            return members[chosen], None
        return members[chosen // 4], chosen % 4

    def _choose(self, members: Tensor, keys: Tensor) -> Tensor:
        """Return distinct classes by their places in the split (*B, n_way)."""
        turns = 4 if self.rotations == "classes" else 1
        return seeding.choose(keys, turns * len(members), self.n_way)

    def _draw_drawings(self, keys: Tensor, count: int) -> Tensor:
        """Return distinct drawings of each class: (*B, n_way, count)."""
        by_class = seeding.fold_in(keys[..., None], torch.arange(self.n_way, device=keys.device))
        return seeding.permutation(by_class, self.greys.shape[1])[..., :count]

    def _gather(self, character: Tensor, turn: Tensor | None, drawing: Tensor) -> Tensor:
        """Return drawings, turned: (*B, n_way), (*B, n_way), (*B, n_way, K) -> (…, K, 784)."""
        greys = self.greys[character[..., None], drawing]
        if turn is None:
            return greys
        return greys.gather(-1, self.turns[turn][..., None, :].expand(greys.shape))

    def _examples(self, greys: Tensor) -> Examples:
        """Return (*B, n_way, K, 784) as one axis of N = n_way · K examples with labels."""
        *batch, n_way, shots, _ = greys.shape
        x = greys.to(self.dtype).div(255).reshape(*batch, n_way * shots, 1, SIZE, SIZE)
        y = torch.arange(n_way, device=greys.device)[:, None].expand(n_way, shots).reshape(-1)
        return Examples(x, y.expand(*batch, -1))

    def _members(self, split: str) -> Tensor:
        if split not in self.members:
            raise InvalidTasks(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        return self.members[split]

    def _check_shots(self, k_shot: int, q_query: int) -> None:
        drawings = self.greys.shape[1]
        if k_shot < 0 or q_query < 0 or k_shot + q_query > drawings:
            raise InvalidTasks(
                f"k_shot and q_query must be >= 0 and together at most the {drawings} drawings of "
                f"a character, got {k_shot} + {q_query}"
            )


def _numbers(drawings: list[int], k_shot: int) -> str:
    """The drawings of a class by number, 1 to 20 as in the data: support, then query."""
    support, query = (
        " ".join(str(drawing + 1) for drawing in part)
        for part in (drawings[:k_shot], drawings[k_shot:])
    )
    return f"drawings {support} | {query}"


def _check_ways(n_way: int, members: dict[str, list[int]], turns: int) -> None:
    for part, chosen in members.items():
        if not 2 <= n_way <= turns * len(chosen):
            raise InvalidTasks(
                f"n_way must be between 2 and the {turns * len(chosen)} classes of split {part}, "
                f"got {n_way}"
            )


@functools.lru_cache(maxsize=2)
def _images(path: Path | None) -> tuple[tuple[str, ...], Tensor]:
    """Return names and greys (characters, drawings, 784); read once in a process."""
    drawings = read_drawings(path)
    return drawings.names(), shrink(drawings.bits)


def read_drawings(path: Path | None = None) -> Drawings:
    """Return all drawings, 105 × 105, of the packaged file or of a user's own copy.

    Raises:
        InvalidTasks: nothing at `path`, or not Omniglot.
    """
    if path is None:
        packaged = resources.files("metaopt.tasks").joinpath("data/omniglot.xz")
        return decode(packaged.read_bytes())
    if path.is_dir():
        return read_archives(find_archives(path))
    if not path.is_file():
        raise InvalidTasks(f"no Omniglot at {path}: give a directory with the official zips")
    return decode(path.read_bytes())
