"""Lanes in words: what it means that a model cannot be mapped."""

from collections.abc import Mapping
from typing import Any

COSTS = "its trials take as long as one after the other, and are not compiled"


def name_of(model: Mapping[str, Any]) -> str:
    """What a model of a spec is called: its class where it is a module, or its kind."""
    return str(model.get("ref") or model["kind"])


def lane_by_lane(model: Mapping[str, Any], because: str) -> str:
    """What is said of a model that is known not to be mapped."""
    return f"model {name_of(model)} is computed lane by lane, because {because}: {COSTS}"
