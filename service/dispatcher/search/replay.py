"""Replaying: does a branch's log follow from its spec?  Pure functions.

A suggestion is a function of (study seed, branch, ask index) and of the asks and tells before it;
once its sampler has failed, which the log says, of the first three alone.
So each ask of the log is asked again, each tell told again, and what comes out must be what the
log says, byte for byte as JSON; the points of a warm start come from the spec.  The first
suggestion that differs ends the replay: those after it were made from another history.

Samplers that model (numpy, scipy) give the same bits on the same versions and kind of processor.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from metaopt.errors import InvalidSearch
from metaopt.goals import Goals
from metaopt.search.branches import FAILED_BEFORE, LogEntry
from service.db.asks import RANDOM
from service.planning.branch_search import branch_search
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec
from service.wire.spec.warm_start import warm_points
from service.wire.views.studies import AskView


@dataclass(frozen=True)
class Replayed:
    """What became of a branch's replay.

    Args:
        asks: Suggestions in the log.
        agreeing: How many came out the same before the first that did not.
        difference: What differs, as a sentence; None if all agree.
    """

    branch: str
    asks: int
    agreeing: int
    difference: str | None = None


def replay_branch(spec: StudySpec, branch: Branch, log: Iterable[AskView]) -> Replayed:
    """Whether the log of a branch's asks and tells is what its spec leads to."""
    entries = [_log_entry(entry, spec.goals()) for entry in log]
    asks = sum(1 for entry in entries if entry.kind == "ask")
    search, agreeing = branch_search(spec, branch, []), 0
    warm = warm_points(spec.warm_start, branch)
    for entry in entries:
        try:
            if entry.kind == "tell":
                search.tell(
                    entry.trial_number,
                    entry.outcome or "",
                    entry.loss,
                    entry.meta_iteration,
                    entry.losses,
                    entry.metrics,
                )
                continue
            if search.asks < len(warm):
                suggestion = warm[search.asks]
                search.restore(entry.trial_number, suggestion)
            else:
                if entry.random:
                    search.fall_back(FAILED_BEFORE)
                suggestion = search.ask(entry.trial_number)
            derived, logged = as_bytes(suggestion), as_bytes(entry.params or {})
        except InvalidSearch as error:
            return Replayed(branch.name, asks, agreeing, str(error))
        if derived != logged:
            difference = (
                f"trial {entry.trial_number}: the log has {logged}, the sampler gives {derived}"
            )
            return Replayed(branch.name, asks, agreeing, difference)
        agreeing += 1
    return Replayed(branch.name, asks, agreeing)


def as_bytes(params: Mapping[str, Any]) -> str:
    """Suggested parameters as JSON in which equal text means equal bits."""
    return json.dumps(dict(params), sort_keys=True, allow_nan=False)


def _log_entry(entry: AskView, goals: Goals) -> LogEntry:
    return LogEntry(
        entry.kind,
        entry.trial_number,
        params=entry.params,
        outcome=entry.outcome,
        loss=None if entry.value is None else goals.loss(entry.value),
        meta_iteration=entry.meta_iteration,
        losses={rung: goals.loss(score) for rung, score in entry.scores.items()},
        metrics=entry.metrics,
        random=entry.kind == "ask" and entry.outcome == RANDOM,
    )
