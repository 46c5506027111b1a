"""Which Omniglot characters are for training, for validation and for the sealed test.

`vinyals`: the lists of Vinyals et al. (2016) as Prototypical Networks published them,
1,028 / 172 / 423 characters.  `random:SEED`: 1,100 / 100 / 423 characters by a shuffle that the
seed names; the sizes are MAML's, the shuffle is ours.  A rotated character is always in the
split of its character.
"""

import functools
import json
from importlib import resources

import torch

from metaopt import seeding
from metaopt.errors import InvalidTasks
from metaopt.keys import key
from metaopt.tasks.base import SPLITS

_RANDOM_SIZES = (1100, 100, 423)


def split_members(split: str, names: tuple[str, ...]) -> dict[str, list[int]]:
    """Return positions in `names` ("Alphabet/characterNN") for train, validation and test.

    Raises:
        InvalidTasks: unknown split, or `names` are not the characters it divides.
    """
    if split == "vinyals":
        return _vinyals(names)
    kind, _, seed = split.partition(":")
    if kind != "random" or not (seed.isascii() and seed.isdigit()):
        raise InvalidTasks(f"split must be 'vinyals' or 'random:SEED', got {split!r}")
    return _random(int(seed), len(names))


def _vinyals(names: tuple[str, ...]) -> dict[str, list[int]]:
    position = {name: i for i, name in enumerate(names)}
    wanted = vinyals_lists()
    missing = [name for part in SPLITS for name in wanted[part] if name not in position]
    if missing:
        raise InvalidTasks(
            f"split vinyals needs all 1623 characters, {len(missing)} are missing, "
            f"the first is {missing[0]}"
        )
    return {part: [position[name] for name in wanted[part]] for part in SPLITS}


def _random(seed: int, count: int) -> dict[str, list[int]]:
    if count != sum(_RANDOM_SIZES):
        raise InvalidTasks(f"split random needs all 1623 characters, got {count}")
    keys = torch.tensor(key("omniglot", "random", seed))
    order = seeding.permutation(keys, count).tolist()
    a, b = _RANDOM_SIZES[0], sum(_RANDOM_SIZES[:2])
    return {"train": sorted(order[:a]), "validation": sorted(order[a:b]), "test": sorted(order[b:])}


@functools.cache
def vinyals_lists() -> dict[str, list[str]]:
    """The characters ("Alphabet/characterNN") of each split, sorted as in the lists."""
    text = resources.files("metaopt.tasks").joinpath("data/vinyals.json").read_text("utf-8")
    lists = json.loads(text)
    return {
        part: [f"{alphabet}/character{n:02d}" for alphabet, ns in lists[part].items() for n in ns]
        for part in SPLITS
    }
