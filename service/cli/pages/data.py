"""Pages of the command line: data sets, and what is in one."""

from collections import Counter
from collections.abc import Iterator, Sequence

from metaopt.data.look import Look
from metaopt.data.manifest import Group, Manifest
from metaopt.data.store import Entry
from service.cli import console

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


def list_page(entries: Sequence[Entry]) -> None:
    """Print a line for each data set."""
    rows = [
        (
            ", ".join(entry.names) or "-",
            entry.manifest.kind,
            inputs(entry.manifest),
            groups_in_words(entry.manifest),
            f"{entry.manifest.examples:,}",
            entry.manifest.licence or "-",
            f"sha256:{entry.manifest.digest[:DIGITS]}…",
        )
        for entry in entries
    ]
    header = ("name", "kind", "input", "groups", "examples", "licence", "digest")
    console.table("", header, rows)


def manifest_page(manifest: Manifest, names: Sequence[str] = (), look: Look | None = None) -> None:
    """Print what a data set is.

    Args:
        names: What it is called.
        look: What its path was taken for, if it was just read.
    """
    for line in _lines(manifest, names, look):
        console.data(line)


def _lines(manifest: Manifest, names: Sequence[str], look: Look | None) -> Iterator[str]:
    if names:
        yield f"name      {', '.join(names)}"
    if look is not None:
        yield f"read as   {manifest.kind}: {FORMS[look.form]}"
    else:
        yield f"kind      {manifest.kind}"
    yield f"input     {inputs(manifest)}"
    if manifest.features and len(manifest.features) > 1:
        yield f"features  {_few(manifest.features)}"
    if manifest.target == "number":
        predicted = f": {_few(manifest.targets)}" if manifest.targets else ""
        yield f"predicts  {manifest.outputs} {_numbers(manifest.outputs)}{predicted}"
    if manifest.target == "label":
        yield f"predicts  one of {manifest.outputs} classes: {_few(manifest.targets)}"
    yield f"groups    {groups_in_words(manifest)}, {_sizes(manifest.groups)}"
    yield f"          {_few([f'{group.name} ({group.examples:,})' for group in manifest.groups])}"
    splits = Counter(group.split for group in manifest.groups if group.split is not None)
    if splits:
        yield f"splits    {', '.join(f'{split} {many:,}' for split, many in splits.items())}"
    if manifest.packing:
        packing = sorted(manifest.packing.items())
        yield f"packed    {', '.join(f'{name} {_value(value)}' for name, value in packing)}"
    yield f"licence   {manifest.licence or 'not said'}"
    yield f"digest    sha256:{manifest.digest}"
    for notice in manifest.notices:
        yield f"mind      {notice}"


def inputs(manifest: Manifest) -> str:
    """The shape of an example, in words."""
    shape = manifest.input_shape
    if len(shape) == 1:
        return f"{shape[0]:,} {_numbers(shape[0])}"
    channels, height, width = shape
    colour = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return f"{height} x {width} {colour}"


def groups_in_words(manifest: Manifest) -> str:
    """How many classes or tasks there are."""
    number = len(manifest.groups)
    one, more = ("class", "classes") if manifest.target == "class" else ("task", "tasks")
    return f"{number:,} {one if number == 1 else more}"


def _sizes(groups: Sequence[Group]) -> str:
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
