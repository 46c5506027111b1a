"""Replicas: the best trials of a search trained again with fresh seeds, on the search's own tasks.

    all points tried ──▶ the rule (`metaopt.search.replication`) names some ──▶ a round of replicas
                              ▲                                                        │ all ended
                              └────────────────────────────────────────────────────────┘

`search.replicates` of the budget's trials are kept for them.  They train to the end and are never
pruned, samplers are not told of them, and every budget that ends a search ends them too.  Which
round is next follows from the trials alone, so a restart changes nothing.  Pure functions.
"""

import statistics
import uuid
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from metaopt.evaluation.statistics import summarize
from metaopt.keys import key
from metaopt.search.replication import Configuration, train_again
from service.db.states import TrialRole, TrialStatus
from service.dispatcher.groups import group_of
from service.dispatcher.state import StudyState, TrialState
from service.judgement.verdict import SearchTrial


def configurations(study: StudyState, exploded: Collection[int] = ()) -> list[Configuration]:
    """Return the search's trials that completed, with the losses of all their trainings.

    Args:
        exploded: Trials whose trainings say nothing about how noisy others are.
    """
    replicas = _replicas_by_source(study)
    return [
        Configuration(
            trial.trial_number,
            tuple(t.loss for t in [trial, *again] if _completed(t) and t.loss is not None),
            diverged=sum(t.status == TrialStatus.DIVERGED for t in again),
            poolable=trial.trial_number not in exploded,
        )
        for trial in study.of_role(TrialRole.SEARCH)
        if _completed(trial) and trial.loss is not None
        for again in [replicas.get(trial.trial_number, [])]
    ]


def left(study: StudyState) -> int:
    """Return how many replicas the budget still has: of the reserve, and of all trials."""
    replicas = len(study.of_role(TrialRole.REPLICA))
    unasked = study.spec.budget.trials - len(study.of_role(TrialRole.SEARCH))
    return min(study.spec.search.replicates, unasked) - replicas


def next_replicas(study: StudyState, exploded: Collection[int] = ()) -> list[TrialState]:
    """Return the next round of replicas of a search whose points have all been tried.

    Args:
        exploded: As for `configurations`.
    """
    if study.search_ended_by is not None or left(study) <= 0:
        return []
    goals = study.spec.goals()
    may_win = [
        one
        for one in configurations(study, exploded)
        if goals.feasible(study.trials[one.trial_number].metrics)
    ]
    again = train_again(may_win, left=left(study))
    repeats = Counter(trial.source_trial_number for trial in study.of_role(TrialRole.REPLICA))
    first = max(study.spec.points(), 1 + max(study.trials, default=0))
    return [
        _replica(study, study.trials[one.trial_number], first + index, repeats[one.trial_number])
        for index, one in enumerate(again)
    ]


def trainings(study: StudyState, number: int) -> list[TrialState]:
    """Return a trial of the search and its replicas that completed."""
    again = _replicas_by_source(study).get(number, [])
    return [study.trials[number], *(trial for trial in again if _completed(trial))]


def source_of(study: StudyState) -> dict[str, int]:
    """Return whose number a trial counts for, by trial_id: those trained again, and replicas."""
    return {
        trial.trial_id: number
        for number in _replicas_by_source(study)
        for trial in trainings(study, number)
    }


def by_task(scores: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean over trainings of scores on the same tasks.

    Args:
        scores: By training and task.
    """
    return [statistics.fmean(of_task) for of_task in zip(*scores, strict=True)]


def averaged(trial: SearchTrial, replicas: Sequence[SearchTrial]) -> SearchTrial:
    """Return a trial of the search as the mean over its trainings, with the cost of all of them.

    Args:
        trial: As the search saw it; with scores by task, if it is a finalist.
        replicas: Of it, ended in any way; with scores by task where `trial` has them.
    """
    if not replicas:
        return trial
    completed = [trial, *(one for one in replicas if one.status == TrialStatus.COMPLETED)]
    scores = by_task([one.scores for one in completed])
    summary = summarize(scores) if scores else None
    return replace(
        trial,
        score=statistics.fmean(one.score for one in completed if one.score is not None),
        low=summary.low if summary else None,
        high=summary.high if summary else None,
        scores=scores,
        curve=by_task([one.curve for one in completed]),
        device_seconds=trial.device_seconds + sum(one.device_seconds for one in replicas),
        meta_iterations=trial.meta_iterations + sum(one.meta_iterations for one in replicas),
        trainings=len(completed),
        replicas_diverged=sum(one.status == TrialStatus.DIVERGED for one in replicas),
    )


def _replicas_by_source(study: StudyState) -> dict[int, list[TrialState]]:
    found: dict[int, list[TrialState]] = {}
    for trial in study.of_role(TrialRole.REPLICA):
        assert trial.source_trial_number is not None
        found.setdefault(trial.source_trial_number, []).append(trial)
    return found


def _replica(study: StudyState, source: TrialState, number: int, repeat: int) -> TrialState:
    branch, params = source.group.branch, source.params
    return TrialState(
        trial_id=uuid.uuid4().hex,
        trial_number=number,
        group=group_of(study, TrialRole.REPLICA, branch, params, 0),
        params=params,
        seed=key(study.spec.seed, "replica", source.trial_number, repeat),
        source_trial_number=source.trial_number,
    )


def _completed(trial: TrialState) -> bool:
    return trial.status == TrialStatus.COMPLETED
