"""The manifest of a data set: what is in it, and the digest by which everybody names it.

    sha256(manifest as canonical JSON)      the manifest names the sha256 of the arrays' file

So equal data have one name on every machine, and a changed pixel or a changed label has another.
Names that people give are not part of it: they are kept by whoever stores data sets.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

Kind = Literal["images", "table", "episodes", "text"]
Target = Literal["class", "number", "label"]


@dataclass(frozen=True)
class Group:
    """A class, or a task (of a regression, of packed episodes, or with classes of its own).

    Args:
        name: As its owner calls it.
        examples: How many there are.
        split: "train", "validation" or "test" where the data say it, else None.
        support: Of packed episodes, how many of its first examples are its support set.
        counts: Of a task with classes of its own, how many examples each has, in the order of the
            manifest's `targets`; they lie class by class.
        supports: Of packed episodes of such tasks, how many of each class's first ones are its
            support set.
    """

    name: str
    examples: int
    split: str | None = None
    support: int | None = None
    counts: tuple[int, ...] | None = None
    supports: tuple[int, ...] | None = None

    @property
    def parts(self) -> tuple[int, ...]:
        """How many examples lie together: of each class of a task, or all."""
        return (self.examples,) if self.counts is None else self.counts


@dataclass(frozen=True)
class Manifest:
    """What a data set is.

    Args:
        kind: What was packed.
        target: "class" if a group is a class and a task is to tell n of them apart; "number" if a
            group is a task and its examples have numbers to predict; "label" if a group is a task
            and its examples are of the same few classes in every task.
        input_shape: Of one example: (channels, height, width), or (features,).
        outputs: Numbers to predict of each example, or classes of each task; 0 where groups are
            classes.
        groups: In the order of their rows.
        arrays: SHA-256 of the file of the arrays, in hex.
        features: Names of a table's features, in order; () for images.
        targets: Names of the numbers to predict, or of the classes of each task, in order.
        packing: How it was packed (size, channels, …): plain data.
        licence: SPDX identifier, if its owner said one.
        notices: What looked suspicious, in sentences.
        version: Of this format.
    """

    kind: Kind
    target: Target
    input_shape: tuple[int, ...]
    outputs: int
    groups: tuple[Group, ...]
    arrays: str
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    packing: Mapping[str, Any] = field(default_factory=dict)
    licence: str | None = None
    notices: tuple[str, ...] = ()
    version: int = 1

    @property
    def examples(self) -> int:
        """How many examples there are in all."""
        return sum(group.examples for group in self.groups)

    @cached_property
    def digest(self) -> str:
        """The name of the data set: 64 hexadecimal digits."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical JSON: equal manifests are equal texts."""
        return json.dumps(self.to_data(), sort_keys=True, ensure_ascii=False, allow_nan=False)

    def to_data(self) -> dict[str, Any]:
        """Plain data; not a copy, which takes a second where there are many groups."""
        whole = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**whole, "groups": [_data(group) for group in self.groups]}

    @classmethod
    def from_json(cls, text: str) -> "Manifest":
        """The manifest that `to_json` gave.

        Raises:
            ValueError, TypeError, LookupError: it is none, or of a later version.
        """
        return cls.from_data(json.loads(text))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Manifest":
        """The manifest that plain data describe, as they are in JSON.

        Raises:
            ValueError, TypeError, LookupError: They describe none, or one of a later version.
        """
        if data["version"] != 1:
            raise ValueError(f"the manifest is of version {data['version']}, this program reads 1")
        groups = tuple(_group(group) for group in data["groups"])
        tuples = {name: tuple(data[name]) for name in TUPLES}
        return cls(**{**data, **tuples, "groups": groups})


def _data(group: Group) -> dict[str, Any]:
    own = vars(group)
    if group.counts is None and group.supports is None:
        return {name: own[name] for name in own if name not in _NEWER}
    return {name: value for name, value in own.items() if value is not None or name not in _NEWER}


def _group(data: Mapping[str, Any]) -> Group:
    return Group(**{name: _tupled(value) for name, value in {**data}.items()})


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_NEWER = ("counts", "supports")
"""Of a group, and younger than digests: a manifest has them only where they say something."""

TUPLES = ("input_shape", "features", "targets", "notices")
"""Fields that are lists in JSON."""
