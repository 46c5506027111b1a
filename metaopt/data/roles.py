"""Roles: what each column of a table is for.

classification   class: "class" or "label", else as said          a group is a class
regression       task and target, likewise                        a group is a task
labelled tasks   task and class, if both are said                 a group is a task
text             text and class, likewise                         all others are left out
each             split, if there is one; all others are features
"""

from collections.abc import Sequence
from dataclasses import dataclass

from metaopt.data.columns import Column, Numbers, Words
from metaopt.data.limits import MOST_GROUPS, MOST_LABELS
from metaopt.data.packing import Packing
from metaopt.errors import InvalidData
from metaopt.messages import did_you_mean, shown

CLASSES = ("class", "label")
MOST_ONE_HOT = 32
"""Different words of a feature column, each of which becomes a feature."""


@dataclass(frozen=True)
class Roles:
    """Names of columns by what they are for.

    Args:
        group: The class of a row, or its task; "" where rows have none.
        targets: Numbers to predict; () where there are classes.
        label: The class of a row, where groups are tasks that tell the same classes apart.
        split: Its split, if a column says it.
        text: The text that is to be told apart, if the data are texts.
        features: All others.
    """

    group: str
    targets: tuple[str, ...] = ()
    label: str | None = None
    split: str | None = None
    text: str | None = None
    features: tuple[str, ...] = ()

    @property
    def used(self) -> tuple[str, ...]:
        """All columns that are read."""
        named = (self.group, *self.targets, self.label, self.split, self.text, *self.features)
        return tuple(name for name in named if name)

    def column(self, name: str, *, is_number: bool) -> Column:
        """What takes up a column.

        Args:
            name: One of `used`.
            is_number: Whether its first value is one.

        Raises:
            InvalidData: It is to be predicted, and is none.
        """
        if name in (self.group, self.split):
            return Words(name, MOST_GROUPS, are_labels=True)
        if name == self.label:
            return Words(name, MOST_LABELS, are_labels=True)
        if name == self.text:
            return Words(name, 2**62, are_labels=True)
        if name in self.targets and not is_number:
            raise InvalidData(
                f"column {shown(name)} is to be predicted and has no numbers: name one that has "
                "(target), or name it as the class"
            )
        return Numbers(name) if is_number else Words(name, MOST_ONE_HOT, are_labels=False)


def roles_of(names: Sequence[str], packing: Packing, *, texts: bool) -> Roles:
    """The role of each column.

    Args:
        names: Of all columns.
        packing: What was said of them.
        texts: Whether the data are texts.

    Raises:
        InvalidData: A column that was named is not there, or it does not follow which is which.
    """
    _check_names(names)
    if texts:
        packing.only("texts", "class_column", "split", "text", "features", "header")
    else:
        packing.only(
            "a table", "task", "target", "class_column", "split", "without", "header"
        )  # fmt: skip
    for name in (packing.task, *packing.target, packing.class_column, packing.split, packing.text,
                 *packing.without):  # fmt: skip
        if name is not None and name not in names:
            meant = did_you_mean(name, names)
            raise InvalidData(f"there is no column {shown(name)}{meant}; there are {_all(names)}")
    split = packing.split or ("split" if "split" in names else None)
    split = None if split in packing.without else split
    if texts:
        text = packing.text or _one_of(("text",), names, "text", "the texts")
        return Roles(_class(names, packing), split=split, text=_apart(text, packing, split))
    group, targets = _group(names, packing)
    label = packing.class_column if packing.task is not None else None
    taken = {group, *targets, label, split, *packing.without}
    features = tuple(name for name in names if name not in taken)
    if not features:
        raise InvalidData(f"no column is left to learn from: there are {_all(names)}")
    said = [name for name in (group, *targets, label, split) if name is not None]
    if len(set(said)) < len(said):
        raise InvalidData(f"one column has several roles: {', '.join(said)}")
    return Roles(group, targets, label, split, None, features)


def _group(names: Sequence[str], packing: Packing) -> tuple[str, tuple[str, ...]]:
    """The column of the class and no targets, or of the task and its targets."""
    has_tasks = {"task", "target"} <= set(names)
    if packing.class_column is not None and packing.task is not None:
        return packing.task, ()
    if packing.task is not None or packing.target:
        task = packing.task or _one_of(("task",), names, "task", "the tasks")
        targets = packing.target or (_one_of(("target",), names, "target", "what to predict"),)
        return task, targets
    classes = [name for name in CLASSES if name in names and name not in packing.without]
    if packing.class_column is None and has_tasks and classes:
        raise InvalidData(
            f"the table has columns task and target, and {shown(classes[0])} too: say class for "
            "classes to tell apart, or task and target for numbers to predict"
        )
    if packing.class_column is None and has_tasks:
        return "task", ("target",)
    return _class(names, packing), ()


def _class(names: Sequence[str], packing: Packing) -> str:
    if packing.class_column is not None:
        return packing.class_column
    there = tuple(name for name in CLASSES if name not in packing.without)
    return _one_of(there, names, "class", "the classes (or task and target, with numbers)")


def _one_of(wanted: Sequence[str], names: Sequence[str], option: str, what: str) -> str:
    found = [name for name in wanted if name in names]
    if len(found) != 1:
        raise InvalidData(
            f"it does not follow which column has {what}: name it ({option}); there are "
            f"{_all(names)}"
        )
    return found[0]


def _apart(text: str, packing: Packing, split: str | None) -> str:
    if text in (packing.class_column, split):
        raise InvalidData(f"column {shown(text)} cannot be the text and something else too")
    return text


def _check_names(names: Sequence[str]) -> None:
    for place, name in enumerate(names):
        if not name.strip():
            raise InvalidData(f"column {place + 1} has no name: give it one, or remove it")
        if name in names[:place]:
            raise InvalidData(f"two columns are called {shown(name)}: rename one")


def _all(names: Sequence[str], most: int = 12) -> str:
    more = len(names) - most
    few = ", ".join(shown(name) for name in names[:most])
    return f"{few} and {more} more" if more > 0 else few
