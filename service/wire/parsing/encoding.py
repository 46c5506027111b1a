"""Bytes to text, and where in a text something stands.

A byte-order mark says which encoding a document has and is no part of it, whatever is read: Windows
editors put one before JSON as before YAML.  Without one a document is UTF-8.
"""

import codecs
import re

from service.wire.characters import character, hidden

_MARKS = (  # of UTF-32 first: they begin as those of UTF-16 do
    (codecs.BOM_UTF32_LE, "utf-32-le", "UTF-32"),
    (codecs.BOM_UTF32_BE, "utf-32-be", "UTF-32"),
    (codecs.BOM_UTF16_LE, "utf-16-le", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16-be", "UTF-16"),
)
_MARK = "\ufeff"
_LAYOUT = "\t\r\n"
_STRANGE_SPACE = re.compile(r"[^\S \t\r\n]")


class NotText(Exception):
    """The bytes are no text; says why, after the name of the document."""


def decode(body: bytes) -> str:
    """The text of a document, without its byte-order mark.

    Raises:
        NotText: It is not in the encoding that its mark names, or without one not in UTF-8.
    """
    encoding, name = next(
        ((encoding, name) for mark, encoding, name in _MARKS if body.startswith(mark)),
        ("utf-8", "UTF-8"),
    )
    try:
        text = body.decode(encoding).lstrip(_MARK)
    except UnicodeDecodeError as error:
        byte = f"byte 0x{body[error.start]:02x} at offset {error.start}"
        raise NotText(f"must be {name}, got {byte}: save it as UTF-8") from None
    if "\0" in text[:4]:
        raise NotText("must be UTF-8, and looks like UTF-16 without a byte-order mark")
    return text


def place(text: str, offset: int) -> str:
    """Where in a text something stands, as "line 2, column 5", with what a reader cannot see.

    Args:
        text: The whole document.
        offset: From 0; that of its end is allowed.
    """
    before = text[:offset]
    line = before.count("\n") + 1
    column = offset - (before.rfind("\n") + 1) + 1
    char = text[offset : offset + 1]
    unseen = bool(char) and not (char.isascii() and (char.isprintable() or char in "\r\n"))
    return f"line {line}, column {column}{f', where {character(char)} stands' if unseen else ''}"


def unseen(text: str) -> str:
    """Name the first character that looks like nothing, or like a space and is none.

    What is wrong with a document is often that somebody pasted one, and shows far behind it.

    Returns:
        "; U+200B (ZERO WIDTH SPACE) stands at line 3, column 6", or nothing.
    """
    places = [at for at in hidden(text) if text[at] not in _LAYOUT]
    places += [found.start() for found in _STRANGE_SPACE.finditer(text)]
    if not places:
        return ""
    at = min(places)
    where = place(text, at).partition(", where")[0]
    return f"; {character(text[at])} stands at {where}"
