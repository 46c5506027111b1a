"""How much a data set may be, and how much may be read for it: bounds on memory, not on taste."""

from metaopt.errors import InvalidData

MOST_BYTES = 2**31
"""Of a data set's arrays, which are in memory while it is packed and while it is trained on."""

MOST_UNPACKED = 4 * MOST_BYTES
"""Of all files of an archive together, as it says itself before anything is unpacked."""

MOST_FILE_BYTES = 2**26
"""Of the file of one image."""

MOST_PIXELS = 2**26
"""Of one image, as its head says before it is decoded."""

MOST_FILES = 2_000_000
"""In a folder or an archive."""

MOST_GROUPS = 100_000
"""Classes or tasks: the manifest names each, and whoever checks a spec reads it."""


MOST_LABELS = 64
"""Classes that every task tells apart."""


def check_bytes(needed: int, way_out: str) -> None:
    """Refuse arrays that would be too large, before they are made.

    Args:
        needed: Bytes.
        way_out: What makes them smaller.

    Raises:
        InvalidData: They are.
    """
    if needed > MOST_BYTES:
        raise InvalidData(
            f"the arrays would take {in_units(needed)}, a data set at most {in_units(MOST_BYTES)}: "
            f"{way_out}"
        )


def in_units(size: int) -> str:
    """Bytes for people.

    Example:
        >>> in_units(3 * 2**30)
        '3.0 GiB'
    """
    for unit, bytes_of in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= bytes_of:
            return f"{size / bytes_of:.1f} {unit}"
    return f"{size} bytes"
