"""stdout and stderr as a command finds them, and as it leaves them.

Whatever their encoding, what it lacks is escaped.  One that is closed is no room for the next file
that is opened; writing to a closed stdout fails, and what is said on a closed stderr nobody hears.
"""

import errno
import os
import sys
from typing import TextIO

STRICT = ("strict", "surrogateescape", "surrogatepass")  # other handlers are the user's own choice


def open_streams() -> None:
    """Make the three standard streams usable, before anything else is opened."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the lowest number that is free, hence this one; a stdout that only reads is refused
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    sys.stdout = _printable(sys.stdout or open(1, "w", encoding="utf-8", closefd=False))
    sys.stderr = _printable(sys.stderr or open(2, "w", encoding="utf-8", closefd=False))


def leave_streams() -> None:
    """Let nothing that is still in a stream fail when the interpreter ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            silence(stream)


def silence(stream: TextIO) -> None:
    """Send the rest of a stream to nobody."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def is_reader_gone(error: OSError) -> bool:
    """Tell whether writing failed because the reader has had enough."""
    return error.errno == errno.EPIPE


def encodable(text: str, stream: TextIO) -> str:
    """The text as the stream prints it, so that its width is known."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, stream.errors or "strict").decode(encoding)


def _printable(stream: TextIO) -> TextIO:
    if stream.errors in STRICT:
        stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
    return stream
