"""The best trials of a study: so far, branch by branch, and of those that completed.

While scores come from different rungs, like is compared with like (docs/search.md, "The best so
far"): `service.report.standing` is the same rule in plain Python, for whoever holds the rows.

    a branch with completed trials   the best score among these, found by the index
    another                          its trials counted by the rung they were last scored at
                                     ──▶ the furthest at which two stand; who went beyond it: the
                                     few whose reports are read ──▶ common rung ──▶ the best score

Transactions belong to the caller; nothing here commits.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, func, or_, select, tuple_
from sqlalchemy.orm import Session

from metaopt.goals import Goals
from service.db.roles import ROLES, roles_where
from service.db.states import TrialStatus
from service.db.studies import Count
from service.db.tables import Report, Trial

ENOUGH = 2
"""Trials that make a rung a common one: the fewest that can be compared."""

OUT = (TrialStatus.DIVERGED, TrialStatus.FAILED)
"""Who is not compared: the trial did not hold, whatever it had scored before."""

Branch = tuple[str, str]
"""Id of a study, and a branch of it."""

_GROUP = Trial.study_id, Trial.role, Trial.branch, Trial.status
"""What the index that serves here begins with; rung and score follow."""


class Best(NamedTuple):
    """A branch's best trial so far, and what it scored where it was compared.

    Args:
        trial: Its row.
        rung: The meta-iteration at which it was compared.
        score: Its score there.
        score_stderr: Of that score.
    """

    trial: Trial
    rung: int
    score: float
    score_stderr: float | None


class _Step(NamedTuple):
    """The trials of a group that were last scored at a rung, and the best of their scores."""

    study_id: str
    role: str
    branch: str
    status: str
    rung: int
    trials: int
    score: float


def common_rung(scored: Mapping[int, int]) -> int:
    """The furthest rung at which enough trials of a branch were scored, or else the furthest.

    Args:
        scored: How many were, by rung; none of `OUT` among them.
    """
    return max((rung for rung, trials in scored.items() if trials >= ENOUGH), default=max(scored))


def best_trials(session: Session, counts: Sequence[Count], *, goals: Goals) -> list[Best]:
    """The best trial so far of each branch that has one.

    Args:
        counts: Of the studies in question; they say which branches have completed trials, so
            that of these no report is read.
        goals: Of all these studies: the direction and the bounds count.
    """
    searched = [count for count in counts if ROLES[count.role].told_to_sampler]
    ends = {
        (count.study_id, count.role, count.branch, count.status): count.best(goals)
        for count in searched
        if count.status == TrialStatus.COMPLETED and count.lowest is not None
    }
    ended = {(study_id, branch) for study_id, _, branch, _ in ends}
    others = {(count.study_id, count.branch) for count in searched} - ended
    completed = _best_of(session, _GROUP, ends, goals)
    return [
        *_best_of_each((_at(trial, trial.meta_iteration) for trial in completed), goals),
        *_at_common_rungs(session, others, goals),
    ]


def best_completed(
    session: Session, study_id: str, branches: Sequence[str], *, goals: Goals, limit: int
) -> Sequence[Trial]:
    """The study's best completed search trials of these branches, best first."""
    query = select(Trial).where(*_completed(study_id, branches))
    return session.scalars(query.order_by(*_best_first(goals)).limit(limit)).all()


def _at(trial: Trial, rung: int) -> Best:
    assert trial.score is not None
    return Best(trial, rung, trial.score, trial.score_stderr)


def _best_of_each(found: Iterable[Best], goals: Goals) -> list[Best]:
    """The best of each branch among those found."""

    def standing(best: Best) -> tuple[float, float, int]:
        broken = goals.violation(best.trial.metrics or {})
        return broken, goals.loss(best.score), best.trial.trial_number

    branches: dict[Branch, list[Best]] = defaultdict(list)
    for best in found:
        branches[best.trial.study_id, best.trial.branch].append(best)
    return [min(own, key=standing) for own in branches.values()]


def _best_of(
    session: Session,
    columns: Sequence[Any],
    scores: Mapping[tuple[Any, ...], float | None],
    goals: Goals,
) -> Sequence[Trial]:
    """Trials of groups, the best of each branch among them.

    Args:
        columns: What makes a group: the first columns of the index.
        scores: The best score in each group, by its values of `columns`.
    """
    if not scores:
        return []
    if goals.bounds:
        return _least_violating(session, columns, scores, goals)
    columns, groups = (*columns, Trial.score), [(*group, best) for group, best in scores.items()]
    first = (
        select(Trial.study_id, func.min(Trial.trial_number).label("trial_number"))
        .where(_is_one_of(columns, groups))
        .group_by(*columns)
        .subquery()
    )
    same = and_(Trial.study_id == first.c.study_id, Trial.trial_number == first.c.trial_number)
    return session.scalars(select(Trial).join(first, same)).all()


def _least_violating(
    session: Session, columns: Sequence[Any], groups: Collection[tuple[Any, ...]], goals: Goals
) -> Sequence[Trial]:
    """The best trial of each branch: which bounds it keeps is in no index."""
    own = Trial.study_id, Trial.branch
    place = func.row_number().over(partition_by=own, order_by=_best_first(goals)).label("place")
    placed = (
        select(Trial.trial_id, place)
        .where(_is_one_of(columns, groups), Trial.score.is_not(None))
        .subquery()
    )
    query = select(Trial).join(placed, placed.c.trial_id == Trial.trial_id)
    return session.scalars(query.where(placed.c.place == 1)).all()


def _at_common_rungs(session: Session, branches: Collection[Branch], goals: Goals) -> list[Best]:
    """The best trial of each branch at its common rung.

    That is no less far than the floor, at which enough trials were last scored.  At a rung beyond
    it only those ahead were ever scored; at the floor also those that stand there.
    """
    ladders = _ladders(session, branches, goals) if branches else {}
    floors = {branch: _floor(ladder) for branch, ladder in ladders.items()}
    beyond = [
        step[:5] for branch, own in ladders.items() for step in own if step.rung > floors[branch]
    ]
    ahead: dict[Branch, list[Best]] = defaultdict(list)
    for scored in _scored(session, beyond):
        ahead[scored.trial.study_id, scored.trial.branch].append(scored)
    found: list[Best] = []
    standing: dict[tuple[Any, ...], float] = {}
    for branch, ladder in ladders.items():
        there = [step for step in ladder if step.rung == floors[branch]]
        counts = Counter(scored.rung for scored in ahead[branch])
        counts[floors[branch]] += sum(step.trials for step in there)
        rung = common_rung(counts)
        found += [scored for scored in ahead[branch] if scored.rung == rung]
        if rung == floors[branch]:
            standing |= {step[:5]: step.score for step in there}
    last = _best_of(session, (*_GROUP, Trial.rung), standing, goals)
    return _best_of_each([*found, *(_at(t, t.rung) for t in last if t.rung is not None)], goals)


def _ladders(
    session: Session, branches: Collection[Branch], goals: Goals
) -> dict[Branch, list[_Step]]:
    """Where the trials of each branch that has scores were last scored; reads the index alone."""
    best = func.min(Trial.score) if goals.loss(1.0) > 0 else func.max(Trial.score)
    place = *_GROUP, Trial.rung  # as in the index: nothing is sorted
    query = (
        select(*place, func.count(), best)
        .where(Trial.study_id.in_(sorted({study_id for study_id, _ in branches})))
        .where(Trial.role.in_(roles_where(told_to_sampler=True)))
        .where(Trial.status.not_in(OUT), Trial.rung.is_not(None))
        .group_by(*place)
    )
    ladders: dict[Branch, list[_Step]] = defaultdict(list)
    for step in map(_Step._make, session.execute(query)):
        if (step.study_id, step.branch) in branches:
            ladders[step.study_id, step.branch].append(step)
    return ladders


def _floor(ladder: Iterable[_Step]) -> int:
    """The furthest rung at which enough trials were last scored, or 0: those beyond it are few.

    At most one was last scored at each rung beyond, so they are no more than there are rungs.
    """
    last: Counter[int] = Counter()
    for step in ladder:
        last[step.rung] += step.trials
    return max((rung for rung, trials in last.items() if trials >= ENOUGH), default=0)


def _scored(session: Session, groups: Collection[tuple[Any, ...]]) -> list[Best]:
    """The trials of these steps at each rung at which they were scored."""
    if not groups:
        return []
    query = (
        select(Trial, Report.meta_iteration, Report.score, Report.stderr)
        .join(Report, Report.trial_id == Trial.trial_id)
        .where(_is_one_of((*_GROUP, Trial.rung), groups))
    )
    return [Best(*row) for row in session.execute(query)]


def _is_one_of(columns: Sequence[Any], rows: Collection[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Whether the columns have the values of a row; scores are not looked up one by one.

    SQLite looks tuples up in no index, but each of their columns.
    """
    each = zip(columns, map(set, zip(*rows, strict=True)), strict=True)
    by_index = (one.in_(sorted(some)) for one, some in each if one is not Trial.score)
    return and_(*by_index, tuple_(*columns).in_(rows))


def _completed(study_id: str, branches: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        Trial.study_id == study_id,
        Trial.role.in_(roles_where(told_to_sampler=True)),
        Trial.branch.in_(branches),
        Trial.status == TrialStatus.COMPLETED,
        Trial.score.is_not(None),
    )


def _best_first(goals: Goals) -> list[Any]:
    """The order at a rung: least violation, then least loss, then the lowest number."""
    score = Trial.score  # the column itself: an index serves
    by_loss = score.asc() if goals.loss(1.0) > 0 else score.desc()
    return [*([_violation(goals)] if goals.bounds else []), by_loss, Trial.trial_number]


def _violation(goals: Goals) -> ColumnElement[float]:
    """`Goals.violation` of the trial's last metrics; a metric that is null breaks nothing."""
    relative = [
        (Trial.metrics[name].as_float() - bound) / (bound if bound > 0 else 1.0)
        for name, bound in goals.bounds.items()
    ]
    terms = sum(case((r > 0, r / (1.0 + r)), else_=0.0) for r in relative)
    return case((or_(*(r > 0 for r in relative)), 1.0 + terms), else_=0.0)
