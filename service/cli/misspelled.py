"""Variables that look like one of ours and are none: what they should set is not set."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from service.variables import OF_CLIENTS, OF_SETTINGS

PREFIX = "METAOPT_"


def misspelled(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that is nearly one of ours, with the one that may be meant.

    Others that begin so are somebody else's, as those that Kubernetes makes for a service of our
    name.
    """
    known = [name.removeprefix(PREFIX) for name in (*OF_SETTINGS, *OF_CLIENTS)]
    for name in sorted(names):
        rest = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and rest not in known:
            for meant in get_close_matches(rest, known, n=1, cutoff=0.7):
                yield name, PREFIX + meant
