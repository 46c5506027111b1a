"""Tasks drawn from a packed data set, which lies on the device as one array.

    target "class"      n classes of a split, k + q distinct examples of each
    target "number"     one task of a split, k + q distinct examples of it
    target "label"      one task of a split, k + q distinct examples of each of its classes
    packed episodes     the same, k of its support examples and q of its query examples

An episode is drawn by gathers from keys, without a loop over tasks or examples, whatever the sizes
of classes.  What it is drawn from is one axis of groups: a regression is a task of one group.
"""

from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.data.manifest import Manifest
from metaopt.data.pack import Packed
from metaopt.data.raw.preparation import Preparation
from metaopt.errors import InvalidTasks
from metaopt.messages import did_you_mean, shown
from metaopt.plain import whole
from metaopt.tasks.base import SPLITS, Episodes, Examples, Unit
from metaopt.tasks.dataset.rows import Rows, rows_of
from metaopt.tasks.dataset.scaling import Scaling
from metaopt.tasks.dataset.splits import (
    Members,
    check_shots,
    check_ways,
    default_split,
    noun,
    split_members,
)
from metaopt.tasks.description import Description
from metaopt.tasks.turns import cut_pixels, mirrored_pixels, turned_pixels

NORMALISE = ("train", "none")
ROTATIONS = ("none", "task", "classes")
N_WAY = 5
MOST_CROPS = 32

_FEW = 64  # of the largest group: up to here a sorted order is drawn faster than row by row

_GROUPS, _SUPPORT, _QUERY, _TURNS, _MIRRORS, _CROPS = range(
    1, 7
)  # what a task's key is folded with


class _Draw(NamedTuple):
    """Which examples W groups give: `group` and `turn` (*B, W), the others (*B, W, K).

    Support examples come first; `mirrored` is 0 or 1, `crop` the number of a place to cut from.
    """

    group: Tensor
    turn: Tensor | None
    example: Tensor
    mirrored: Tensor | None
    crop: Tensor | None


@dataclass(frozen=True, eq=False)
class DatasetTasks:
    """Tasks on a packed data set; made by `of`.

    Args:
        manifest: Of the data.
        members: Positions of each split's groups.
        rows: The examples, on the device.
        groups: int64 positions by split, on the device.
        n_way: Classes in a task, 1 in regression; what they draw from has so many parts.
        rotations: "none", "task" or "classes".
        places: int64 (turns, or with mirrored ones twice as many; pixels): where each pixel comes
            from; None where images stay as they are.
        flips: Whether images are mirrored at random in meta-training.
        crops: By how many pixels, at most, images are moved at random in meta-training.
        allowed: Splits and numbers of examples that `check_shots` has let through.
    """

    manifest: Manifest
    members: Members
    rows: Rows
    groups: dict[str, Tensor]
    n_way: int
    rotations: str = "none"
    places: Tensor | None = None
    flips: bool = False
    crops: int = 0
    allowed: set[tuple[str, int, int]] = field(default_factory=set)

    @classmethod
    def of(
        cls,
        packed: Packed,
        *,
        n_way: int | None = None,
        split: str | None = None,
        normalise: str = "train",
        rotations: str = "none",
        flips: bool = False,
        crops: int = 0,
        k_shot: int = 1,
        q_query: int = 1,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Self:
        """Tasks on `packed`, with all of its examples on `device`.

        Args:
            packed: The data; classes become classification, tasks regression.
            n_way: Classes in a task, >= 2; None is 5.  Where a task has classes of its own, and in
                regression, there is nothing to give.
            split: "given", or "random:SEED" (64 / 16 / 20 % of the classes or tasks); None is what
                the data say, or else random:0.
            normalise: "train" makes inputs, and numbers to predict, (v − μ) / σ with mean and
                deviation over all examples for meta-training, by channel, feature and number to
                predict (`metaopt.tasks.dataset.scaling`); "none" leaves them, but for images, which
                become v / 255.
            rotations: Of square images of classes by quarter turns, in every split: "task" turns
                each class of a task by a drawn angle, "classes" makes a class of each angle.
            flips: Mirror each image, left and right, with probability ½; in meta-training alone.
            crops: Border of so many pixels that each image gets, by repeating its outermost ones,
                before one of its size is cut out at random; in meta-training alone.
            k_shot, q_query: Examples that every class or task of every split has to have; a task
                may be sampled with more where its own split has them.
            device, dtype: Where the examples lie, and the float type of the episodes.

        Raises:
            InvalidTasks: a rule above broken; a split with fewer classes than `n_way`, or a class
                or task with fewer examples, by its name.

        Example:
            >>> import numpy as np
            >>> from metaopt.data.manifest import Group, Manifest
            >>> classes = tuple(Group(name, 3) for name in "abcdefghijklmno")
            >>> manifest = Manifest("table", "class", (2,), 0, classes, arrays="")
            >>> packed = Packed(manifest, {"x": np.random.default_rng(1).random((45, 2))})
            >>> tasks = DatasetTasks.of(packed, n_way=2, split="random:0")
            >>> tasks.sample("test", torch.arange(4), k_shot=1, q_query=2).query.x.shape
            torch.Size([4, 4, 2])
        """
        manifest = packed.manifest
        _check_choice("normalise", normalise, NORMALISE)
        _check_images(manifest, rotations, flips, crops)
        members = split_members(manifest, default_split(manifest) if split is None else split)
        ways = _ways(manifest, n_way)
        least = ways if manifest.target == "class" else 1
        check_ways(manifest, members, least, 4 if rotations == "classes" else 1)
        check_shots(manifest, members, k_shot, q_query)
        rows = rows_of(packed, members["train"], normalise=normalise, device=device, dtype=dtype)
        places = _pixels(manifest, rotations, flips, crops)
        return cls(
            manifest,
            members,
            rows,
            {part: torch.tensor(chosen, device=device) for part, chosen in members.items()},
            ways,
            rotations,
            None if places is None else places.to(device),
            flips,
            crops,
        )

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return self.manifest.input_shape

    @property
    def classification(self) -> bool:
        """Whether a task is to tell classes apart."""
        return self.manifest.target != "number"

    @property
    def outputs(self) -> int:
        """Return the classes of a task, or the numbers to predict."""
        return self.n_way if self.classification else self.manifest.outputs

    @property
    def target_unit(self) -> Unit | None:
        """That of the numbers to predict: scores are in it, normalised or not."""
        return self.rows.unit

    @property
    def scaling(self) -> Scaling:
        """What inputs were normalised by: mean and deviation by channel or feature."""
        return self.rows.inputs

    @property
    def preparation(self) -> Preparation:
        """How the data were packed and normalised; the rest of a model file needs no data."""
        targets = self.rows.targets
        return Preparation(
            kind=self.manifest.kind,
            inputs=self.rows.inputs.moments(),
            numbers=None if targets is None else targets.moments(),
            packing=self.manifest.packing,
            features=self.manifest.features,
            targets=self.manifest.targets,
        )

    def with_ways(self, split: str, n_way: int) -> Self:
        """The same tasks of a split with so many classes.  See `metaopt.tasks.base.OfOtherWays`."""
        ways = _ways(self.manifest, n_way)
        chosen = {_known(split): self.members[split]}
        check_ways(self.manifest, chosen, ways, 4 if self.rotations == "classes" else 1)
        return replace(self, n_way=ways)

    def names(self, split: str) -> list[str]:
        """The names of a split's classes, or tasks; turned classes are NAME/rotDDD."""
        names = [self.manifest.groups[i].name for i in self.members[_known(split)]]
        if self.rotations != "classes":
            return names
        return [f"{name}/rot{90 * turn:03d}" for name in names for turn in range(4)]

    def class_count(self, split: str) -> int:
        """How many classes a split has.  See `metaopt.tasks.base.NumberedClasses`.

        Tasks with classes of their own all have the same ones.
        """
        if self.manifest.target != "class":
            return self.outputs
        return len(self.members[_known(split)]) * (4 if self.rotations == "classes" else 1)

    def class_numbers(self, split: str, keys: Tensor) -> Tensor:
        """Return the places of each task's classes in `names` (*B, ways).

        An image that a task turns is of the same class however it is turned.  Where tasks have
        classes of their own, these are their labels.
        """
        part = _known(split)
        if self.manifest.target != "class":
            return torch.arange(self.n_way, device=keys.device).expand(*keys.shape, -1)
        keys = seeding.fold_in(keys, SPLITS.index(part))
        return self._choose(self.groups[part], seeding.fold_in(keys, _GROUPS))

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key, class by class.

        Its classes are distinct, so are the examples of a class, and no example is both support
        and query.  Support examples do not depend on `q_query`.

        Args:
            split: "train", "validation" or "test".
            keys: int64 (*B,), on the device of the data.
            k_shot, q_query: Examples of each class (of each task in regression), >= 0.

        Returns:
            `x` (*B, ways · shots, *input_shape), and `y` (*B, ways · shots) int64, or
            (*B, shots, outputs) numbers.

        Raises:
            InvalidTasks: unknown split, or a class or task of it has fewer examples.
        """
        draw = self._draw(split, keys, k_shot, q_query)
        rows, places = self.rows.begins[draw.group][..., None] + draw.example, self._places(draw)
        support, query = slice(k_shot), slice(k_shot, None)
        return Episodes(
            self._examples(rows[..., support], _part(places, support)),
            self._examples(rows[..., query], _part(places, query)),
        )

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say which examples of which classes, or of which task, there are.

        Examples of a class are numbered from 1, as they lie in the data; * marks mirrored images.
        """
        draw = self._draw(split, key, k_shot, q_query)
        names = [self._name(i) for i in draw.group.tolist()]
        turns = [0] * len(names) if draw.turn is None else draw.turn.tolist()
        stars = torch.zeros_like(draw.example) if draw.mirrored is None else draw.mirrored
        called = [
            f"{name} turned {90 * turn}°" if turn else name
            for name, turn in zip(names, turns, strict=True)
        ]
        counted = zip(called, draw.example.tolist(), stars.tolist(), strict=True)
        said = [f"{name}, {_numbers(chosen, stars, k_shot)}" for name, chosen, stars in counted]
        if not self.classification:
            return Description(said[0], names=tuple(called))
        sentence = f"{self.n_way} classes"
        if self.manifest.target == "label":
            task = self.manifest.groups[int(draw.group[0]) // self.n_way].name
            sentence = f"{task}: {sentence}"
        return Description(sentence, tuple(said), self.rows.ink, tuple(called))

    def _name(self, group: int) -> str:
        """What a group is called, or a class of a task."""
        if self.manifest.target == "label":
            return self.manifest.targets[group % self.n_way]
        return self.manifest.groups[group].name

    def _draw(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> _Draw:
        part = _known(split)
        if (part, k_shot, q_query) not in self.allowed:
            check_shots(self.manifest, self.members, k_shot, q_query, (part,))
            self.allowed.add((part, k_shot, q_query))
        keys = seeding.fold_in(keys, SPLITS.index(part))
        group, turn = self._draw_groups(self.groups[part], seeding.fold_in(keys, _GROUPS))
        if self.rotations == "task":
            turn = seeding.integers(seeding.fold_in(keys, _TURNS), self.n_way, 4)
        by_group = torch.arange(self.n_way, device=keys.device)
        example = self._draw_examples(keys, by_group, group, k_shot, q_query)
        mirrored = None
        if self.flips and part == "train":
            by_mirror = seeding.fold_in(seeding.fold_in(keys, _MIRRORS)[..., None], by_group)
            mirrored = seeding.integers(by_mirror, k_shot + q_query, 2)
        crop = None
        if self.crops and part == "train":
            by_crop = seeding.fold_in(seeding.fold_in(keys, _CROPS)[..., None], by_group)
            crop = seeding.integers(by_crop, k_shot + q_query, (2 * self.crops + 1) ** 2)
        return _Draw(group, turn, example, mirrored, crop)

    def _draw_groups(self, members: Tensor, keys: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return distinct classes as groups (*B, W), and turns if classes have one."""
        if self.manifest.target == "label":
            task = members[seeding.choose(keys, len(members), 1)]
            return task * self.n_way + torch.arange(self.n_way, device=keys.device), None
        chosen = self._choose(members, keys)
        if self.rotations != "classes":
            return members[chosen], None
        return members[chosen // 4], chosen % 4

    def _choose(self, members: Tensor, keys: Tensor) -> Tensor:
        """Return distinct classes by their places in the split (*B, W)."""
        turns = 4 if self.rotations == "classes" else 1
        return seeding.choose(keys, turns * len(members), self.n_way)

    def _draw_examples(
        self, keys: Tensor, by_group: Tensor, group: Tensor, k_shot: int, q_query: int
    ) -> Tensor:
        """Return distinct examples of each group, support first: (*B, W, k_shot + q_query)."""
        sizes, support = self.rows.sizes[group], self.rows.support
        first = seeding.fold_in(seeding.fold_in(keys, _SUPPORT)[..., None], by_group)
        if support is None:
            return self._distinct(first, sizes, k_shot + q_query)
        second = seeding.fold_in(seeding.fold_in(keys, _QUERY)[..., None], by_group)
        begins = support[group]
        query = self._distinct(second, sizes - begins, q_query) + begins[..., None]
        return torch.cat([self._distinct(first, begins, k_shot), query], dim=-1)

    def _distinct(self, keys: Tensor, sizes: Tensor, count: int) -> Tensor:
        """Return `count` distinct integers below each size; more of them begin with the same."""
        if self.rows.largest <= _FEW:
            return seeding.permutation(keys, self.rows.largest, sizes)[..., :count]
        return seeding.choose(keys, sizes, count)

    def _places(self, draw: _Draw) -> Tensor | None:
        """Return where pixels come from, (*B, W, 1 or K, pixels); None leaves all as they are."""
        moved = any(part is not None for part in (draw.turn, draw.mirrored, draw.crop))
        if self.places is None or not moved:
            return None
        code = torch.zeros_like(draw.group) if draw.turn is None else draw.turn
        code = code[..., None]
        if draw.mirrored is not None:
            code = code + draw.mirrored * (len(self.places) // 2)
        places = self.places[code]
        if draw.crop is None:
            return places
        _, height, width = self.input_shape
        cut = cut_pixels(draw.crop, self.crops, height, width)
        return places.expand(*cut.shape[:-1], -1).gather(-1, cut)

    def _examples(self, rows: Tensor, places: Tensor | None) -> Examples:
        """Return examples (*B, W, K) as one axis of N = W · K, with labels or numbers."""
        *batch, ways, shots = rows.shape
        x = self.rows.x(rows, places).reshape(*batch, ways * shots, *self.input_shape)
        if self.rows.numbers is not None:
            return Examples(x, self.rows.numbers[rows.reshape(*batch, ways * shots)])
        y = torch.arange(ways, device=rows.device)[:, None].expand(ways, shots).reshape(-1)
        return Examples(x, y.expand(*batch, -1))


def _part(places: Tensor | None, part: slice) -> Tensor | None:
    if places is None or places.shape[-2] == 1:  # the same for all examples of a class
        return places
    return places[..., part, :]


def _known(split: str) -> str:
    if split not in SPLITS:
        raise InvalidTasks(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return split


def _numbers(examples: list[int], mirrored: list[int], k_shot: int) -> str:
    """The examples of a group by number, from 1 as in the data: support, then query."""
    said = [f"{i + 1}{'*' if star else ''}" for i, star in zip(examples, mirrored, strict=True)]
    return f"examples {' '.join(said[:k_shot])} | {' '.join(said[k_shot:])}"


def _check_choice(name: str, given: object, choices: tuple[str, ...]) -> None:
    if not isinstance(given, str) or given not in choices:
        rule = f"{name} must be one of {', '.join(choices)}, got {shown(given)}"
        raise InvalidTasks(f"{rule}{did_you_mean(given, choices)}")


def _check_images(manifest: Manifest, rotations: str, flips: bool, crops: int) -> None:
    _check_choice("rotations", rotations, ROTATIONS)
    shape = manifest.input_shape
    images = len(shape) == 3 and manifest.target == "class"
    if flips and not images:
        raise InvalidTasks(f"flips are of images of classes, these are {_kind(manifest)}")
    if whole("crops", crops, 0, MOST_CROPS, InvalidTasks) and not images:
        raise InvalidTasks(f"crops are of images of classes, these are {_kind(manifest)}")
    if rotations != "none" and not (images and shape[1] == shape[2]):
        raise InvalidTasks(
            f"rotations {rotations} needs square images of classes, these are {_kind(manifest)}"
        )


def _kind(manifest: Manifest) -> str:
    size = "×".join(map(str, manifest.input_shape))
    return f"{manifest.kind} of {noun(manifest, 2)}, {size} an example"


def _ways(manifest: Manifest, n_way: int | None) -> int:
    if manifest.target == "class":
        return whole("n_way", N_WAY if n_way is None else n_way, 2, error=InvalidTasks)
    if n_way is None:
        return manifest.outputs if manifest.target == "label" else 1
    have = (
        f"tasks of {manifest.outputs} classes"
        if manifest.target == "label"
        else "numbers to predict"
    )
    raise InvalidTasks(f"n_way is of classes to draw from, these data have {have}, got {n_way}")


def _pixels(manifest: Manifest, rotations: str, flips: bool, crops: int) -> Tensor | None:
    if rotations == "none" and not flips and not crops:
        return None
    _, height, width = manifest.input_shape
    places = torch.arange(height * width)[None] if rotations == "none" else turned_pixels(width)
    return torch.cat([places, mirrored_pixels(places, width)]) if flips else places
