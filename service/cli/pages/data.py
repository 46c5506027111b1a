"""Pages of the command line: data sets, and what is in one."""

from collections import Counter
from collections.abc import Iterator, Sequence

from metaopt.data.look import Look
from service.cli import console
from service.wire.views.datasets import DatasetGroup, DatasetRow, DatasetTarget, DatasetView

MOST_NAMED = 6
DIGITS = 12
FORMS = {
    "folder": "a folder a class",
    "zip": "a folder a class, in a zip",
    "idx": "MNIST's IDX files",
    "csv": "a CSV file",
    "parquet": "a Parquet file",
    "npz": "an .npz file",
    "safetensors": "a safetensors file",
    "exported": "a data set that was exported",
}


def list_page(listed: Sequence[DatasetRow]) -> None:
    """Print a line for each data set."""
    rows = [
        (
            ", ".join(one.names) or "-",
            one.kind,
            inputs(one.input_shape),
            groups_in_words(one.target, one.groups),
            f"{one.examples:,}",
            one.licence or "-",
            f"{one.digest[: len('sha256:') + DIGITS]}…",
        )
        for one in listed
    ]
    header = ("name", "kind", "input", "groups", "examples", "licence", "digest")
    console.table("", header, rows)


def manifest_page(manifest: DatasetView, look: Look | None = None) -> None:
    """Print what a data set is.

    Args:
        look: What its path was taken for, if it was just read.
    """
    for line in _lines(manifest, look):
        console.data(line)


def _lines(manifest: DatasetView, look: Look | None) -> Iterator[str]:
    if manifest.names:
        yield f"name      {', '.join(manifest.names)}"
    if look is not None:
        yield f"read as   {manifest.kind}: {FORMS[look.form]}"
    else:
        yield f"kind      {manifest.kind}"
    yield f"input     {inputs(manifest.input_shape)}"
    if manifest.features and len(manifest.features) > 1:
        yield f"features  {_few(manifest.features)}"
    if manifest.target == "number":
        predicted = f": {_few(manifest.targets)}" if manifest.targets else ""
        yield f"predicts  {manifest.outputs} {_numbers(manifest.outputs)}{predicted}"
    if manifest.target == "label":
        yield f"predicts  one of {manifest.outputs} classes: {_few(manifest.targets)}"
    groups = groups_in_words(manifest.target, len(manifest.groups))
    yield f"groups    {groups}, {_sizes(manifest.groups)}"
    yield f"          {_few([f'{group.name} ({group.examples:,})' for group in manifest.groups])}"
    splits = Counter(group.split for group in manifest.groups if group.split is not None)
    if splits:
        yield f"splits    {', '.join(f'{split} {many:,}' for split, many in splits.items())}"
    if manifest.packing:
        packing = sorted(manifest.packing.items())
        yield f"packed    {', '.join(f'{name} {_value(value)}' for name, value in packing)}"
    yield f"licence   {manifest.licence or 'not said'}"
    yield f"digest    {manifest.digest}"
    for notice in manifest.notices:
        yield f"mind      {notice}"


def inputs(shape: Sequence[int]) -> str:
    """The shape of an example, in words."""
    if len(shape) == 1:
        return f"{shape[0]:,} {_numbers(shape[0])}"
    channels, height, width = shape
    colour = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return f"{height} x {width} {colour}"


def groups_in_words(target: DatasetTarget, number: int) -> str:
    """How many classes or tasks there are."""
    one, more = ("class", "classes") if target == "class" else ("task", "tasks")
    return f"{number:,} {one if number == 1 else more}"


def _sizes(groups: Sequence[DatasetGroup]) -> str:
    sizes = [group.examples for group in groups]
    if min(sizes) == max(sizes):
        return f"{sizes[0]:,} {'example' if sizes[0] == 1 else 'examples'} each"
    return f"{min(sizes):,} to {max(sizes):,} examples each"


def _few(words: Sequence[str]) -> str:
    more = len(words) - MOST_NAMED
    few = ", ".join(words[:MOST_NAMED])
    return f"{few} and {more:,} more" if more > 0 else few


def _numbers(number: int) -> str:
    return "number" if number == 1 else "numbers"


def _value(value: object) -> str:
    if isinstance(value, list):
        return " x ".join(str(one) for one in value)
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
