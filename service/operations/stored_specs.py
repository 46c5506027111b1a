"""Stored specs: read once in a process, since every page and report asks for them again.

A spec is checked as a whole when it is read, which takes half a millisecond or more, and a list
shows fifty.  What follows from one alone is kept by its text; nobody changes a spec that was read.
"""

import json
from functools import lru_cache
from typing import Any

from service.planning.warnings import Trials, warnings
from service.wire.spec.study import StudySpec

MOST_KEPT = 1024  # specs, some 20 KB each


def stored_spec(data: dict[str, Any]) -> StudySpec:
    """The spec of a row."""
    return _spec(json.dumps(data))


def stored_warnings(data: dict[str, Any], trials: Trials | None) -> list[str]:
    """What `warnings` says of the spec of a row."""
    return list(_warnings(json.dumps(data), tuple(trials.items()) if trials else None))


@lru_cache(MOST_KEPT)
def _spec(text: str) -> StudySpec:
    return StudySpec.model_validate(json.loads(text))


@lru_cache(MOST_KEPT)
def _warnings(text: str, trials: tuple[tuple[str, int], ...] | None) -> list[str]:
    return warnings(_spec(text), dict(trials) if trials else None)
