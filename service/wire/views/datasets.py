"""Data sets as the API says them: what is in one, and what adds one."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from service.wire.views.studies import View

DatasetKind = Literal["images", "table", "episodes", "text"]
DatasetTarget = Literal["class", "number", "label"]
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Said = str | bool | int | list[int]
PAGE_LIMIT = 500

Count = Annotated[int, Field(ge=0)]


def _is_none(value: object) -> bool:
    return value is None


class DatasetGroup(View):
    """A class, or a task: its name, examples, split if the data say one, and, of packed episodes,
    how many of its examples are its support set.

    Of a task with classes of its own `counts` are the examples of each, and `supports` how many of
    these are its support set.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    examples: Annotated[int, Field(ge=1)]
    split: Literal["train", "validation", "test"] | None = None
    support: Annotated[int, Field(ge=1)] | None = None
    counts: Annotated[list[Count] | None, Field(exclude_if=_is_none)] = None
    supports: Annotated[list[Count] | None, Field(exclude_if=_is_none)] = None


class DatasetManifest(View):
    """What a data set is; its SHA-256 as canonical JSON is its digest.

    `arrays` is the SHA-256 of the file of its arrays, whose rows lie group by group.
    """

    kind: DatasetKind
    target: DatasetTarget
    input_shape: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1, max_length=3)]
    outputs: Annotated[int, Field(ge=0)]
    groups: Annotated[list[DatasetGroup], Field(min_length=2, max_length=100_000)]
    arrays: Sha256
    features: list[str] = []
    targets: list[str] = []
    packing: dict[str, Said] = {}
    licence: str | None = None
    notices: list[str] = []
    version: Literal[1] = 1


DatasetName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class NewDataset(View):
    """A manifest whose arrays the server has, or is sent next, and what to call the data set."""

    name: DatasetName | None = None
    manifest: DatasetManifest


class DatasetRow(View):
    """A data set in a list.

    `groups` are how many classes or tasks it has, `splits` how many of them are in each split, if
    the data say one.  `size_bytes` are those of its arrays.
    """

    digest: str
    names: list[str]
    kind: DatasetKind
    target: DatasetTarget
    input_shape: list[int]
    outputs: int
    groups: int
    examples: int
    splits: dict[str, int]
    size_bytes: int
    licence: str | None


class DamagedDataset(View):
    """A data set that the server cannot read, and what to do about it."""

    digest: str
    names: list[str]
    detail: str


class DatasetList(View):
    """Data sets, by their first name, then those without one; and those that are damaged.

    A page may end before it is full; there are more behind it while it has a `next_cursor`.
    """

    items: list[DatasetRow]
    damaged: list[DamagedDataset]
    next_cursor: str | None = None


def all_pages(page_behind: Callable[[str | None], DatasetList]) -> DatasetList:
    """All data sets of a list.

    Args:
        page_behind: Gives the page behind a cursor, or the first.
    """
    items: list[DatasetRow] = []
    damaged: list[DamagedDataset] = []
    cursor = None
    while True:
        page = page_behind(cursor)
        items += page.items
        damaged += page.damaged
        cursor = page.next_cursor
        if cursor is None:
            return DatasetList(items=items, damaged=damaged)


class DatasetView(DatasetManifest):
    """A data set: its manifest, its digest, what it is called, and the bytes of its arrays."""

    digest: str
    names: list[str]
    size_bytes: int


class UploadedArrays(View):
    """Arrays that are here: the data set is added next, within a day."""

    sha256: str


class RemovedDataset(View):
    """The data set whose name was forgotten, and its other names; without any it is gone."""

    digest: str
    names: list[str]
