"""What is wrong with data, or with where they are stored, as the end of a command."""

from collections.abc import Iterator
from contextlib import contextmanager

from metaopt.errors import InvalidData
from service.cli.exits import Exit, Stop, unwritable

ADVICE = "more can be said of data to `metaopt data add`"


@contextmanager
def refusals() -> Iterator[None]:
    """Have what is wrong with data, or with where they are stored, end the command in words."""
    try:
        yield
    except InvalidData as error:
        raise Stop(Exit.USAGE, str(error)) from None
    except OSError as error:
        raise unwritable(error.filename or "the data set", error) from None
