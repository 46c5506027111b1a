"""Variables that look like one of ours and are none: what they should set is not set."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from service.client.client import VARIABLES
from service.settings import Settings

PREFIX = "METAOPT_"


def misspelled(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield each variable that is nearly one of ours, with the one that may be meant.

    Others that begin so are somebody else's, as those that Kubernetes makes for a service of our
    name.
    """
    known = [name.upper() for name in Settings.model_fields]
    known += [name.removeprefix(PREFIX) for name in VARIABLES]
    for name in sorted(names):
        rest = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and rest not in known:
            for meant in get_close_matches(rest, known, n=1, cutoff=0.7):
                yield name, PREFIX + meant
