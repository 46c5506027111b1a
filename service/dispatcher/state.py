"""What the dispatcher holds in memory: a copy of the rows of the studies at work.

It is loaded from the tables, changed only after the transaction that changed them, and thrown
away whole when anything is in doubt.
"""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from metaopt.errors import in_words
from metaopt.goals import SCORE
from metaopt.metaparams import Value
from metaopt.plugins.described import Needed
from metaopt.population.signature import Signature
from metaopt.search.branches import BranchSearch, Suggestion
from metaopt.search.curve import LossCurve
from metaopt.search.pruning.rule import Leader, Need, contenders
from metaopt.search.pruning.standings import Rank, Standings
from service.db.roles import ROLES, BankName, Role, TrialRole, roles_where
from service.db.states import TERMINAL_TRIALS, StudyStatus, TrialStatus
from service.dispatcher.open_trials import EVERY_KIND, Drawer, Kind, OpenTrials
from service.dispatcher.pace import Pace
from service.executors.base import Plugin, SegmentReport, Slot
from service.planning.plan import Plan, RolePlan
from service.planning.requirements import has
from service.wire.requires import Requires
from service.wire.spec.compare import Configuration
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec

Place = tuple[str, int]
"""A branch and a rung of it."""

POINTS = roles_where(told_to_sampler=True)
"""Roles of trials that a sampler asked for."""


class Group(NamedTuple):
    """Trials that may be lanes of one program: of one role, branch and signature."""

    role: str
    branch: str
    signature: str


class MachineFailures(NamedTuple):
    """Failures of the machine that a trial met with in a row; a restart counts anew.

    Args:
        failures: How many.
        for_it_alone: Those of them before which the machine had carried out a segment of others.
        reports: How many segments had been reported at the last one.
    """

    failures: int = 0
    for_it_alone: int = 0
    reports: int = 0

    def one_more(self, reports: int, *, of_all: bool = False) -> "MachineFailures":
        """One more, once so many segments have been reported.

        Args:
            of_all: It says nothing of this trial, though others may not have needed what failed.
        """
        others = self.failures > 0 and reports > self.reports and not of_all
        return MachineFailures(self.failures + 1, self.for_it_alone + others, reports)


@dataclass(slots=True)
class TrialState:
    """A trial.

    Fields that `service.db.tables.Trial` has too are copied by name, in both directions
    (`service.dispatcher.store.columns`).

    Args:
        checkpoint, checkpoint_sha256: The file it resumes from, and its digest.
        previous_checkpoint, previous_sha256, previous_meta_iteration: The one before, for when that
            is damaged (`service.dispatcher.store.generations`).
        loss: What it scored last, as a loss (`Goals.loss`): all decisions minimise.
        metrics: What else is known of it, measured with its score.
        bank_tasks: On how many tasks of the gate bank it is scored, if that is its bank.
        attempt: Number of its latest attempt, from 1; 0 before the first.
        begun_at: Meta-iteration at which that attempt began.
        attempts: Attempts that count against it (`service.dispatcher.retries`).
        losses: Attempts that ended with a dead worker or an error.
        losses_here: Those of them that began at its present checkpoint.
        device_seconds: Its share of its segments'.
        machine: How often the machine has failed it since it was last reported.
    """

    trial_id: str
    trial_number: int
    group: Group
    params: dict[str, Value]
    seed: int
    source_trial_number: int | None = None
    status: TrialStatus = TrialStatus.QUEUED
    meta_iteration: int = 0
    checkpoint: str | None = None
    checkpoint_sha256: str | None = None
    previous_checkpoint: str | None = None
    previous_sha256: str | None = None
    previous_meta_iteration: int | None = None
    loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    cause: str | None = None
    solo: bool = False
    bank_tasks: int | None = None
    device_seconds: float = 0.0
    attempt: int = 0
    begun_at: int = 0
    attempts: int = 0
    losses: int = 0
    losses_here: int = 0
    machine: MachineFailures = MachineFailures()

    @property
    def ended(self) -> bool:
        """Whether its status is terminal."""
        return self.status in TERMINAL_TRIALS

    @property
    def role(self) -> Role:
        """What holds for all trials of its role."""
        return ROLES[self.group.role]

    @property
    def configuration(self) -> Configuration:
        """What it trains."""
        return Configuration(self.group.branch, self.params)


class Looking(NamedTuple):
    """Points that a slow sampler looks for, and their places in the branch's log."""

    future: "Future[list[Suggestion]]"
    sequences: list[int]


@dataclass(frozen=True)
class Spent:
    """What a search has spent (`service.dispatcher.scheduler.budget`).

    Args:
        wall_seconds: For which the study ran.
        device_seconds, meta_iterations: Of its segments.
        best_loss: Of its completed trials.
        trials_since_best: Trials that ended after the one with the best loss.
    """

    wall_seconds: float = 0.0
    device_seconds: float = 0.0
    meta_iterations: int = 0
    best_loss: float | None = None
    trials_since_best: int = 0


@dataclass
class BranchState:
    """A branch: its search, how much of the study's budget it has, and its place in the log.

    `looking` is there while a slow sampler looks for its next trials; `failure_told` says that its
    study has a warning of the sampler's failure, `slow_told` one of lanes that are not mapped.
    `curve` has what it is compared with others by (`service.dispatcher.scheduler.branch_budgets`),
    `device_seconds` what its search trials have taken.
    """

    branch: Branch
    position: int
    budget: int
    structural: bool
    search: BranchSearch
    sequence: int = 0
    looking: "Looking | None" = None
    failure_told: bool = False
    slow_told: bool = False
    curve: LossCurve = field(default_factory=LossCurve)
    device_seconds: float = 0.0

    @cached_property
    def fixed(self) -> dict[str, Value]:
        """What its trials do not search, with its value."""
        return self.branch.fixed()

    def next_sequence(self) -> int:
        """Take the next place in the log."""
        self.sequence += 1
        return self.sequence - 1

    @property
    def spent(self) -> bool:
        """Whether its search trials have taken all the seconds that it may have."""
        most = self.branch.device_seconds
        return most is not None and self.device_seconds >= most

    @property
    def limit(self) -> int | None:
        """The most trials that it can ask for at all; None is any number."""
        return self.search.asks if self.spent else self.search.limit

    @property
    def remaining(self) -> int:
        """How many trials it may still ask for: of its budget, of its grid and of its seconds."""
        limit = self.limit
        budget = self.budget if limit is None else min(self.budget, limit)
        return max(0, budget - self.search.asks)  # a budget made smaller may keep fewer points


@dataclass
class Ahead:
    """What a group had ahead of it when that was looked at, and how many orders have told so."""

    lane_iterations: int
    orders: int = 0


@dataclass
class StudyState:
    """A study at work.

    Args:
        plan: What its spec means for trials of each role.
        trials: By number; use `add` for new ones.
        rung_losses: Losses by trial number, for each (branch, meta-iteration).
        rung_metrics: What else was known there, where anything but the score has a say.
        leaders: The best so far for each (branch, meta-iteration), where its losses by task matter.
        contenders: Likewise those that may lead but for their worst tasks, where the rule asks.
        lane_limits: Most lanes a group may have since it ran out of memory.
        ahead: What each group still trains, about (`service.dispatcher.slots`).
        paces: What segments of each group took lately.
        signatures: By their digest.
        groups: By what the signatures of their trials depend on (`service.dispatcher.groups`).
        running_since: Monotonic time from which this dispatcher has run it.
        accounted_to: Monotonic time up to which the time of its slots is in segments.
        version: Of the row that this is a copy of.
        spent, saved: What its search has spent, and what of that is in the tables.
        search_ended_by: The budget that ended its search.
        clocked_to: Monotonic time up to which its running time is in `spent`.
        rule_failure: Why its pruning rule failed last, until its warning is written.
        standings: Who came to each (branch, meta-iteration), the best first, by pool of its rule.
        open: Which of its trials have not ended, and what those are about to do.
        points_of, completed: How many points each branch has, and how many have completed.
        living: How many trials were scored at each (branch, meta-iteration) and did not diverge.
        moved_since: Trials that have moved since budgets were allotted.
        compared_at: The meta-iteration of whose losses the curves of branches are; null is none.
        trivial_tasks: On how many tasks of a bank trivial predictors were scored, or could not be.
        needs: Plug-ins without which none of its trials can be trained.
    """

    study_id: str
    plan: Plan
    created_at: datetime
    status: StudyStatus
    branches: dict[str, BranchState]
    trials: dict[int, TrialState] = field(default_factory=dict)
    rung_losses: dict[Place, dict[int, float]] = field(default_factory=dict)
    rung_metrics: dict[Place, dict[int, dict[str, float]]] = field(default_factory=dict)
    leaders: dict[Place, Leader] = field(default_factory=dict)
    contenders: dict[Place, tuple[Leader, ...]] = field(default_factory=dict)
    lane_limits: dict[Group, int] = field(default_factory=dict)
    ahead: dict[Group, Ahead] = field(default_factory=dict)
    paces: dict[Group, Pace] = field(default_factory=dict)
    signatures: dict[str, Signature] = field(default_factory=dict)
    groups: dict[tuple[Value, ...], Group] = field(default_factory=dict)
    running_since: float = 0.0
    accounted_to: float = 0.0
    version: int = 1
    spent: Spent = Spent()
    saved: Spent = Spent()
    search_ended_by: str | None = None
    clocked_to: float = 0.0
    standings: dict[Place, dict[int, Standings]] = field(default_factory=dict)
    open: OpenTrials = field(default_factory=OpenTrials)
    points_of: Counter[str] = field(default_factory=Counter)
    completed: Counter[str] = field(default_factory=Counter)
    living: Counter[Place] = field(default_factory=Counter)
    moved_since: set[int] = field(default_factory=set)
    compared_at: int | None = None
    trivial_tasks: dict[BankName, int] = field(default_factory=dict)
    rule_failure: str | None = None
    needs: tuple[Needed, ...] = ()

    @property
    def spec(self) -> StudySpec:
        """Its spec, with the budget of now."""
        return self.plan.spec

    @property
    def requires(self) -> Requires:
        """What slots must have to train it."""
        return self.spec.requires

    def plan_of(self, trial: TrialState) -> RolePlan:
        """The plan for a trial's role."""
        return self.plan[trial.group.role]

    def run_from(self, now: float) -> None:
        """Begin, at monotonic time `now`, to count the time it has."""
        self.running_since = self.accounted_to = self.clocked_to = now

    def clock(self, now: float) -> None:
        """Count the time until monotonic `now` as spent, if the study runs and searches."""
        if self.status == StudyStatus.RUNNING and self.search_ended_by is None:
            passed = now - self.clocked_to
            self.spent = replace(self.spent, wall_seconds=self.spent.wall_seconds + passed)
        self.clocked_to = now

    def add(self, trials: Iterable[TrialState]) -> None:
        """Add trials; where they have scores already, those stand."""
        for trial in trials:
            self.trials[trial.trial_number] = trial
            for rung in self.losses_of(trial.group.branch, trial.trial_number):
                self.living[trial.group.branch, rung] += 1
            self.points_of[trial.group.branch] += trial.role.told_to_sampler
            self._spend(trial, trial.device_seconds)
            self._sort(trial)
            self._count(trial)

    def moved(self, trial: TrialState) -> None:
        """Take note that a trial's status or meta-iteration has changed."""
        was_open = self.open.kind(trial.trial_number) is not None
        self._sort(trial)
        if was_open:
            self._count(trial)

    def took(self, trial: TrialState, seconds: float) -> None:
        """Count a trial's share of a segment."""
        trial.device_seconds += seconds
        self._spend(trial, seconds)

    def _spend(self, trial: TrialState, seconds: float) -> None:
        if trial.role.told_to_sampler:
            self.branches[trial.group.branch].device_seconds += seconds

    def _sort(self, trial: TrialState) -> None:
        """Put a trial where it belongs among the open ones."""
        self.moved_since.add(trial.trial_number)
        drawer = Drawer(self._kind(trial), trial.group.role, trial.group.branch)
        self.open.put(trial.trial_number, None if trial.ended else drawer)

    def _count(self, trial: TrialState) -> None:
        """Count a trial that has ended."""
        if trial.status == TrialStatus.COMPLETED and trial.role.told_to_sampler:
            self.completed[trial.group.branch] += 1
        if trial.status == TrialStatus.DIVERGED:
            for rung in self.losses_of(trial.group.branch, trial.trial_number):
                self.living[trial.group.branch, rung] -= 1

    def _kind(self, trial: TrialState) -> Kind:
        if trial.status == TrialStatus.RUNNING:
            return "running"
        return "waiting" if self._waits(trial) else "ready"

    def _waits(self, trial: TrialState) -> bool:
        """Whether its rank at its rung does not let it go on."""
        if not self.plan.rule.pauses or trial.role.judged_at != "rungs":
            return False
        pools = self.standings.get((trial.group.branch, trial.meta_iteration))
        standings = pools.get(self.pool_of(trial.trial_number)) if pools else None
        if standings is None or trial.trial_number not in standings:
            return False
        return standings.place_of(trial.trial_number) >= self._promoted(standings)

    def _promoted(self, standings: Standings) -> int:
        """How many of the trials at a rung go on; all where the rule fails: none waits in vain."""
        promotes = self.plan.rule.promotes
        try:
            count = len(standings)
            return count if promotes is None else int(promotes(count, self.plan.options))
        except Exception as error:  # a rule may be anybody's
            self.rule_failure = in_words(error)
            return len(standings)

    def of_role(self, role: str) -> list[TrialState]:
        """Its trials of a role, by number."""
        trials = (trial for trial in self.trials.values() if trial.group.role == role)
        return sorted(trials, key=lambda trial: trial.trial_number)

    def points(self) -> list[TrialState]:
        """Its trials that a sampler asked for, by number."""
        trials = (trial for trial in self.trials.values() if trial.role.told_to_sampler)
        return sorted(trials, key=lambda trial: trial.trial_number)

    def open_trials(self, role: str | None = None) -> list[TrialState]:
        """Its trials (of a role) that have not ended, by number."""
        roles = None if role is None else [role]
        numbers = self.open.numbers(EVERY_KIND, roles=roles)
        return [self.trials[number] for number in numbers]

    def add_loss(self, place: Place, scored: Leader, metrics: Mapping[str, float]) -> None:
        """Keep what a trial of the search was scored at a rung, and whether it leads there."""
        self.add_scored(place, scored.trial_number, scored.loss, metrics)
        may_lead = keeps_leaders(self.plan) and self.plan.goals.feasible(metrics)
        if may_lead and scored.leads(self.leaders.get(place)):
            self.leaders[place] = scored
        if keeps_contenders(self.plan) and self.plan.goals.feasible(metrics):
            self.contenders[place] = contenders([*self.contenders.get(place, ()), scored])

    def add_scored(
        self, place: Place, trial_number: int, loss: float, metrics: Mapping[str, float]
    ) -> None:
        """Keep the loss of a trial at a rung, and let those go on that it promotes there."""
        standings = self.stand(place, trial_number, loss, metrics)
        scored = self.trials.get(trial_number)
        self.living[place] += scored is not None and scored.status != TrialStatus.DIVERGED
        if standings is not None:
            self._promote(trial_number, standings)

    def stand(
        self, place: Place, trial_number: int, loss: float, metrics: Mapping[str, float]
    ) -> Standings | None:
        """Keep the loss of a trial at a rung; return where it now stands, if it goes on there."""
        self.rung_losses.setdefault(place, {})[trial_number] = loss
        if self.plan.beyond_score:
            self.rung_metrics.setdefault(place, {})[trial_number] = dict(metrics)
        if place[1] not in self.plan[TrialRole.SEARCH].rungs[:-1]:
            return None
        pools = self.standings.setdefault(place, {})
        standings = pools.setdefault(self.pool_of(trial_number), Standings())
        standings.add(trial_number, self.rank(loss, metrics))
        return standings

    def _promote(self, trial_number: int, standings: Standings) -> None:
        """Sort again those whose promotion one more has changed: itself, the last and the next."""
        if not self.plan.rule.pauses:
            return
        promoted = self._promoted(standings)
        for number in {trial_number, *standings.numbers(promoted - 1, promoted + 1)}:
            if number in self.trials and not self.trials[number].ended:
                self._sort(self.trials[number])

    def pool_of(self, trial_number: int) -> int:
        """Among which trials its rule judges a trial; one pool for all where the rule fails."""
        pool, rungs = self.plan.rule.pool, len(self.plan[TrialRole.SEARCH].rungs) - 1
        try:
            return 0 if pool is None else pool(trial_number, rungs, self.plan.options)
        except Exception as error:  # a rule may be anybody's
            self.rule_failure = in_words(error)
            return 0

    def rank(self, loss: float, metrics: Mapping[str, float]) -> Rank:
        """What a trial is ordered by at a rung: its loss, or what `pruning.metric` names.

        Those that keep the constraints come first: an infeasible trial must not stop one of them.
        """
        goals, metric = self.plan.goals, self.spec.pruning.metric
        compared = loss if metric == SCORE else metrics[metric]
        return Rank(goals.violation(metrics) if goals.bounds else 0.0, compared)

    def losses_of(self, branch: str, trial_number: int) -> dict[int, float]:
        """The losses of a search trial by rung."""
        return {
            rung: losses[trial_number]
            for (name, rung), losses in self.rung_losses.items()
            if name == branch and trial_number in losses
        }

    def queued(self) -> list[TrialState]:
        """Its queued trials, by number."""
        return [self.trials[number] for number in self.open.numbers(("ready", "waiting"))]

    def search_ended(self) -> bool:
        """Whether every point of the budget has ended, or all are once another is spent."""
        asked = all(branch.remaining <= 0 for branch in self.branches.values())
        nothing_comes = asked or self.search_ended_by is not None
        return nothing_comes and not self.open.count(EVERY_KIND, roles=POINTS)


@dataclass
class SlotState:
    """A slot: what runs there, and which lanes its worker holds.

    Args:
        lanes: Trials that are running there; the worker holds them between segments.
        held: Every lane that the worker holds, also those it must forget.
        seconds: Measured seconds per meta-iteration of its latest segments with these lanes.
        ordered_at: When the running segment was ordered.
        longest_wait_seconds: How long its study had been running then.
        lane_chunk: How many lanes its worker computes at once: as many as fit and pay.
        future: Of the running segment.
        stopping: Whether that was told to end early.
        given_up: Whether nobody needs it any more.
        hung: Whether its last worker hung, and no segment has been reported since.
        not_before: Monotonic time until which a slot whose worker could not start, or whose disk
            failed, is left alone.
        failed_starts: How often that was so since the last report.
        trouble: Why, in the words of the last time; None once it works again.
        preparing: Of its worker, which is started without an order after it was lost for no
            lane's fault.
        unprepared: Whether that has to come first.
        warmed: Whether its worker has been started before any order.
        trivial_tasks: On how many tasks the running segment scores trivial predictors.
        evaluates: Whether it evaluates any lane.
        plugins: That its worker can be given work with.
    """

    slot: Slot
    study_id: str | None = None
    group: Group | None = None
    lanes: list[TrialState] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    iterations: int = 0
    seconds: deque[float] = field(default_factory=lambda: deque(maxlen=3))
    ordered_at: datetime | None = None
    longest_wait_seconds: float = 0.0
    lane_chunk: int = 0
    future: "Future[SegmentReport] | None" = None
    not_before: float = 0.0
    failed_starts: int = 0
    trouble: str | None = None
    preparing: "Future[None] | None" = None
    unprepared: bool = False
    warmed: bool = False
    trivial_tasks: int = 0
    evaluates: bool = False
    plugins: frozenset[Plugin] = frozenset()
    stopping: bool = False
    given_up: bool = False
    hung: bool = False

    def is_like(self, other: "SlotState") -> bool:
        """Whether what trains on one can train on the other."""
        ours, theirs = self.slot, other.slot
        return (self.plugins, ours.device, ours.memory_bytes, ours.labels) == (
            (other.plugins, theirs.device, theirs.memory_bytes, theirs.labels)
        )

    def takes(self, needs: Iterable[Needed], requires: Requires) -> bool:
        """Whether it has what is required, and its worker every plug-in as it has to be."""
        wanted = (Plugin(one.family, one.name, one.digest) for one in needs)
        return has(self.slot, requires) and all(one in self.plugins for one in wanted)


def keeps_leaders(plan: Plan) -> bool:
    """Whether losses by task of the best at a rung have a say: in its rule, or between branches.

    It holds for as long as the study does: a budget that changes does not change it.
    """
    return Need.LEADER in plan.rule.needs or plan.spec.allocation() == "bandit"


def keeps_contenders(plan: Plan) -> bool:
    """Whether the study's rule asks for those that may lead a rung but for their worst tasks."""
    return Need.CONTENDERS in plan.rule.needs


def oldest_first(studies: Iterable[StudyState]) -> list[StudyState]:
    """The studies in the order in which they get slots."""
    return sorted(studies, key=lambda study: (study.created_at, study.study_id))


class NewTrial(NamedTuple):
    """A trial just asked for: its state, what the sampler said, as which ask, and when.

    `sequence` is its place in the branch's log: where the sampler began to look for it.  `failure`
    is why its point is a random one, if the sampler had failed.
    """

    trial: TrialState
    asked: dict[str, Any]
    ask_index: int
    sequence: int
    failure: str | None = None
