"""A manifest as plain data, from whoever wrote it: read by its rules, never trusted."""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields

from metaopt.data.incoming.rules import Broken, check_manifest, refuse
from metaopt.data.manifest import TUPLES, Group, Manifest
from metaopt.messages import did_you_mean, shown

_KNOWN = {
    kind: {
        one.name: one.default is MISSING and one.default_factory is MISSING for one in fields(kind)
    }
    for kind in (Manifest, Group)
}
"""The fields of each, and whether they are needed."""


def read_manifest(data: object) -> Manifest:
    """The manifest that the data of a JSON document describe.

    Raises:
        InvalidManifest: They describe none, or it breaks rules of packing; names the fields.
    """
    refuse(_structure(data))
    assert isinstance(data, Mapping)
    whole = {**_defaults(), **data}
    manifest = Manifest.from_data(whole)
    check_manifest(manifest)
    return manifest


def _defaults() -> dict[str, object]:
    return {"features": [], "targets": [], "notices": [], "version": 1}


def _structure(data: object) -> Iterator[Broken]:
    """Whether there are the fields that a manifest has, and lists where it has lists."""
    if not isinstance(data, Mapping):
        yield Broken("manifest", f"must be an object, got {shown(data)}")
        return
    if (version := data.get("version", 1)) != 1:
        yield Broken("version", f"must be 1, which this program reads, got {shown(version)}")
        return
    yield from _fields(data, Manifest, "")
    for name in (*TUPLES, "groups"):
        if not isinstance(data.get(name, []), list):
            yield Broken(name, f"must be a list, got {shown(data[name])}")
        elif name == "groups":
            for place, group in enumerate(data.get(name, ())):
                yield from _group(group, f"groups[{place}]")


def _group(group: object, path: str) -> Iterator[Broken]:
    if isinstance(group, Mapping):
        yield from _fields(group, Group, f"{path}.")
    else:
        yield Broken(path, f"must be an object, got {shown(group)}")


def _fields(
    data: Mapping[str, object], kind: type[Manifest | Group], path: str
) -> Iterator[Broken]:
    known = _KNOWN[kind]
    for name, is_needed in known.items():
        if is_needed and name not in data:
            yield Broken(f"{path}{name}", "is required")
    for name in data:
        if name not in known:
            meant = did_you_mean(name, known)
            yield Broken(f"{path}{shown(name)[1:-1]}", f"is not a known field{meant}")
