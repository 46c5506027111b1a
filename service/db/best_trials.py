"""The best trials of a study: so far, branch by branch, and of those that completed.

While scores come from different rungs, like is compared with like (docs/search.md, "The best so
far"): `service.report.standing` is the same rule in plain Python, for whoever holds the rows.

    a branch with completed trials   the best score among these, found by the index
    another                          its trials counted by rung ──▶ common rung ──▶ the best score
                                     there, of one report a trial

Transactions belong to the caller; nothing here commits.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
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

_RUNG = Trial.study_id, Trial.branch, Report.meta_iteration


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
    scores = {
        (count.study_id, count.branch): count.best(goals)
        for count in searched
        if count.status == TrialStatus.COMPLETED and count.lowest is not None
    }
    others = {(count.study_id, count.branch) for count in searched} - set(scores)
    completed = (
        _least_violating(session, sorted(scores), goals)
        if goals.bounds
        else _with_scores(session, scores)
    )
    return [*map(_at_its_end, completed), *_at_common_rungs(session, sorted(others), goals)]


def best_completed(
    session: Session, study_id: str, branches: Sequence[str], *, goals: Goals, limit: int
) -> Sequence[Trial]:
    """The study's best completed search trials of these branches, best first."""
    query = select(Trial).where(*_completed([(study_id, branch) for branch in branches]))
    return session.scalars(query.order_by(*_best_first(goals, Trial.score)).limit(limit)).all()


def _at_its_end(trial: Trial) -> Best:
    assert trial.score is not None
    return Best(trial, trial.meta_iteration, trial.score, trial.score_stderr)


def _with_scores(session: Session, scores: Mapping[Branch, float | None]) -> Sequence[Trial]:
    """The first completed trial of each branch that has this score."""
    if not scores:
        return []
    first = (
        select(Trial.study_id, func.min(Trial.trial_number).label("trial_number"))
        .where(
            Trial.study_id.in_(sorted({study_id for study_id, _ in scores})),  # by the index
            Trial.role.in_(roles_where(told_to_sampler=True)),
            Trial.status == TrialStatus.COMPLETED,
            tuple_(Trial.study_id, Trial.branch, Trial.score).in_(
                [(*branch, score) for branch, score in scores.items()]
            ),
        )
        .group_by(Trial.study_id, Trial.branch)
        .subquery()
    )
    same = and_(Trial.study_id == first.c.study_id, Trial.trial_number == first.c.trial_number)
    return session.scalars(select(Trial).join(first, same)).all()


def _least_violating(session: Session, branches: Sequence[Branch], goals: Goals) -> Sequence[Trial]:
    """The best completed trial of each branch: which bounds it keeps is in no index."""
    if not branches:
        return []
    completed = (
        select(Trial.trial_id, _place(_best_first(goals, Trial.score)))
        .where(*_completed(branches))
        .subquery()
    )
    query = select(Trial).join(completed, completed.c.trial_id == Trial.trial_id)
    return session.scalars(query.where(completed.c.place == 1)).all()


def _at_common_rungs(session: Session, branches: Sequence[Branch], goals: Goals) -> list[Best]:
    """The best trial of each branch at its common rung."""
    rungs = _common_rungs(session, branches) if branches else {}
    if not rungs:
        return []
    order = _best_first(goals, Report.score)
    ranked = (
        select(Report.trial_id, Report.meta_iteration, Report.score, Report.stderr, _place(order))
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(*_comparable(list(rungs)))
        .where(Report.meta_iteration.in_(sorted(set(rungs.values()))))  # by the key
        .where(tuple_(*_RUNG).in_([(*branch, rung) for branch, rung in rungs.items()]))
        .subquery()
    )
    query = select(Trial, ranked.c.meta_iteration, ranked.c.score, ranked.c.stderr).join(
        ranked, ranked.c.trial_id == Trial.trial_id
    )
    return [Best(*row) for row in session.execute(query.where(ranked.c.place == 1))]


def _common_rungs(session: Session, branches: Sequence[Branch]) -> dict[Branch, int]:
    """The common rung of each branch that has scores; reads keys of reports, and no report."""
    query = (
        select(*_RUNG, func.count())
        .join(Report, Report.trial_id == Trial.trial_id)
        .where(*_comparable(branches))
        .group_by(*_RUNG)
    )
    scored: dict[Branch, dict[int, int]] = defaultdict(dict)
    for study_id, branch, rung, trials in session.execute(query):
        scored[study_id, branch][rung] = trials
    return {branch: common_rung(counts) for branch, counts in scored.items()}


def _searched(branches: Sequence[Branch]) -> tuple[ColumnElement[bool], ...]:
    return (
        Trial.study_id.in_(sorted({study_id for study_id, _ in branches})),  # by the index
        tuple_(Trial.study_id, Trial.branch).in_(branches),
        Trial.role.in_(roles_where(told_to_sampler=True)),
    )


def _completed(branches: Sequence[Branch]) -> tuple[ColumnElement[bool], ...]:
    has_score = Trial.score.is_not(None)
    return (*_searched(branches), Trial.status == TrialStatus.COMPLETED, has_score)


def _comparable(branches: Sequence[Branch]) -> tuple[ColumnElement[bool], ...]:
    return (*_searched(branches), Trial.status.not_in(OUT))


def _place(order: Sequence[Any]) -> ColumnElement[int]:
    own = Trial.study_id, Trial.branch
    return func.row_number().over(partition_by=own, order_by=order).label("place")


def _best_first(goals: Goals, score: Any) -> list[Any]:
    """The order at a rung: least violation, then least loss, then the lowest number."""
    by_loss = score.asc() if goals.loss(1.0) > 0 else score.desc()  # the column: an index serves
    return [*([_violation(goals)] if goals.bounds else []), by_loss, Trial.trial_number]


def _violation(goals: Goals) -> ColumnElement[float]:
    """`Goals.violation` of the trial's last metrics; a metric that is null breaks nothing."""
    relative = [
        (Trial.metrics[name].as_float() - bound) / (bound if bound > 0 else 1.0)
        for name, bound in goals.bounds.items()
    ]
    terms = sum(case((r > 0, r / (1.0 + r)), else_=0.0) for r in relative)
    return case((or_(*(r > 0 for r in relative)), 1.0 + terms), else_=0.0)
