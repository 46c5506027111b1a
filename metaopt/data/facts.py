"""What a spec keeps of its data set: enough to check, size and name tasks without the data.

They follow from the manifest and the split, so whoever has the data set can write them down, and
everybody else reads them in the spec (docs/adr/0023).
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from metaopt.data.manifest import Manifest, Target
from metaopt.errors import MetaoptError
from metaopt.messages import shown

DATASET = "dataset"
"""The kind of tasks that has facts."""

BY_DATA = "by the data"
"""A split that is looked up with the data set, and is in the stored spec then."""


class Facts(NamedTuple):
    """What follows from a data set.

    Args:
        target: "class", "number" or "label".
        input_shape: Of one example.
        outputs: Numbers to predict of each example, or classes of each task; 0 where groups are
            classes.
        groups: How many classes, or tasks, each split has.
    """

    target: Target
    input_shape: tuple[int, ...]
    outputs: int
    groups: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**self._asdict(), "input_shape": list(self.input_shape)}


def facts_of(manifest: Manifest, groups: Mapping[str, int]) -> Facts:
    """The facts of a data set.

    Args:
        groups: How many each split has.
    """
    return Facts(manifest.target, manifest.input_shape, manifest.outputs, dict(groups))


def read_facts(given: object) -> Facts:
    """The facts that `Facts.to_json` gave.

    Raises:
        MetaoptError: They are none.
    """
    if isinstance(given, Mapping) and set(given) == set(Facts._fields):
        shape, groups = given["input_shape"], given["groups"]
        if (
            given["target"] in get_args(Target)
            and isinstance(shape, list | tuple)
            and all(map(_is_count, (*shape, given["outputs"])))
            and isinstance(groups, Mapping)
            and all(isinstance(name, str) and _is_count(n) for name, n in groups.items())
        ):
            return Facts(given["target"], tuple(shape), given["outputs"], dict(groups))
    raise MetaoptError(
        f"must be left out, or be what a stored spec says of its data set, got {shown(given)}"
    )


def _is_count(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= 10**9
