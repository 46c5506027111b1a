"""What the API says about studies: summaries, trials, reports, events."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from metaopt.plugins.described import Family
from service.wire.base import Instant
from service.wire.spec.stored import ShownSpec

StudyStatus = Literal["queued", "running", "paused", "completed", "failed", "cancelled"]
TrialStatus = Literal["queued", "running", "completed", "pruned", "diverged", "failed", "cancelled"]
TrialRole = Literal["search", "replica", "verdict", "candidate", "incumbent"]


class View(BaseModel):
    """Base of every answer: finite numbers, fields unknown to an older client ignored."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class BestTrial(View):
    """The best trial of a branch so far, and its score at the rung at which it was compared.

    Completed trials come first; before there is one, trials are compared at the common rung: the
    furthest at which two of the branch were scored.  So `score` is the one at `rung`, and the trial
    itself may have gone on from there, to `meta_iteration`.  Trials that keep the constraints come
    before others.
    """

    trial_number: int
    status: TrialStatus
    meta_iteration: int
    rung: int
    score: float
    score_stderr: float | None
    params: dict[str, float | int | str]


class BranchView(View):
    """A branch of a study: its search trials so far, and the best of them.

    `device_seconds` is what those have taken of what the spec allows the branch; null where it sets
    no limit.
    """

    trials: int
    best: BestTrial | None
    device_seconds: float | None = None


class SpentView(View):
    """What a study's search has spent of its budget; a budget cannot be set below it.

    `trials` are those of the search and replicas.
    """

    trials: int
    wall_seconds: float
    device_seconds: float
    meta_iterations: int


class StudyName(View):
    """A study by id and name, and its status."""

    study_id: str
    name: str
    status: StudyStatus


class WaitView(View):
    """Why a queued study has not begun: no dispatcher is live, no worker has a plug-in that it
    needs, no slot has what it requires, other studies come first, or no slot has taken it yet.

    Studies begin one after the other, as slots find no more work in those before; `before` is how
    many these are, `behind` names the first of them.  `seconds` is about how long they take at
    most, at their pace so far; null where that is not known.  `sentence` says it in words.
    """

    reason: Literal["dispatcher", "plugins", "requires", "studies", "slots"]
    before: int
    behind: list[StudyName]
    seconds: float | None
    sentence: str


class NeededPlugin(View):
    """A plug-in that a study needs, as it was when the study was submitted.

    `digest` is a SHA-256 of its sources: only a worker that has the very same trains the study.
    """

    family: Family
    name: str
    package: str
    version: str
    digest: str


class StudyView(View):
    """A study with its whole spec, every default written out.

    `trials` counts the search's trials by status, `replica_trials` those of its best that were
    trained again, `verdict_trials` those of the finalists, `gate_trials` those of the candidate and
    the incumbent; every status is there.  `busy_share` is
    the share of the time of all slots that no other study had which went into its segments; null
    before the first.  `search_ended_by` is the budget that ended the search; null while it goes on.
    `sealed_looks` is how often this study, and every other with the same sealed tasks, has scored
    a trial on them.  `warnings` say what of the spec has
    no effect or may not be meant so, and what failed on the way that the study went on without.
    `waits` says why a queued study has not begun, or that a running one stands still since no
    dispatcher is live, no slot works, or none has its plug-ins, and is null otherwise.
    `seconds_left` is about how long a running one goes on, at its pace so far; null while that is
    not known.  `plugins` are what it cannot be trained without.
    """

    study_id: str
    name: str
    status: StudyStatus
    version: int
    error: str | None
    metric: str
    maximize: bool
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    trials: dict[TrialStatus, int]
    verdict_trials: dict[TrialStatus, int]
    replica_trials: dict[TrialStatus, int] = {}
    gate_trials: dict[TrialStatus, int] = {}
    branches: dict[str, BranchView]
    busy_share: float | None = None
    spent: SpentView | None = None
    search_ended_by: str | None = None
    sealed_looks: int = 0
    warnings: list[str] = []
    waits: WaitView | None = None
    seconds_left: float | None = None
    plugins: list[NeededPlugin] = []
    spec: ShownSpec


class TrialView(View):
    """One trial; of any role but search it names the search trial that it repeats.

    A verdict trial without one has the defaults, an incumbent the baseline's configuration.
    `bank_tasks` is on how many tasks of the gate bank a candidate or incumbent is scored.
    `metrics` are what beside the score is known of it, since it was scored last: what it costs.
    """

    trial_number: int
    role: TrialRole
    branch: str
    status: TrialStatus
    params: dict[str, float | int | str]
    seed: int
    source_trial_number: int | None
    meta_iteration: int
    score: float | None
    score_stderr: float | None
    diverged_at: int | None
    cause: str | None
    attempts: int
    device_seconds: float
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    metrics: dict[str, float] | None = None
    bank_tasks: int | None = None


class ReportView(View):
    """Scores of a trial at one rung, on the first `tasks` tasks of the bank.

    `scores`, one per task, only when asked for.  Where `evaluation.keep` is `best` they are of the
    model of meta-iteration `kept_at`, and `latest_score` is what the latest model had on the
    meta-validation tasks; both are null otherwise.
    """

    meta_iteration: int
    tasks: int
    score: float
    stderr: float
    low: float
    high: float
    median: float
    trimmed_mean: float
    standard_deviation: float
    diverged_share: float
    curve: list[float]
    scores: list[float] | None
    transductive: bool
    device_seconds: float
    attempt: int
    created_at: Instant
    metrics: dict[str, float] | None = None
    kept_at: int | None = None
    latest_score: float | None = None


class AskView(View):
    """An entry of a branch's log: what its sampler was asked or told, in the order of `sequence`.

    An ask has the `params` that were suggested, and the outcome `random` where the sampler had
    failed and they were drawn at random; a tell has the outcome of the trial, and where it has
    one its score (`value`) and the meta-iteration at which that was measured.  `scores` are all
    that the sampler then knew of the trial, by meta-iteration, `metrics` what else it was told.
    """

    sequence: int
    kind: Literal["ask", "tell"]
    trial_number: int
    params: dict[str, float | int | str] | None
    outcome: str | None
    value: float | None
    meta_iteration: int | None
    scores: dict[int, float] = {}
    metrics: dict[str, float] | None = None


class EventView(View):
    """Something that happened to a study; `event_id` rises and can be resumed after."""

    event_id: int
    study_id: str
    kind: str
    data: dict[str, Any]
    created_at: Instant


class StudyPage(View):
    """Some studies, newest first; `next_cursor` asks for more."""

    items: list[StudyView]
    next_cursor: str | None


class TrialPage(View):
    """Some trials by number; `next_cursor` asks for more."""

    items: list[TrialView]
    next_cursor: str | None


class ReportPage(View):
    """Some reports of a trial by meta-iteration; `next_cursor` asks for more."""

    items: list[ReportView]
    next_cursor: str | None


class AskPage(View):
    """Some of a branch's log in its order; `next_cursor` asks for more."""

    items: list[AskView]
    next_cursor: str | None
