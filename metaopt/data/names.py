"""Names of data sets: given by people, one file each, which holds the digest.

A name is one of a store; the same name may mean something else elsewhere, so what is submitted is
the digest.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from metaopt.errors import DataNotFound, InvalidData
from metaopt.messages import did_you_mean, shown

MOST_CHARACTERS = 64
_NAME = re.compile(rf"[a-z0-9][a-z0-9._-]{{0,{MOST_CHARACTERS - 1}}}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def checked_name(name: str) -> str:
    """The name itself.

    Raises:
        InvalidData: It is none, or looks like a digest.
    """
    if not _NAME.fullmatch(name) or _DIGEST.fullmatch(name):
        raise InvalidData(
            f"the name of a data set has 1 to {MOST_CHARACTERS} of a-z, 0-9, dot, - and _, begins "
            f"with a letter or digit and is no digest, got {shown(name)}: name it, as kana-28"
        )
    return name


def name_of(path: Path) -> str:
    """A name after a path.

    Raises:
        InvalidData: Nothing in it can be one.

    Example:
        >>> name_of(Path("My Kana (28).zip"))
        'my-kana-28'
    """
    stem = path.resolve().name
    for suffix in path.suffixes[::-1]:
        stem = stem.removesuffix(suffix) if len(suffix) <= 12 else stem
    return checked_name(re.sub(r"[^a-z0-9_.]+", "-", stem.lower()).strip("-._")[:MOST_CHARACTERS])


def digest_in(reference: str) -> str | None:
    """The digest that `sha256:…`, or 64 hexadecimal digits, name; None for a name."""
    match = _DIGEST.fullmatch(reference)
    return match[1] if match else None


class Names:
    """The names of a store.

    Args:
        directory: One file for each.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def all(self) -> dict[str, str]:
        """Digest by name, by name."""
        return dict(sorted(self._each()))

    def _each(self) -> Iterator[tuple[str, str]]:
        for path in self.directory.glob("*"):
            if _NAME.fullmatch(path.name) and (digest := self._read(path)) is not None:
                yield path.name, digest

    def digest_of(self, reference: str) -> str:
        """The digest that a name or a digest means.

        Raises:
            DataNotFound: It is neither.
        """
        digest = digest_in(reference) or (
            self._read(self.directory / reference) if _NAME.fullmatch(reference) else None
        )
        if digest is None:
            there = self.all()
            meant = did_you_mean(reference, there)
            known = f"; there are {', '.join(there)}" if 0 < len(there) <= 10 else ""
            raise DataNotFound(f"there is no data set {shown(reference)}{meant}{known}")
        return digest

    @staticmethod
    def _read(path: Path) -> str | None:
        try:
            return digest_in(path.read_text("utf-8").strip())
        except (OSError, UnicodeDecodeError):
            return None
