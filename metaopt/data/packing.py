"""Packing options: what whoever packs data may say of them, each with its rule.

Nothing here is needed where the data say it themselves; what is said and does not fit the data is
refused, for it would have no effect.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from metaopt.data.manifest import Kind
from metaopt.errors import InvalidData
from metaopt.messages import did_you_mean, shown
from metaopt.plain import whole

KINDS: tuple[str, ...] = get_args(Kind)
LARGEST_SIDE = 4096
FEATURES = 256
FEWEST_AND_MOST_FEATURES = (8, 65536)
SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")


@dataclass(frozen=True)
class Packing:
    """How data are packed.

    Args:
        kind: What they are; None is what they look like.
        size: Of images, (height, width) in pixels; None keeps that of the data, if all have one.
        crop: Of images, whether the middle part that has the form of `size` is taken, and what is
            beside it cut off; else an image is stretched.
        channels: Of images, 1 (grey) or 3 (red, green, blue); None is 1 if no image has colour.
        invert: Of images, whether 255 becomes 0: where ink is dark on light paper.
        task: Column of a table that says which task a row belongs to.
        target: Columns with the numbers to predict.
        class_column: Column with the class.
        split: Column with train, validation or test.
        text: Column with texts.
        features: Numbers that a text becomes.
        without: Columns that are left out.
        header: Whether the first row of a CSV file has the names of the columns.
        licence: SPDX identifier.
    """

    kind: Kind | None = None
    size: tuple[int, int] | None = None
    crop: bool = False
    channels: Literal[1, 3] | None = None
    invert: bool = False
    task: str | None = None
    target: tuple[str, ...] = ()
    class_column: str | None = None
    split: str | None = None
    text: str | None = None
    features: int | None = None
    without: tuple[str, ...] = ()
    header: Literal["auto", "yes", "no"] = "auto"
    licence: str | None = None

    def __post_init__(self) -> None:
        """Check each option by itself.

        Raises:
            InvalidData: One breaks its rule.
        """
        if self.kind is not None and self.kind not in KINDS:
            meant = did_you_mean(self.kind, KINDS)
            raise InvalidData(
                f"kind must be one of {', '.join(KINDS)}, got {shown(self.kind)}{meant}"
            )
        self._check_types()
        self._check_images()
        if self.features is not None:
            whole("features", self.features, *FEWEST_AND_MOST_FEATURES, InvalidData)
        if self.header not in ("auto", "yes", "no"):
            raise InvalidData(f"header must be auto, yes or no, got {shown(self.header)}")
        if self.licence is not None and not SPDX.fullmatch(self.licence):
            raise InvalidData(
                f"licence must be an SPDX identifier such as CC-BY-4.0 or MIT, "
                f"got {shown(self.licence)}"
            )
        if self.target and self.class_column is not None:
            raise InvalidData(
                f"target and class exclude each other: a task predicts numbers "
                f"({', '.join(self.target)}) or tells classes apart ({self.class_column})"
            )

    def _check_types(self) -> None:
        for name in ("target", "without"):
            given = getattr(self, name)
            if not isinstance(given, tuple) or not all(isinstance(one, str) for one in given):
                raise InvalidData(f"{name} must be a tuple of names of columns, got {shown(given)}")
        for name in ("task", "class_column", "split", "text", "licence"):
            given = getattr(self, name)
            if given is not None and not isinstance(given, str):
                raise InvalidData(f"{name} must be text, got {shown(given)}")

    def _check_images(self) -> None:
        if self.size is not None:
            if not isinstance(self.size, tuple) or len(self.size) != 2:
                raise InvalidData(f"size must be (height, width) in pixels, got {shown(self.size)}")
            for side in self.size:
                whole("a side of size", side, 1, LARGEST_SIDE, InvalidData)
        if self.channels not in (None, 1, 3):
            raise InvalidData(f"channels must be 1 or 3, got {shown(self.channels)}")
        for name in ("crop", "invert"):
            if not isinstance(getattr(self, name), bool):
                given = shown(getattr(self, name))
                raise InvalidData(f"{name} must be true or false, got {given}")
        if self.crop and self.size is None:
            raise InvalidData("crop needs a size to cut images to: give one, as size 84")

    def only(self, what: str, *allowed: str) -> None:
        """Refuse options that have no meaning for some data.

        Args:
            what: The data, as a message calls them.
            allowed: Options that have one, beside kind and licence.

        Raises:
            InvalidData: Another was given.
        """
        for one in fields(self):
            if one.name in ("kind", "licence", *allowed):
                continue
            if getattr(self, one.name) != one.default:
                name = _SAID.get(one.name, one.name)
                raise InvalidData(f"{name} has no meaning for {what}: leave it out")


_SAID: Mapping[str, Any] = {"class_column": "class"}


def parse_size(text: str) -> tuple[int, int]:
    """A size as it is written: 28, or 32x24 (height, width).

    Raises:
        InvalidData: It is neither.

    Example:
        >>> parse_size("28")
        (28, 28)
    """
    match = re.fullmatch(r"([0-9]{1,6})(?:[x×]([0-9]{1,6}))?", text.strip())
    if match is None:
        raise InvalidData(f"size must be pixels as 28, or HEIGHTxWIDTH as 32x24, got {shown(text)}")
    height = int(match[1])
    return height, int(match[2] or height)
