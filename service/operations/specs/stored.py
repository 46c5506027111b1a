"""Stored specs: read once in a process, since every page and report asks for them again.

A spec is checked as a whole when it is read, which takes half a millisecond or more, and a list
shows fifty.  What follows from one alone is kept by its text; nobody changes a spec that was read.
Long ones, such as those with a thousand trials to warm start from, are read each time.
"""

import json
from functools import lru_cache
from typing import Any

from service.planning.warnings import Trials, warnings
from service.wire.spec.study import StudySpec

MOST_KEPT = 256  # specs
LONGEST_KEPT = 2**16  # characters of text; objects take some ten times as much


def stored_spec(data: dict[str, Any]) -> StudySpec:
    """The spec of a row."""
    return _spec(json.dumps(data))


def stored_warnings(data: dict[str, Any], trials: Trials | None) -> list[str]:
    """What `warnings` says of the spec of a row."""
    text = json.dumps(data)
    find = _kept_warnings if len(text) <= LONGEST_KEPT else _warnings
    return list(find(text, tuple(trials.items()) if trials else None))


def _spec(text: str) -> StudySpec:
    return _kept_spec(text) if len(text) <= LONGEST_KEPT else _read(text)


def _read(text: str) -> StudySpec:
    return StudySpec.model_validate(json.loads(text))


def _warnings(text: str, trials: tuple[tuple[str, int], ...] | None) -> list[str]:
    return warnings(_spec(text), dict(trials) if trials else None)


_kept_spec = lru_cache(MOST_KEPT)(_read)
_kept_warnings = lru_cache(MOST_KEPT)(_warnings)
