"""Executors: where segments run, and the messages that go there and back.

    dispatcher ── SegmentOrder ─▶ slot (a worker with warm lanes) ── SegmentReport ─▶ future

An executor has a fixed list of slots.  `submit` starts one segment on one slot and returns a
future; it resolves to the report, or fails with `WorkerLost` the moment the worker dies (the
next `submit` to that slot gets a fresh worker without lanes).  One segment runs on a slot at a
time.  Messages are plain data (JSON): a worker sees no SQL, no secret and no clock but its own.
"""

from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from metaopt.plugins.described import Described

Json = dict[str, Any]
AtEnd = Literal["nothing", "model", "checkpoint"]


@dataclass(frozen=True)
class Slot:
    """A place for one worker.

    Args:
        name: "cpu:0", "cuda:1": unique in the executor, stable over restarts.
        device: "cpu" or "cuda", as the worker sees it.
        environment: Variables set for the worker alone (CUDA_VISIBLE_DEVICES).
        place: Its device as people name it.
        memory_bytes: Of its device, or the most of a worker on a core; None where nobody knows.
        labels: That whoever runs it has given it.
    """

    name: str
    device: str
    environment: dict[str, str] = field(default_factory=dict)
    place: str = "CPU"
    memory_bytes: int | None = None
    labels: dict[str, str] = field(default_factory=dict)


class Plugin(NamedTuple):
    """A plug-in as it must be the same wherever a study trains."""

    family: str
    name: str
    digest: str


@dataclass(frozen=True)
class Admit:
    """A lane to begin or resume.

    Args:
        trial_id: Name of the lane.
        params: Every meta-hyperparameter of the algorithm by name.
        seed: Trial seed: init and tasks are functions of it and the meta-iteration.
        horizon: Meta-iterations of a whole trial (schedules end there).
        checkpoint: A checkpoint to resume from, or None to begin at 0: by its name in the store of
            blobs, which a worker gets as a path (`service.executors.blobs`).
        digest: SHA-256 of that file.
    """

    trial_id: str
    params: Json
    seed: int
    horizon: int
    checkpoint: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class SegmentOrder:
    """What a worker does in one call, in this order.

    evict, admit, train `iterations` meta-iterations on every lane, select the best model of those
    that have come where that is asked for, evaluate the lanes in
    `evaluate` on `bank`, write a checkpoint of every lane that can go on: neither diverged nor at
    its horizon.  Of a lane at its horizon write what `at_end` says.

    Args:
        signature: `metaopt.population.signature.Signature` as a dict.  A worker holds the lanes
            of one signature and one study at a time; an order for another (study_id, signature)
            drops all lanes it still has.
        study_id: Study the lanes belong to.
        evict: trial_ids to forget (an unknown one is ignored).
        admit: Lanes to add.
        iterations: Meta-iterations to train; 0 only evaluates.
        evaluate: trial_ids to evaluate after training.
        bank: `metaopt.evaluation.bank.BankSpec` as a dict.
        fewer_tasks: By trial_id, on how many tasks of the bank, its first ones, a lane is
            evaluated; the others on all.
        checkpoint_directory: Where checkpoints go, or None for none: a prefix of the store of
            blobs, which a worker gets as an existing directory.
        ahead: Lane-meta-iterations of this signature that may still come to all workers, these
            included: what a compiled program would be used for.
        workers: How many workers have lanes of this signature, this one included.
        seconds_left: What the study's budget leaves of their time, if it limits that.
        measure: Costs to measure of each lane that is evaluated (`metaopt.costs`).
        at_end: A model (`metaopt.population.model_file`), a checkpoint, from which the lane can be
            evaluated again, or nothing.
        selection: By what the best model of each lane is selected
            (`metaopt.evaluation.selection.Selection` as a dict); None is that the last one counts.
        selects: Whether any lane comes to where that is done.
        trivial_tasks: On how many tasks of the bank, its first ones, trivial predictors are scored
            too (`metaopt.evaluation.trivial`); 0 asks for none.
        plugins: What the study needs, `metaopt.plugins.described.Needed` as dicts.
        patience_seconds: For how long its worker may give no sign of progress before it is taken
            to have hung.
        hang_seconds: The floor of that, if the worker has to say by stage how long it may be
            silent (`service.executors.progress`): nobody knows yet how long its pieces take.
    """

    signature: Json
    study_id: str
    evict: list[str]
    admit: list[Admit]
    iterations: int
    evaluate: list[str]
    bank: Json
    checkpoint_directory: str | None
    ahead: int = 0
    workers: int = 1
    seconds_left: float | None = None
    fewer_tasks: dict[str, int] = field(default_factory=dict)
    measure: list[str] = field(default_factory=list)
    at_end: AtEnd = "nothing"
    selection: Json | None = None
    selects: bool = False
    trivial_tasks: int = 0
    plugins: list[Json] = field(default_factory=list)
    patience_seconds: float = 600.0
    hang_seconds: float | None = None

    @property
    def evaluates(self) -> bool:
        """Whether any lane is scored."""
        return bool(self.evaluate) or self.selects

    def to_json(self) -> Json:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> "SegmentOrder":
        """The order that `to_json` gave."""
        return cls(**{**data, "admit": [Admit(**lane) for lane in data["admit"]]})


@dataclass(frozen=True)
class LaneReport:
    """What became of one lane.  All numbers are finite.

    Args:
        trial_id: Lane.
        meta_iteration: Its age: meta-iterations trained so far.
        diverged_at: Meta-iteration at which loss or weights stopped being finite, or None.
        cause: Sentence for the user when it diverged.
        scores: Per-task scores at the lane's test steps, if evaluated.
        diverged_share: Share of bank tasks whose adaptation diverged, if evaluated.
        curve: Mean score over tasks after 0…steps inner steps, if evaluated.
        checkpoint, digest: File written at the end of the segment and its SHA-256; at the end of a
            trial it may be its model.  A worker tells its path, and its executor the name in the
            store of blobs that it has put it under.
        costs: What the order asked to measure, by name, if evaluated.
        kept_at: The meta-iteration of the model that counts, which is the one that was evaluated,
            if the best one is kept.
        latest_score: Then what the model of `meta_iteration` had, on the tasks of the selection.
    """

    trial_id: str
    meta_iteration: int
    diverged_at: int | None = None
    cause: str | None = None
    scores: list[float] | None = None
    diverged_share: float | None = None
    curve: list[float] | None = None
    checkpoint: str | None = None
    digest: str | None = None
    costs: dict[str, float] = field(default_factory=dict)
    kept_at: int | None = None
    latest_score: float | None = None


@dataclass(frozen=True)
class SegmentReport:
    """What a segment did.

    Args:
        lanes: One report for each lane that the worker held.
        seconds: Wall time of the whole segment in the worker.
        train_seconds, evaluate_seconds: Parts of it.
        peak_memory_bytes: Peak resident (CPU) or allocated (GPU) memory of the worker.
        device: Device in words.
        wait_seconds: How long the worker was idle before: from the end of its last segment (or
            from when it was ready) to the arrival of this order.  What lies between `seconds` of
            two segments is all in it, also turning a report into JSON.
        program: How the lanes were trained: "eager" or "compiled".  "compiling" is not at all: they
            wait for their program, and the worker's core compiles it.
        lane_chunk: How many lanes it computes at once: as many as fit and pay, if measured.
        sample_share: Share of `train_seconds` that went into drawing episodes, if measured.
        trivial: Scores by task of trivial predictors, by their names, if the order asked for them.
        trivial_failure: Why there are none although it did.
        lane_by_lane: Why the model cannot be mapped, so that its lanes are trained one after the
            other; None where they are one program.
        stopped: It ended early, as it was told to: lanes may be younger than ordered, and none is
            evaluated.
    """

    lanes: list[LaneReport]
    seconds: float
    train_seconds: float
    evaluate_seconds: float
    peak_memory_bytes: int
    device: str
    wait_seconds: float = 0.0
    program: str = "eager"
    sample_share: float | None = None
    lane_chunk: int = 0
    trivial: dict[str, list[float]] | None = None
    trivial_failure: str | None = None
    lane_by_lane: str | None = None
    stopped: bool = False

    @property
    def trained(self) -> bool:
        """Whether the order was carried out, but for the lanes that changed."""
        return self.program != "compiling"

    def to_json(self) -> Json:
        """Return plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Json) -> "SegmentReport":
        """The report that `to_json` gave."""
        return cls(**{**data, "lanes": [LaneReport(**lane) for lane in data["lanes"]]})


class WorkerLost(Exception):
    """The worker of a slot died during a segment; its lanes are gone, their checkpoints are not."""


class WorkerGone(WorkerLost):
    """The worker could not start, had died idle, or lost its device: no lane's fault."""


class WorkerHung(WorkerLost):
    """The worker lived and gave no sign of progress for longer than it may; it was killed."""


class WorkerHungIdle(WorkerHung, WorkerGone):
    """It had hung before it began its order: no lane's fault."""


class SegmentFailed(Exception):
    """The worker refused or failed the segment with an error and holds no lanes any more.

    Args:
        message: The error as a sentence.
        kind: Its class name.
        invalid: It is a `metaopt.errors.MetaoptError`: the order cannot be carried out, ever.
        lane: Whose fault it is, if it is known to be one lane's, whatever the others are.
    """

    def __init__(
        self, message: str, *, kind: str = "", invalid: bool = False, lane: str | None = None
    ) -> None:
        """Keep what is known about the error."""
        super().__init__(message)
        self.kind = kind
        self.invalid = invalid
        self.lane = lane


class OutOfMemory(SegmentFailed):
    """The lanes did not fit into the device's memory, or their worker's limit, together."""


class MachineFailed(SegmentFailed):
    """The machine's fault (`service.executors.blame`), as having no descriptors: no lane's."""


class StorageFailed(MachineFailed):
    """A disk of it is full or away: whichever lanes need it, none can help it."""


class Executor(Protocol):
    """What the dispatcher needs of an executor."""

    @property
    def slots(self) -> list[Slot]:
        """The slots, always the same."""
        ...

    @property
    def described(self) -> tuple[Described, ...]:
        """What its workers say of plug-ins, also of those that cannot be used; always the same."""
        ...

    def plugins(self, slot: str) -> frozenset[Plugin]:
        """The plug-ins that a slot can be given work with; always the same."""
        ...

    def submit(self, slot: str, order: SegmentOrder) -> "Future[SegmentReport]":
        """Start a segment; the future fails with WorkerLost or SegmentFailed.

        A plug-in that the order names and the slot has not fails it, too.  What one study's
        plug-ins do to their process never reaches a study without them.
        """
        ...

    def stop(self, slot: str) -> None:
        """Let the segment that was submitted last end early: its report comes soon, `stopped`.

        Lanes then are as old as they are, and have checkpoints.  One that has ended, or hangs,
        does not care.
        """
        ...

    def give_up(self, slot: str) -> None:
        """Nobody needs the lanes of that segment any more: it has seconds to end by itself.

        Then its worker is killed, whatever it does, and the future fails with WorkerLost.
        """
        ...

    def prepare(self, slot: str) -> "Future[None]":
        """Start a slot's worker, if none lives; the future fails with WorkerGone."""
        ...

    def close(self) -> None:
        """End every worker; idempotent."""
        ...
