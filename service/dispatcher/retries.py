"""Retries: what the death of a worker, or an error in a segment, means for its lanes.  Pure.

    worker dead beforehand       nothing: it is put back into the queue
    the machine failed           nothing: it is put back into the queue
      three times, together      likewise, each to run alone until it has a new checkpoint, but for
                                 a disk that is full or away
      while it works for others  twenty of those, alone, end it
    out of memory, together      put back; the group may have half as many lanes from now on
    error, together              put back, each to run alone (`solo`) until it has a new checkpoint
    death, together              put back; the second at the same checkpoint makes it solo
    hung, together               put back, each to run alone: a hang takes minutes to be noticed
    death, hang or error, alone  an attempt, if it made no new checkpoint since it was begun
    invalid order, alone         failed at once: it would be as invalid next time
    damaged checkpoint           an attempt, and it goes on from the one before, or from nothing
    error that names a lane      what it is of that lane alone; the others are put back

Three attempts that count end a trial as failed, with the cause.  So a trial is only ever charged
for a death that nobody else can have caused and that it did not survive any further than
before; a storm of kills costs healthy trials time, not their lives.  What a trial was charged
with counts for as long as it makes no new checkpoint.  A hundred losses of any kind end it too, so
that nothing goes on for ever.

A machine that fails (`MachineFailed`: a full disk, no descriptors, no file server) may do so for
hours, and its slots rest meanwhile.  If it carries out segments of others between two failures of
a trial that runs alone, it is that trial that it fails for: as a model whose files are larger than
files may be.  A disk that is full or away (`StorageFailed`) fails for whoever needs it: that is
nobody's fault, whatever others do.
"""

from dataclasses import dataclass

from service.db.states import AttemptOutcome
from service.dispatcher.state import TrialState
from service.executors.base import (
    MachineFailed,
    OutOfMemory,
    SegmentFailed,
    StorageFailed,
    WorkerGone,
    WorkerHung,
)

MOST_ATTEMPTS = 3
MOST_LOSSES = 100
TOGETHER = 3  # failures of the machine, after which lanes run alone
ALONE = 20  # of the machine, while it carries out segments of others, after which a lone trial ends
MOST_FAILURES = 4000  # of the machine, for a trial, whatever else it does: some nine hours of them


@dataclass(frozen=True)
class RetryDecision:
    """What becomes of a lane.

    Args:
        outcome: Of its attempt.
        failed: It ends as failed; otherwise it is queued.
        attempts: Attempts that now count against it.
        solo: It must run alone.
        is_loss: Whether this counts towards `MOST_LOSSES`.
        gives_up: Its checkpoint is of no use: it goes on from the one before, or from nothing.
    """

    outcome: AttemptOutcome
    cause: str
    failed: bool
    attempts: int
    solo: bool
    is_loss: bool = True
    gives_up: bool = False


def decide_retry(trial: TrialState, error: Exception, *, alone: bool) -> RetryDecision:
    """What `error` (WorkerLost or SegmentFailed) means for a lane of the segment."""
    cause = str(error)
    if isinstance(error, MachineFailed):
        return _by_machine(trial, error, alone=alone)
    lane = error.lane if isinstance(error, SegmentFailed) else None
    no_fault = isinstance(error, WorkerGone) or lane not in (None, trial.trial_id)
    alone = alone or lane is not None
    charged = trial.attempts if trial.losses_here else 0  # it has come further since
    if no_fault or (isinstance(error, OutOfMemory) and not alone):
        return RetryDecision(
            AttemptOutcome.EVICTED, cause, False, trial.attempts, trial.solo, is_loss=False
        )
    by_error = isinstance(error, SegmentFailed)
    outcome = AttemptOutcome.ERROR if by_error else AttemptOutcome.LOST
    too_many = trial.losses + 1 >= MOST_LOSSES
    if not alone:
        apart = by_error or isinstance(error, WorkerHung)
        solo = trial.solo or apart or trial.losses_here + 1 >= 2
        return RetryDecision(outcome, cause, too_many, charged, solo)
    return _alone(trial, error, outcome, cause, too_many, charged)


def _by_machine(trial: TrialState, error: MachineFailed, *, alone: bool) -> RetryDecision:
    cause = str(error)
    its_own = alone and trial.machine.for_it_alone >= ALONE
    if its_own or trial.machine.failures >= MOST_FAILURES:
        return RetryDecision(AttemptOutcome.ERROR, cause, True, trial.attempts, trial.solo)
    apart = trial.machine.failures >= TOGETHER and not isinstance(error, StorageFailed)
    solo = trial.solo or apart
    return RetryDecision(AttemptOutcome.EVICTED, cause, False, trial.attempts, solo, is_loss=False)


def _alone(
    trial: TrialState,
    error: Exception,
    outcome: AttemptOutcome,
    cause: str,
    too_many: bool,
    charged: int,
) -> RetryDecision:
    stuck = trial.meta_iteration == trial.begun_at
    attempts = charged + (1 if stuck else 0)
    failed = too_many or attempts >= MOST_ATTEMPTS
    if isinstance(error, SegmentFailed) and error.kind == "CorruptCheckpoint":
        return RetryDecision(outcome, cause, failed, attempts, trial.solo, gives_up=True)
    if isinstance(error, SegmentFailed) and error.invalid:
        failed = True
    return RetryDecision(outcome, cause, failed, attempts, trial.solo)


def halved(lanes: int) -> int:
    """How many lanes a group may have after so many ran out of memory."""
    return max(1, lanes // 2)
