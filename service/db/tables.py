"""The tables: prefix `mo_`, our truth.  Optuna's tables beside them are a mirror.

    mo_studies ─┬─< mo_trials ─┬─< mo_attempts
                │              └─< mo_reports      (one per trial and rung; view mo_scores)
                ├─< mo_asks                        (log of asks and tells, per branch)
                ├─< mo_segments                    (what the time of the slots went into)
                ├── mo_spending                    (what the search has spent of its budget)
                ├── mo_importances                 (of its parameters, once it has ended)
                ├─< mo_trivial_scores              (what it has to be better than)
                └─< mo_events ──< mo_deliveries    (what SSE replays; what webhooks are told)
    mo_schedules ──< mo_schedule_runs ──> mo_studies
    mo_baselines          (versions are only added)      mo_weights (of winners, by SHA-256)
    mo_idempotency_keys   mo_api_keys   mo_dispatcher (one row: the live epoch)
    mo_sessions           (browsers that are logged in)   mo_audit (who changed what; only added to)
    mo_notified           (which events each webhook has deliveries of)
    mo_plugins            (what workers said of plug-ins; a row is never deleted)

Times are UTC; JSON columns hold finite numbers only.  Trials of role "verdict" are the finalists
trained afresh, those of role "replica" the search's best trained again before that, "candidate"
and "incumbent" those that gates compare; all are numbered after the search trials and never told
to a sampler.

Studies, schedules, baselines and deliveries belong to a project; what hangs on them belongs to it,
too (`service.db.access.projects`).
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.db.columns.instants import UtcDateTime
from service.db.columns.vectors import Vector
from service.db.roles import TrialRole
from service.db.states import (
    AttemptOutcome,
    CatchUp,
    DeliveryStatus,
    Overlap,
    RunStatus,
    SeedPolicy,
    StudyStatus,
    TrialStatus,
)
from service.default_project import DEFAULT_PROJECT

Json = dict[str, Any]
BigId = BigInteger().with_variant(Integer, "sqlite")  # SQLite autoincrements INTEGER only


class Base(DeclarativeBase):
    """Our metadata, with conventional constraint names."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {
        Json: JSON(none_as_null=True),
        datetime: UtcDateTime,
        str: Text,
        float: Float(53),
    }


def _one_of(column: str, values: type[Any]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


def _project() -> Mapped[str]:
    return mapped_column(String(64), server_default=DEFAULT_PROJECT)


def _partial_index(name: str, condition: str, *columns: str) -> Index:
    """An index of the rows that keep a condition; a query uses it that says the same words."""
    where = text(condition)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


OPEN = "status IN ('queued', 'running')"
"""Which trials have not ended: few, in a table of all that ever were."""

RUNNING = "outcome = 'running'"
"""Which attempts have not ended."""


class Study(Base):
    """A spec and its state.

    `sealed_looks` counts how often a trained trial was scored on the sealed tasks.  Studies of one
    `sealed_bank` have the same sealed tasks (older studies do not say which); whoever chooses
    between studies by their verdicts has chosen by those tasks.  `warnings` are sentences about
    what failed on its way without ending it.  `plugins` are those that it needs, as they were when
    it was submitted (`metaopt.plugins.described.Needed`), `requires` is what slots must have; null
    is nothing.  `submitted_by` is the id of the API key that did, empty without keys; null where no
    request did, or it is older.
    """

    __tablename__ = "mo_studies"
    __table_args__ = (
        _one_of("status", StudyStatus),
        Index(None, "status", "created_at", "study_id"),  # who is next
        Index(None, "project", "created_at", "study_id"),  # lists
        Index(None, "project", "name", "created_at", "study_id"),  # the newest of a name
        Index(None, "project", "status", "created_at", "study_id"),  # lists of a status
        Index(None, "sealed_bank", "sealed_looks", "project"),  # all that the looks at a bank need
        Index(None, "project", "sealed_bank", "sealed_looks"),  # those at the banks of a page
        Index(None, "finished_at", "study_id"),  # what ended long ago
        # Which of those that wait need a plug-in: few, in a queue that may be long.
        _partial_index("ix_mo_studies_plugins", "plugins IS NOT NULL", "status"),
        _partial_index("ix_mo_studies_requires", "requires IS NOT NULL", "status"),  # likewise
        _partial_index("ix_mo_studies_queued_by", "status = 'queued'", "submitted_by"),  # quotas
    )

    study_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    spec: Mapped[Json]
    spec_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(16), default=StudyStatus.QUEUED)
    version: Mapped[int] = mapped_column(default=1)
    error: Mapped[str | None]
    result: Mapped[Json | None]
    sealed_looks: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    sealed_bank: Mapped[str | None] = mapped_column(String(64))
    warnings: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    plugins: Mapped[list[Json] | None] = mapped_column(JSON(none_as_null=True))
    submitted_by: Mapped[str | None] = mapped_column(String(64))
    project: Mapped[str] = _project()
    requires: Mapped[Json | None] = mapped_column(JSON(none_as_null=True))


class Trial(Base):
    """One point of a branch, or such a point trained again: as a replica, or for the verdict.

    `score` is that at `rung`, the furthest at which the trial was scored, and `metrics` are what
    else was known there; a trial that begins again keeps them until it comes further.
    `bank_tasks` is on how many tasks of the gate bank it is scored; null for roles that have other
    banks.  It resumes from `checkpoint`, or where that is damaged from the previous one.
    """

    __tablename__ = "mo_trials"
    __table_args__ = (
        UniqueConstraint("study_id", "trial_number"),
        Index(None, "study_id", "status"),
        # What a study's page shows: how many there are, how far they are, and the best of them.
        Index(None, "study_id", "role", "branch", "status", "rung", "score"),
        _partial_index("ix_mo_trials_open", OPEN, "status", "study_id"),
        _one_of("status", TrialStatus),
        _one_of("role", TrialRole),
    )

    trial_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("mo_studies.study_id", ondelete="CASCADE"))
    trial_number: Mapped[int]
    role: Mapped[str] = mapped_column(String(16), default=TrialRole.SEARCH)
    branch: Mapped[str] = mapped_column(String(32))
    ask_index: Mapped[int | None]
    source_trial_number: Mapped[int | None]
    params: Mapped[Json]
    seed: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(16), default=TrialStatus.QUEUED)
    meta_iteration: Mapped[int] = mapped_column(default=0)
    score: Mapped[float | None]
    score_stderr: Mapped[float | None]
    diverged_at: Mapped[int | None]
    cause: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    solo: Mapped[bool] = mapped_column(default=False)
    checkpoint: Mapped[str | None]
    checkpoint_sha256: Mapped[str | None] = mapped_column(String(64))
    device_seconds: Mapped[float] = mapped_column(default=0.0)
    epoch: Mapped[int | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    metrics: Mapped[Json | None]
    bank_tasks: Mapped[int | None]
    rung: Mapped[int | None]
    previous_checkpoint: Mapped[str | None]
    previous_sha256: Mapped[str | None] = mapped_column(String(64))
    previous_meta_iteration: Mapped[int | None]


class Attempt(Base):
    """One try at running a trial on a slot."""

    __tablename__ = "mo_attempts"
    __table_args__ = (
        UniqueConstraint("trial_id", "number"),
        _partial_index("ix_mo_attempts_running", RUNNING, "epoch"),
        _one_of("outcome", AttemptOutcome),
    )

    attempt_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    trial_id: Mapped[str] = mapped_column(ForeignKey("mo_trials.trial_id", ondelete="CASCADE"))
    number: Mapped[int]
    epoch: Mapped[int]
    slot: Mapped[str] = mapped_column(String(64))
    from_meta_iteration: Mapped[int]
    outcome: Mapped[str] = mapped_column(String(16), default=AttemptOutcome.RUNNING)
    cause: Mapped[str | None]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Report(Base):
    """Scores of one trial at one rung on the task bank; written once.

    `scores` has one for each task; the view `mo_scores` shows them as rows.  Where the best model
    counts, they are of that of meta-iteration `kept_at`, and `latest_score` is what the latest had
    on the meta-validation tasks; both are null where the last model counts.
    """

    __tablename__ = "mo_reports"

    trial_id: Mapped[str] = mapped_column(
        ForeignKey("mo_trials.trial_id", ondelete="CASCADE"), primary_key=True
    )
    meta_iteration: Mapped[int] = mapped_column(primary_key=True)
    score: Mapped[float]
    stderr: Mapped[float]
    low: Mapped[float]
    high: Mapped[float]
    median: Mapped[float]
    trimmed_mean: Mapped[float]
    standard_deviation: Mapped[float]
    diverged_share: Mapped[float]
    curve: Mapped[list[float]] = mapped_column(JSON)
    transductive: Mapped[bool]
    device_seconds: Mapped[float]
    attempt: Mapped[int]
    epoch: Mapped[int]
    created_at: Mapped[datetime]
    metrics: Mapped[Json | None]  # other than the score, by name; older reports have none
    scores: Mapped[list[float]] = mapped_column(Vector)
    kept_at: Mapped[int | None]
    latest_score: Mapped[float | None]


class Ask(Base):
    """The log from which a branch's sampler is rebuilt: asks and tells in their order."""

    __tablename__ = "mo_asks"
    __table_args__ = (CheckConstraint("kind IN ('ask', 'tell')", name="kind"),)

    study_id: Mapped[str] = mapped_column(
        ForeignKey("mo_studies.study_id", ondelete="CASCADE"), primary_key=True
    )
    branch: Mapped[str] = mapped_column(String(32), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(8))
    trial_number: Mapped[int]
    params: Mapped[Json | None]
    outcome: Mapped[str | None] = mapped_column(String(16))
    value: Mapped[float | None]
    meta_iteration: Mapped[int | None]
    metrics: Mapped[Json | None]


class Segment(Base):
    """One segment that was reported: what its slot's time went into.

    Instants are the dispatcher's (order sent, report taken in), seconds are the worker's.
    `seconds` is the whole segment; `wait_seconds` is what the worker waited for it while the
    study was running (`service.dispatcher.store.entries.add_segment`).  `slot_seconds` is the
    time that all slots which no other study had spent since the study's segment before: their
    sum is what the study could have used.  `lane_by_lane` is why lanes were trained one after the
    other, empty where they were one program; `scored` how many scores of tasks its lanes were
    given; older segments do not say.
    """

    __tablename__ = "mo_segments"
    __table_args__ = (
        Index(None, "study_id", "seconds", "slot_seconds"),  # all that the busy share asks for
        # All that a preview asks for: what segments of a program took so far.
        Index(
            "ix_mo_segments_pace",
            *("signature", "role", "seconds", "lanes", "meta_iterations", "segment_id"),
        ),
        _one_of("role", TrialRole),
    )

    segment_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("mo_studies.study_id", ondelete="CASCADE"))
    epoch: Mapped[int]
    slot: Mapped[str] = mapped_column(String(64))
    role: Mapped[str] = mapped_column(String(16))
    branch: Mapped[str] = mapped_column(String(32))
    signature: Mapped[str] = mapped_column(String(64))
    program: Mapped[str] = mapped_column(String(32))
    device: Mapped[str]
    lanes: Mapped[int]
    meta_iterations: Mapped[int]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    seconds: Mapped[float]
    train_seconds: Mapped[float]
    evaluate_seconds: Mapped[float]
    wait_seconds: Mapped[float]
    sample_share: Mapped[float | None]
    peak_memory_bytes: Mapped[int] = mapped_column(BigInteger)
    slot_seconds: Mapped[float]
    lane_by_lane: Mapped[str | None] = mapped_column(String(500))
    scored: Mapped[int | None]


class Spending(Base):
    """What the search of a study has spent, and which budget ended it, if one has.

    A row of its own, since it changes with every report and a study's row is large.
    `wall_seconds` is the time that the study ran under a dispatcher; the others are sums over
    its segments of roles search and replica.
    """

    __tablename__ = "mo_spending"

    study_id: Mapped[str] = mapped_column(
        ForeignKey("mo_studies.study_id", ondelete="CASCADE"), primary_key=True
    )
    wall_seconds: Mapped[float] = mapped_column(default=0.0)
    device_seconds: Mapped[float] = mapped_column(default=0.0)
    meta_iterations: Mapped[int] = mapped_column(BigInteger, default=0)
    ended_by: Mapped[str | None] = mapped_column(String(32))


class StudyImportances(Base):
    """How much the parameters of a study mattered, by branch, computed once it had ended.

    Derived: a study without a row has not been looked at since its end.  `data` is a list of
    `service.wire.views.report.BranchImportances`.
    """

    __tablename__ = "mo_importances"

    study_id: Mapped[str] = mapped_column(
        ForeignKey("mo_studies.study_id", ondelete="CASCADE"), primary_key=True
    )
    data: Mapped[list[Json]] = mapped_column(JSON)


class TrivialScores(Base):
    """Scores by task of a predictor that learns nothing but the support set.

    `bank` is `service.db.roles.BankName`: those on the sealed tasks stand beside the verdict.
    """

    __tablename__ = "mo_trivial_scores"

    study_id: Mapped[str] = mapped_column(
        ForeignKey("mo_studies.study_id", ondelete="CASCADE"), primary_key=True
    )
    bank: Mapped[str] = mapped_column(String(16), primary_key=True)
    predictor: Mapped[str] = mapped_column(String(32), primary_key=True)
    scores: Mapped[list[float]] = mapped_column(Vector)


class Event(Base):
    """Something that happened to a study, in order; what SSE sends and replays."""

    __tablename__ = "mo_events"
    __table_args__ = (Index(None, "study_id", "event_id"),)

    event_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    study_id: Mapped[str] = mapped_column(ForeignKey("mo_studies.study_id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[Json]
    created_at: Mapped[datetime]


class Schedule(Base):
    """A spec that is submitted again and again.

    All its fire times up to `planned_to` have a row in `mo_schedule_runs`, or never get one since
    the schedule was paused.  `submitted_by` is the key that made it, "" without keys; null of those
    that are older than the column.
    """

    __tablename__ = "mo_schedules"
    __table_args__ = (
        UniqueConstraint("project", "name"),
        _one_of("catch_up", CatchUp),
        _one_of("overlap", Overlap),
        _one_of("seed", SeedPolicy),
    )

    schedule_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    cron: Mapped[str] = mapped_column(String(100))
    time_zone: Mapped[str] = mapped_column(String(64))
    catch_up: Mapped[str] = mapped_column(String(16))
    overlap: Mapped[str] = mapped_column(String(16))
    seed: Mapped[str] = mapped_column(String(16))
    spec: Mapped[Json]
    paused: Mapped[bool] = mapped_column(default=False)
    version: Mapped[int] = mapped_column(default=1)
    planned_to: Mapped[datetime]
    created_at: Mapped[datetime]
    project: Mapped[str] = _project()
    submitted_by: Mapped[str | None] = mapped_column(String(64))


class ScheduleRun(Base):
    """What became of one fire time; the primary key lets each fire once.

    `ended` says that the end of its study has been looked at: is there a drift?
    """

    __tablename__ = "mo_schedule_runs"
    __table_args__ = (
        Index(None, "status", "ended"),  # what is waiting, and which studies may have ended
        _one_of("status", RunStatus),
    )

    schedule_id: Mapped[str] = mapped_column(
        ForeignKey("mo_schedules.schedule_id", ondelete="CASCADE"), primary_key=True
    )
    fire_at: Mapped[datetime] = mapped_column(primary_key=True)
    manual: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(String(16), default=RunStatus.WAITING)
    reason: Mapped[str | None]
    study_id: Mapped[str | None] = mapped_column(
        ForeignKey("mo_studies.study_id", ondelete="SET NULL")
    )
    ended: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class Delivery(Base):
    """One notification on its way to a webhook, and in the end a line of the log.

    `webhook` is a name in the operator's file; neither its secret nor its URL is in any table.
    `event_id` and `study_id` are null for a test.  `body` is sent as it is, at every attempt.
    """

    __tablename__ = "mo_deliveries"
    __table_args__ = (
        UniqueConstraint("event_id", "webhook"),
        Index(None, "webhook", "status", "next_attempt_at"),
        Index(None, "created_at", "delivery_id"),
        Index(None, "webhook", "created_at", "delivery_id"),
        Index(None, "status", "created_at", "delivery_id"),
        _one_of("status", DeliveryStatus),
    )

    delivery_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    webhook: Mapped[str] = mapped_column(String(64))
    event: Mapped[str] = mapped_column(String(32))
    event_id: Mapped[int | None] = mapped_column(
        BigId, ForeignKey("mo_events.event_id", ondelete="SET NULL")
    )
    study_id: Mapped[str | None] = mapped_column(String(32))
    body: Mapped[str]
    status: Mapped[str] = mapped_column(String(16), default=DeliveryStatus.PENDING)
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None]
    last_status_code: Mapped[int | None]
    last_error: Mapped[str | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]
    project: Mapped[str] = _project()


class Notified(Base):
    """How far a webhook has come: events up to `last_event_id` have deliveries, if it wants them.

    Those up to `since_event_id` happened before it was configured.
    """

    __tablename__ = "mo_notified"

    webhook: Mapped[str] = mapped_column(String(64), primary_key=True)
    since_event_id: Mapped[int] = mapped_column(BigInteger)
    last_event_id: Mapped[int] = mapped_column(BigInteger)


class Baseline(Base):
    """One version of a baseline; added, never changed.

    It outlives the study that it comes from.  `data` is the rest of
    `service.wire.views.baselines.BaselineView`, `scores` one list of scores by task for each
    training.
    """

    __tablename__ = "mo_baselines"

    project: Mapped[str] = mapped_column(
        String(64), primary_key=True, default=DEFAULT_PROJECT, server_default=DEFAULT_PROJECT
    )
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    study_id: Mapped[str] = mapped_column(String(32))
    data: Mapped[Json]
    scores: Mapped[list[list[float]]] = mapped_column(JSON)
    created_at: Mapped[datetime]


class Weights(Base):
    """A trained model: the file that `metaopt.population.model_file` wrote."""

    __tablename__ = "mo_weights"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class Upgrade(Base):
    """Which version of this program brought the tables to a revision."""

    __tablename__ = "mo_upgrades"

    revision: Mapped[str] = mapped_column(String(32), primary_key=True)
    metaopt: Mapped[str] = mapped_column(String(64))
    upgraded_at: Mapped[datetime]


class IdempotencyKey(Base):
    """First use of an Idempotency-Key in a project: the same key and body gets the same study.

    `answer` is what was answered then, JSON; `api_key_id` who asked, "" without API keys.
    """

    __tablename__ = "mo_idempotency_keys"
    __table_args__ = (Index(None, "created_at"),)

    project: Mapped[str] = mapped_column(
        String(64), primary_key=True, default=DEFAULT_PROJECT, server_default=DEFAULT_PROJECT
    )
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    api_key_id: Mapped[str] = mapped_column(String(32), default="")
    body_sha256: Mapped[str] = mapped_column(String(64))
    study_id: Mapped[str] = mapped_column(ForeignKey("mo_studies.study_id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    answer: Mapped[str | None] = mapped_column(Text)


class ApiKey(Base):
    """An API key: only SHA-256s are kept, of its secret and of the one before while that is valid.

    `scopes` null is all of them, `projects` null is every project: so are keys of a time before
    there were any.
    """

    __tablename__ = "mo_api_keys"

    api_key_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    scopes: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    projects: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime | None]
    previous_sha256: Mapped[str | None] = mapped_column(String(64))
    previous_expires_at: Mapped[datetime | None]


class BrowserSession(Base):
    """A browser that is logged in, by the SHA-256 of its cookie: for as long as its key is valid.

    `key_sha256` is of the very secret that was given, so a session ends with that.
    """

    __tablename__ = "mo_sessions"

    session_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_sha256: Mapped[str] = mapped_column(String(64))
    project: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AuditRow(Base):
    """Who changed what; a trigger refuses to change or delete a row.

    `via` is key, session, open (a server without keys) or command (of the operator).
    """

    __tablename__ = "mo_audit"
    __table_args__ = (Index(None, "project", "audit_id"),)

    audit_id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    created_at: Mapped[datetime]
    request_id: Mapped[str] = mapped_column(String(32))
    api_key_id: Mapped[str] = mapped_column(String(32))
    key_name: Mapped[str] = mapped_column(String(200))
    via: Mapped[str] = mapped_column(String(16))
    project: Mapped[str] = mapped_column(String(64))
    action: Mapped[str] = mapped_column(String(100))
    object: Mapped[str]
    changed: Mapped[Json | None]


class Plugin(Base):
    """A kind of a package, or of a file, as a worker described it (`metaopt.plugins.described`).

    It stays for ever, so that a study of it can be read; `present` says whether the live dispatcher
    has it, or the last one had.  What is refused has no `record`.  `lane_by_lane` is why a worker
    that trained it could not map it, if one found so.
    """

    __tablename__ = "mo_plugins"

    family: Mapped[str] = mapped_column(String(16), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    package: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str]
    record: Mapped[Json | None]
    refused: Mapped[str | None]
    present: Mapped[bool]
    described_at: Mapped[datetime]
    lane_by_lane: Mapped[str | None] = mapped_column(String(500))


class DispatcherRow(Base):
    """The live dispatcher: one row, whose epoch every write names."""

    __tablename__ = "mo_dispatcher"
    __table_args__ = (CheckConstraint("singleton = 1", name="singleton"),)

    singleton: Mapped[int] = mapped_column(primary_key=True, default=1, autoincrement=False)
    epoch: Mapped[int]
    holder: Mapped[str] = mapped_column(String(200))
    refreshed_at: Mapped[datetime]
    slots: Mapped[Json | None]
    step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
