"""Rules of a manifest: whoever wrote it, a data set is one that could have been packed here."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from math import prod
from typing import NamedTuple, get_args

from metaopt.data.arrays import DTYPES, Layout
from metaopt.data.groups import LONGEST_NAME, SPLITS, is_text
from metaopt.data.limits import MOST_BYTES, MOST_GROUPS, MOST_LABELS, in_units
from metaopt.data.manifest import Group, Kind, Manifest, Target
from metaopt.data.pack import Packed
from metaopt.data.packing import SPDX
from metaopt.errors import InvalidData, InvalidManifest
from metaopt.messages import shown

_AXES: Mapping[str, tuple[int, ...]] = {
    "images": (3,), "table": (1,), "text": (1,), "episodes": (1, 3),
}  # fmt: skip
_TARGETS: Mapping[str, tuple[str, ...]] = {
    "images": ("class",), "table": ("class", "number", "label"), "text": ("class",),
    "episodes": ("number", "label"),
}  # fmt: skip

MOST_BROKEN = 20


class Broken(NamedTuple):
    """A rule that a manifest breaks, and the field that breaks it."""

    field: str
    rule: str


def check_manifest(manifest: Manifest) -> None:
    """Refuse a manifest that no packing would give.

    Raises:
        InvalidManifest: It breaks rules; names the fields.
    """
    refuse(broken_rules(manifest))


def refuse(broken: Iterator[Broken]) -> None:
    """Refuse a manifest that breaks rules.

    Raises:
        InvalidManifest: There is one; has the first of them.
    """
    first = list(islice(broken, MOST_BROKEN))
    if first:
        raise InvalidManifest(first)


def check_packed(packed: Packed) -> Packed:
    """The data set itself.

    Raises:
        InvalidData: Its arrays are not those that its manifest tells of.
    """
    manifest, types = packed.manifest, {dtype: name for name, dtype in DTYPES.items()}
    found = {
        name: (types.get(array.dtype.str, array.dtype.str), array.shape)
        for name, array in packed.arrays.items()
    }
    wanted = layouts(manifest)
    if found not in wanted:
        raise InvalidData(
            f"data set sha256:{manifest.digest[:12]}… is damaged: its arrays are {found}, its "
            f"manifest tells of {wanted[-1]}"
        )
    return packed


def broken_rules(manifest: Manifest) -> Iterator[Broken]:
    """The rules that a manifest breaks; what follows from types only if these are right.

    Args:
        manifest: With anything in its fields.
    """
    types = _types(manifest)
    for first in types:
        yield first
        yield from types
        return
    yield from _form(manifest)
    yield from _groups(manifest)
    yield from _names(manifest)
    if manifest.licence is not None and not SPDX.fullmatch(manifest.licence):
        yield Broken("licence", f"must be an SPDX identifier, got {shown(manifest.licence)}")


def layouts(manifest: Manifest) -> tuple[Layout, ...]:
    """The arrays that a data set of this manifest can have: of some it does not say the type."""
    shape = manifest.examples, *manifest.input_shape
    numbers: Layout = {}
    if manifest.target == "number":
        numbers = {"y": ("F32", (manifest.examples, manifest.outputs))}
    return tuple({"x": (dtype, shape), **numbers} for dtype in _dtypes(manifest))


def least_bytes(manifest: Manifest) -> int:
    """Bytes that the arrays have at least."""
    return min(bytes_of(layout) for layout in layouts(manifest))


def bytes_of(layout: Layout) -> int:
    """Bytes of the arrays together."""
    return sum(int(DTYPES[dtype][-1]) * prod(shape) for dtype, shape in layout.values())


def _dtypes(manifest: Manifest) -> tuple[str, ...]:
    if manifest.kind == "images":
        return ("U8",)
    return ("U8", "F32") if len(manifest.input_shape) == 3 else ("F32",)


def _types(manifest: Manifest) -> Iterator[Broken]:
    if manifest.version != 1:
        yield Broken("version", f"must be 1, got {shown(manifest.version)}")
    for field, values in (("kind", get_args(Kind)), ("target", get_args(Target))):
        given = getattr(manifest, field)
        if given not in values:
            yield Broken(field, f"must be one of {', '.join(values)}, got {shown(given)}")
    if not isinstance(manifest.arrays, str) or not re.fullmatch("[0-9a-f]{64}", manifest.arrays):
        rule = f"must be a SHA-256 in 64 hexadecimal digits, got {shown(manifest.arrays)}"
        yield Broken("arrays", rule)
    if not all(map(_is_count, manifest.input_shape)):
        yield Broken(
            "input_shape", f"must be whole numbers from 1 on, got {shown(manifest.input_shape)}"
        )
    if manifest.outputs != 0 and not _is_count(manifest.outputs):
        yield Broken("outputs", f"must be a whole number, got {shown(manifest.outputs)}")
    for field in ("features", "targets", "notices"):
        if not all(map(_is_text, getattr(manifest, field))):
            yield Broken(field, "must be texts that UTF-8 has")
    if manifest.licence is not None and not _is_text(manifest.licence):
        yield Broken("licence", f"must be text or null, got {shown(manifest.licence)}")
    if not isinstance(manifest.packing, Mapping) or not all(
        _is_text(name) and _is_said(value) for name, value in manifest.packing.items()
    ):
        rule = "must be names with a text, a whole number, true, false, or a list of whole numbers"
        yield Broken("packing", rule)
    for place, group in enumerate(manifest.groups):
        yield from _types_of_group(group, f"groups[{place}]")


def _types_of_group(group: Group, path: str) -> Iterator[Broken]:
    name = group.name
    if not _is_text(name) or not name.strip() or len(name) > LONGEST_NAME:
        yield Broken(f"{path}.name", f"must have 1 to {LONGEST_NAME} characters, got {shown(name)}")
    if not _is_count(group.examples):
        rule = f"must be a whole number from 1 on, got {shown(group.examples)}"
        yield Broken(f"{path}.examples", rule)
    if group.split is not None and group.split not in SPLITS:
        rule = f"must be {', '.join(SPLITS)} or null, got {shown(group.split)}"
        yield Broken(f"{path}.split", rule)
    if group.support is not None and not _is_count(group.support):
        rule = f"must be null or a whole number from 1 on, got {shown(group.support)}"
        yield Broken(f"{path}.support", rule)
    for field in ("counts", "supports"):
        given = getattr(group, field)
        if given is not None and not (
            isinstance(given, tuple) and all(map(_is_none_or_more, given))
        ):
            rule = f"must be left out, or be a list of whole numbers, got {shown(given)}"
            yield Broken(f"{path}.{field}", rule)


def _form(manifest: Manifest) -> Iterator[Broken]:
    """Whether kind, target, shapes and sizes go together."""
    kind, shape = manifest.kind, manifest.input_shape
    if manifest.target not in _TARGETS[kind]:
        yield Broken("target", f"must be {' or '.join(_TARGETS[kind])} for {kind}")
    if len(shape) not in _AXES[kind]:
        axes = " or ".join(map(str, _AXES[kind]))
        yield Broken("input_shape", f"must have {axes} axes for {kind}, got {shown(list(shape))}")
        return
    if kind == "images" and shape[0] not in (1, 3):
        yield Broken("input_shape", f"must begin with 1 or 3 channels, got {shape[0]}")
    if (manifest.outputs > 0) != (manifest.target != "class"):
        rule = "must be 0 where groups are classes, and 1 or more where they are tasks"
        yield Broken("outputs", f"{rule}, got {manifest.outputs}")
    if manifest.target == "label" and not 2 <= manifest.outputs <= MOST_LABELS:
        rule = f"must be 2 to {MOST_LABELS} classes of each task"
        yield Broken("outputs", f"{rule}, got {manifest.outputs}")
    if (least := least_bytes(manifest)) > MOST_BYTES:
        rule = f"must be of examples that take at most {in_units(MOST_BYTES)}, these take"
        yield Broken("groups", f"{rule} {in_units(least)}")


def _groups(manifest: Manifest) -> Iterator[Broken]:
    groups = manifest.groups
    if not 2 <= len({group.name for group in groups}) or len(groups) > MOST_GROUPS:
        yield Broken("groups", f"must be 2 to {MOST_GROUPS:,} of different names")
    in_splits = manifest.target == "class"  # a class may be in several, a task is in one
    keys = Counter((group.name, group.split if in_splits else None) for group in groups)
    twice = [name for (name, _), many in keys.items() if many > 1]
    if twice:
        yield Broken("groups", f"must be different ones, {shown(twice[0])} is there twice")
    for place, group in enumerate(groups):
        yield from _parts(manifest, group, f"groups[{place}]")
        field = f"groups[{place}].support"
        if manifest.kind != "episodes" or manifest.target == "label":
            if group.support is not None:
                yield Broken(field, f"must be null for {manifest.kind} of {manifest.target}s")
        elif group.support is None or group.support >= group.examples:
            rule = f"must be a number below its {group.examples} examples, got {group.support}"
            yield Broken(field, rule)


def _parts(manifest: Manifest, group: Group, path: str) -> Iterator[Broken]:
    """Whether a task has so many examples of each of its classes, if it has classes."""
    has_supports = manifest.target == "label" and manifest.kind == "episodes"
    for field, wanted in (("counts", manifest.target == "label"), ("supports", has_supports)):
        given = getattr(group, field)
        if (given is not None) != wanted:
            yield Broken(f"{path}.{field}", "is required" if wanted else "must be left out")
        elif given is not None and len(given) != manifest.outputs:
            rule = f"must be {manifest.outputs} numbers, one for each class, got {len(given)}"
            yield Broken(f"{path}.{field}", rule)
    if group.counts is not None and sum(group.counts) != group.examples:
        rule = f"must be {group.examples} together, as examples says, got {sum(group.counts)}"
        yield Broken(f"{path}.counts", rule)
    for support, count in zip(group.supports or (), group.counts or (), strict=False):
        if support > count:
            rule = f"must be at most counts, got {support} of {count}"
            yield Broken(f"{path}.supports", rule)


def _names(manifest: Manifest) -> Iterator[Broken]:
    """Whether there is a name for each feature, and for what is predicted, or for none."""
    many = manifest.input_shape[0] if len(manifest.input_shape) == 1 else 0
    for field, names, wanted in (
        ("features", manifest.features, many),
        ("targets", manifest.targets, manifest.outputs),
    ):
        if field == "targets" and manifest.target == "label" and len(names) != wanted:
            yield Broken(field, f"must be the names of the {wanted} classes, got {len(names)}")
        elif names and len(names) != wanted:
            yield Broken(
                field, f"must be as many as there are, {wanted}, or none, got {len(names)}"
            )
        elif len(set(names)) < len(names):
            yield Broken(field, "must be different ones")


def _is_count(given: object) -> bool:
    is_whole = isinstance(given, int) and not isinstance(given, bool)
    return is_whole and 1 <= given <= MOST_BYTES  # type: ignore[operator]


def _is_none_or_more(given: object) -> bool:
    return given == 0 and isinstance(given, int) and not isinstance(given, bool) or _is_count(given)


def _is_text(given: object) -> bool:
    return isinstance(given, str) and is_text(given)


def _is_said(given: object) -> bool:
    if isinstance(given, list):
        return all(isinstance(one, int) for one in given)
    return isinstance(given, int) or _is_text(given)
