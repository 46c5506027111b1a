"""Warnings of stored specs: found once in a process, since every page and report asks for them."""

import json
from functools import lru_cache
from typing import Any

from service.planning.warnings import Trials, warnings
from service.wire.spec.stored import LONGEST_KEPT, MOST_KEPT, stored_spec


def stored_warnings(data: dict[str, Any], trials: Trials | None) -> list[str]:
    """What `warnings` says of the spec of a row."""
    text = json.dumps(data)
    find = _kept_warnings if len(text) <= LONGEST_KEPT else _warnings
    return list(find(text, tuple(trials.items()) if trials else None))


def _warnings(text: str, trials: tuple[tuple[str, int], ...] | None) -> list[str]:
    return warnings(stored_spec(json.loads(text)), dict(trials) if trials else None)


_kept_warnings = lru_cache(MOST_KEPT)(_warnings)
