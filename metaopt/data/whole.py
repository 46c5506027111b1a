"""Whether a data set that comes from a file is whole: manifest and arrays fit each other."""

from pathlib import Path

from metaopt.data.manifest import Group, Manifest
from metaopt.data.pack import Packed
from metaopt.errors import InvalidData


def parsed(text: str, path: Path) -> Manifest:
    """The manifest that a file's text is.

    Raises:
        InvalidData: It is none.
    """
    try:
        return Manifest.from_json(text)
    except (ValueError, TypeError, LookupError) as error:
        raise InvalidData(f"{path} is no manifest of a data set: {error}") from None


def checked(packed: Packed) -> Packed:
    """The data set itself.

    Raises:
        InvalidData: Its arrays are not those that its manifest tells of.
    """
    manifest, arrays = packed.manifest, packed.arrays
    wanted = {"x": (manifest.examples, *manifest.input_shape)}
    if manifest.target == "number":
        wanted["y"] = (manifest.examples, manifest.outputs)
    found = {name: array.shape for name, array in arrays.items()}
    if found != wanted:
        raise InvalidData(
            f"data set sha256:{manifest.digest[:12]}… is damaged: its arrays are {found}, its "
            f"manifest tells of {wanted}"
        )
    if manifest.target == "label" and not all(_has_counts(g, manifest) for g in manifest.groups):
        raise InvalidData(
            f"data set sha256:{manifest.digest[:12]}… is damaged: a task's examples are not those "
            f"of its {manifest.outputs} classes"
        )
    return packed


def _has_counts(group: Group, manifest: Manifest) -> bool:
    fits = len(group.parts) == manifest.outputs and sum(group.parts) == group.examples
    if group.supports is None:
        return fits
    fits &= len(group.supports) == len(group.parts)
    return fits and all(0 <= s <= n for s, n in zip(group.supports, group.parts, strict=True))
