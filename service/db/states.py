"""States, and which may follow which: one pure table for studies, one for trials; policies."""

from enum import StrEnum


class StudyStatus(StrEnum):
    """State of a study."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrialStatus(StrEnum):
    """State of a trial."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    PRUNED = "pruned"
    DIVERGED = "diverged"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptOutcome(StrEnum):
    """How an attempt ended."""

    RUNNING = "running"
    FINISHED = "finished"
    EVICTED = "evicted"
    LOST = "lost"
    ERROR = "error"


class CatchUp(StrEnum):
    """What becomes of fire times that a schedule missed while no dispatcher ran."""

    SKIP = "skip"
    ONCE = "once"
    ALL = "all"


class Overlap(StrEnum):
    """What a run of a schedule does while the study of the run before goes on."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL = "cancel"


class SeedPolicy(StrEnum):
    """Whether the study of each run has a seed of its own."""

    FRESH = "fresh"
    FIXED = "fixed"


class RunStatus(StrEnum):
    """What became of a run of a schedule; of its study, the study's status tells."""

    WAITING = "waiting"
    SUBMITTED = "submitted"
    SKIPPED = "skipped"
    REFUSED = "refused"


class DeliveryStatus(StrEnum):
    """State of a delivery; only a pending one changes."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


STUDY_TRANSITIONS: dict[StudyStatus, frozenset[StudyStatus]] = {
    StudyStatus.QUEUED: frozenset(
        {StudyStatus.RUNNING, StudyStatus.PAUSED, StudyStatus.CANCELLED, StudyStatus.FAILED}
    ),
    StudyStatus.RUNNING: frozenset(
        {StudyStatus.PAUSED, StudyStatus.COMPLETED, StudyStatus.FAILED, StudyStatus.CANCELLED}
    ),
    StudyStatus.PAUSED: frozenset(
        {StudyStatus.QUEUED, StudyStatus.RUNNING, StudyStatus.CANCELLED, StudyStatus.FAILED}
    ),
    StudyStatus.COMPLETED: frozenset(),
    StudyStatus.FAILED: frozenset(),
    StudyStatus.CANCELLED: frozenset(),
}

TRIAL_TRANSITIONS: dict[TrialStatus, frozenset[TrialStatus]] = {
    TrialStatus.QUEUED: frozenset(
        # pruned: it waits with a score where a budget, or asha's last promotion, ends the search
        {TrialStatus.RUNNING, TrialStatus.PRUNED, TrialStatus.CANCELLED, TrialStatus.FAILED}
    ),
    TrialStatus.RUNNING: frozenset(set(TrialStatus) - {TrialStatus.RUNNING}),
    TrialStatus.COMPLETED: frozenset(),
    TrialStatus.PRUNED: frozenset(),
    TrialStatus.DIVERGED: frozenset(),
    TrialStatus.FAILED: frozenset(),
    TrialStatus.CANCELLED: frozenset(),
}

TERMINAL_STUDIES = frozenset(s for s, after in STUDY_TRANSITIONS.items() if not after)
TERMINAL_TRIALS = frozenset(s for s, after in TRIAL_TRANSITIONS.items() if not after)
