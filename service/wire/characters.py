r"""Characters that nobody sees, or that change how others are shown: found, named, escaped.

    hidden("a\u202eb")        [1]        RIGHT-TO-LEFT OVERRIDE: what follows is shown backwards
    character("\ufeff")       "U+FEFF (a byte-order mark)"
    printable("a\u202eb")     a\u202eb, as six characters: what a terminal or a page may show

The joiners U+200C and U+200D are letters of some scripts and glue of emoji, so they are hidden only
beside ASCII or at an end.
"""

import re
import unicodedata

_UNUSUAL = re.compile(r"[^\x20-\x7e]")
_JOINERS = "\u200c\u200d"
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")  # fillers: no ink, no space
_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NAMED = {"\ufeff": "a byte-order mark", "\t": "a tab", "\n": "a line break", "\0": "NUL"}


def hidden(text: str) -> list[int]:
    """The places, from 0, of characters that are not seen or that direct or break what is shown."""
    return [one.start() for one in _UNUSUAL.finditer(text) if _is_hidden(text, one.start())]


def character(char: str) -> str:
    """A character as a message names it: by itself where it can be seen, and by its number."""
    code = f"U+{ord(char):04X}"
    name = _NAMED.get(char) or unicodedata.name(char, "")
    if char.isascii() and char.isprintable():
        return "a space" if char == " " else repr(char)
    return f"{code} ({name})" if name else code


KEPT = "\n\t\u2800"
"""What plain text may have: lines, columns, and the empty cell of pictures in Braille."""


def printable(text: str, keep: str = KEPT) -> str:
    r"""`text` as it may be shown: what is hidden in it is written as JSON would, `\u202e`.

    Args:
        text: Anybody's; plain text comes back as it is, JSON means the same afterwards.
        keep: Hidden characters that stay.
    """
    places = [at for at in hidden(text) if text[at] not in keep]
    if not places:
        return text
    pieces, done = [], 0
    for at in places:
        pieces += [text[done:at], _escape(text[at])]
        done = at + 1
    return "".join([*pieces, text[done:]])


def _is_hidden(text: str, at: int) -> bool:
    char = text[at]
    if char in _JOINERS:
        beside = (text[at - 1 : at], text[at + 1 : at + 2])
        return any(not one or one.isascii() or one in _JOINERS for one in beside)
    return char in _BLANK or unicodedata.category(char) in _CATEGORIES


def _escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass").hex()  # two beyond U+FFFF, as JSON has them
    return "".join(rf"\u{unit}" for unit in re.findall("....", units))
