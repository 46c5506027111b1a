"""Kinds of events: what can happen to a study, what is said of it, and in which sentence.

`service.db.events` appends and reads them.  A new kind is a row of `EVENTS` and the place that
appends it: stream, page, command line and webhooks learn of it from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any

from metaopt.errors import MetaoptError
from metaopt.registry import Registry

Data = Mapping[str, Any]
"""Ids, names, causes and finite numbers, by name."""

Words = Callable[[float | None], str]
"""A score, in the unit of the study's metric."""

Sentence = Callable[[Data, Words], str | None]


@dataclass(frozen=True)
class EventKind:
    """A kind of event.

    Args:
        name: As the stream has it; at most 32 characters.
        doc: When it happens.
        data: What may be said of it, with types.
        sentence: (data, words of a score) -> what people read; None where it says too little.
            Data of an older server may lack names.
        notifies: Whether webhooks, and logs of CI, may be told of it.
    """

    name: str
    doc: str
    data: Mapping[str, type | UnionType]
    sentence: Sentence
    notifies: bool = False

    def check(self, data: Data) -> None:
        """Refuse data that are not of this kind.

        Raises:
            MetaoptError: A name that the kind has not, or another type.  A name may be missing.
        """
        for name, value in data.items():
            if name not in self.data:
                allowed = ", ".join(self.data) or "nothing"
                raise MetaoptError(f"event {self.name} says {allowed}, got {name!r}")
            if not isinstance(value, self.data[name]):
                wanted = getattr(self.data[name], "__name__", str(self.data[name]))
                raise MetaoptError(f"{name} of event {self.name} must be {wanted}, got {value!r}")


def sentence(kind: str, data: Data, score: Words) -> str | None:
    """An event as a sentence, also one of a newer server; None for one that says too little."""
    if kind not in EVENTS.names():
        return kind.replace("_", " ")
    return EVENTS.get(kind).sentence(data, score)


def notifying() -> list[str]:
    """The events that webhooks, and logs of CI, may be told of."""
    return [kind.name for kind in EVENTS if kind.notifies]


NUMBER = float | int
TRIAL: dict[str, type | UnionType] = {"trial_number": int, "branch": str, "role": str}
MOVE: dict[str, type | UnionType] = {"from": str, "to": str}

_ROLES = {
    "verdict": " (finalist)",
    "replica": " (again)",
    "candidate": " (candidate)",
    "incumbent": " (baseline)",
}


def _trial(data: Data) -> str:
    trial = f"{data.get('branch', '')} trial {data.get('trial_number', '')}".strip()
    return trial + _ROLES.get(str(data.get("role")), "")


def _says(text: str) -> Sentence:
    return lambda data, score: text


def _nothing(data: Data, score: Words) -> None:
    return None


def _failed(data: Data, score: Words) -> str:
    return f"study failed: {data.get('error')}"


def _reported(data: Data, score: Words) -> str:
    after = f"after {data.get('meta_iteration')} meta-iterations"
    return f"{_trial(data)}: {score(data.get('score'))} {after}"


def _finished(data: Data, score: Words) -> str:
    cause = f": {data['cause']}" if data.get("cause") else ""
    return f"{_trial(data)} {data.get('status')}{cause}"


def _lost(data: Data, score: Words) -> str:
    return f"worker {data.get('slot')} lost: {data.get('cause')}"


def _warned(data: Data, score: Words) -> str:
    return f"warning: {data.get('warning')}"


def _changed(data: Data, score: Words) -> str:
    budget = data.get("budget", {})
    changes = (f"{name}={'none' if amount is None else amount}" for name, amount in budget.items())
    return f"budget changed: {' '.join(changes)}"


def _search_ended(data: Data, score: Words) -> str:
    if data.get("by") == "error":
        return "search ended by an error"
    return f"search ended by its budget: {data.get('by')}"


def _numbers(data: Data) -> str:
    return ", ".join(str(number) for number in data.get("trial_numbers", []))


def _replicas(data: Data, score: Words) -> str:
    return f"the noise of training leaves open which is best: again trials {_numbers(data)}"


def _verdict(data: Data, score: Words) -> str:
    return f"verdict: training trials {_numbers(data)} afresh"


def _looking(data: Data, score: Words) -> str:
    return f"gates: looking at {data.get('tasks')} tasks with {data.get('trials')} trainings"


def _gates(data: Data, score: Words) -> str:
    answers = (f"{rule} {answer}" for rule, answer in data.get("answers", {}).items())
    return f"gates: {', '.join(answers)}"


def _promoted(data: Data, score: Words) -> str:
    return f"promoted: it is now {data.get('name')}@{data.get('version')}"


def _drifted(data: Data, score: Words) -> str:
    return f"drift: {data.get('baseline')}@{data.get('version')} is {data.get('direction')}"


def _cleared(data: Data, score: Words) -> str:
    count = data.get("events")
    before = f"{count} events before this are" if count else "events before this are"
    return f"{before} not kept any more"


EVENTS_CLEARED, SEGMENTS_CLEARED = "events_cleared", "segments_cleared"

EVENTS: Registry[EventKind] = Registry("event", None, MetaoptError)

for _kind in (
    EventKind(
        "study_submitted",
        "the study is in the queue; `trials` of its budget",
        {"trials": int},
        _says("study submitted"),
    ),
    EventKind("study_running", "the dispatcher has begun it", {}, _says("study running")),
    EventKind("study_paused", "somebody paused it", MOVE, _says("study paused")),
    EventKind("study_resumed", "somebody resumed it", MOVE, _says("study resumed")),
    EventKind(
        "study_completed",
        "the verdict is there; its best trial and that one's sealed score",
        {"trial_number": int, "score": NUMBER | NoneType},
        _says("study completed"),
        notifies=True,
    ),
    EventKind(
        "study_failed",
        "the study ended with an error",
        {"error": str},
        _failed,
        notifies=True,
    ),
    EventKind(
        "study_cancelled",
        "somebody cancelled it",
        MOVE,
        _says("study cancelled"),
        notifies=True,
    ),
    EventKind(
        "trial_started",
        "an attempt at a trial begins",
        {**TRIAL, "attempt": int, "slot": str, "meta_iteration": int},
        _nothing,
    ),
    EventKind(
        "trial_reported",
        "a trial is scored; enough to draw its curve",
        {**TRIAL, "meta_iteration": int, "score": NUMBER, "low": NUMBER, "high": NUMBER},
        _reported,
    ),
    EventKind(
        "trial_finished",
        "a trial has its last status",
        {**TRIAL, "status": str, "cause": str | NoneType},
        _finished,
    ),
    EventKind(
        "worker_lost",
        "a worker died or did not answer, with these trials",
        {"slot": str, "cause": str, "trial_numbers": list},
        _lost,
    ),
    EventKind(
        "study_warned",
        "something failed that the study goes on without; `warning` says what",
        {"warning": str},
        _warned,
    ),
    EventKind(
        "budget_changed",
        "somebody changed these fields of the budget",
        {"budget": dict},
        _changed,
    ),
    EventKind(
        "search_ended", "this budget of the search is spent, or `error`", {"by": str}, _search_ended
    ),
    EventKind(
        "replicas_started",
        "these trials are trained again",
        {"trial_numbers": list},
        _replicas,
    ),
    EventKind(
        "verdict_started",
        "these trials are finalists",
        {"trial_numbers": list},
        _verdict,
    ),
    EventKind(
        "gates_looking",
        "an interim analysis of the gates begins, with so many trainings",
        {"tasks": int, "trials": int},
        _looking,
    ),
    EventKind(
        "gates_passed",
        "the study's gates passed; the answer to each rule",
        {"answers": dict},
        _gates,
    ),
    EventKind(
        "gate_failed",
        "the study's gates did not pass; the answer to each rule",
        {"answers": dict},
        _gates,
        notifies=True,
    ),
    EventKind(
        "baseline_promoted",
        "the best finalist has become this version of a baseline",
        {"name": str, "version": int},
        _promoted,
    ),
    EventKind(
        "drift_detected",
        "after its end: it confirms that a schedule's incumbent has moved",
        {
            "schedule_id": str,
            "schedule": str,
            "baseline": str,
            "version": int,
            "direction": str,
            "score": NUMBER,
            "before": NUMBER,
            "centre": NUMBER,
        },
        _drifted,
        notifies=True,
    ),
    EventKind(
        EVENTS_CLEARED,
        "long after its end: so many events up to this id are not kept any more (retention.md)",
        {"events": int},
        _cleared,
    ),
    EventKind(
        SEGMENTS_CLEARED,
        "long after its end: into what the time of its slots went is not kept any more",
        {},
        _says("how the time of the slots was spent is not kept any more"),
    ),
):
    EVENTS.add(_kind)
