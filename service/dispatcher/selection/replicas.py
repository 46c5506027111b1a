"""Replicas: the best trials of a search trained again with fresh seeds, on the search's own tasks.

    all points tried ──▶ the rule (`metaopt.search.replication`) names some ──▶ a round of replicas
                              ▲                                                        │ all ended
                              └────────────────────────────────────────────────────────┘

`search.replicates` of the budget's trials are kept for them.  They train to the end and are never
pruned, samplers are not told of them, and every budget that ends a search ends them too.  Which
round is next follows from the trials alone, so a restart changes nothing.  Pure functions.
"""

import statistics
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from metaopt.estimation.intervals import Bounds
from metaopt.estimation.statistics import limits_of, locate, mean_of
from metaopt.goals import Goals
from metaopt.keys import key
from metaopt.search.replication import Configuration, train_again
from service.db.roles import TrialRole
from service.db.states import TrialStatus
from service.dispatcher import trials
from service.dispatcher.state import StudyState, TrialState
from service.judgement.verdict import SearchTrial


def configurations(study: StudyState, exploded: Collection[int] = ()) -> list[Configuration]:
    """The search's trials that completed, with the losses of all their trainings.

    Args:
        exploded: Trials whose trainings say nothing about how noisy others are.
    """
    replicas = _replicas_by_source(study)
    return [
        _configuration(trial, replicas.get(trial.trial_number, []), exploded)
        for trial in study.points()
        if _completed(trial) and trial.loss is not None
    ]


def _configuration(
    trial: TrialState, replicas: Sequence[TrialState], exploded: Collection[int]
) -> Configuration:
    trained = [training for training in [trial, *replicas] if _completed(training)]
    return Configuration(
        trial.trial_number,
        tuple(training.loss for training in trained if training.loss is not None),
        diverged=sum(replica.status == TrialStatus.DIVERGED for replica in replicas),
        poolable=trial.trial_number not in exploded,
    )


def left(study: StudyState) -> int:
    """How many replicas the budget still has: of the reserve, and of all trials."""
    replicas = len(study.of_role(TrialRole.REPLICA))
    unasked = study.spec.budget.trials - len(study.points())
    return min(study.spec.search.replicates, unasked) - replicas


def next_replicas(study: StudyState, exploded: Collection[int] = ()) -> list[TrialState]:
    """The next round of replicas of a search whose points have all been tried.

    Args:
        exploded: As for `configurations`.
    """
    if study.search_ended_by is not None or left(study) <= 0:
        return []
    goals = study.plan.goals
    may_win = [
        configuration
        for configuration in configurations(study, exploded)
        if goals.feasible(study.trials[configuration.trial_number].metrics)
    ]
    sources = train_again(may_win, left=left(study))
    repeats = Counter(trial.source_trial_number for trial in study.of_role(TrialRole.REPLICA))
    first = max(study.spec.points(), trials.next_number(study))
    return [
        _replica(study, source.trial_number, first + index, repeats[source.trial_number])
        for index, source in enumerate(sources)
    ]


def trainings(study: StudyState, trial_number: int) -> list[TrialState]:
    """A trial of the search and its replicas that completed."""
    replicas = _replicas_by_source(study).get(trial_number, [])
    return [study.trials[trial_number], *(replica for replica in replicas if _completed(replica))]


def source_of(study: StudyState) -> dict[str, int]:
    """Whose number a trial counts for, by trial_id: those trained again, and replicas."""
    return {
        trial.trial_id: trial_number
        for trial_number in _replicas_by_source(study)
        for trial in trainings(study, trial_number)
    }


def by_task(scores: Sequence[Sequence[float]]) -> list[float]:
    """The mean over trainings of scores on the same tasks.

    Args:
        scores: By training and task.
    """
    return [statistics.fmean(of_task) for of_task in zip(*scores, strict=True)]


def averaged(trial: SearchTrial, replicas: Sequence[SearchTrial], goals: Goals) -> SearchTrial:
    """A trial of the search as the mean over its trainings, with the cost of all of them.

    Args:
        trial: As the search saw it; with scores by task, if it is a finalist.
        replicas: Of it, ended in any way; with scores by task where `trial` has them.
    """
    if not replicas:
        return trial
    completed = [trial, *(other for other in replicas if other.status == TrialStatus.COMPLETED)]
    scores = by_task([training.scores for training in completed])
    located = [locate(np.array(each.scores), goals.statistic) for each in completed if each.scores]
    limits = limits_of(mean_of(located), Bounds(*goals.possible)) if scores else None
    return replace(
        trial,
        score=statistics.fmean(t.score for t in completed if t.score is not None),
        low=limits.low if limits else None,
        high=limits.high if limits else None,
        scores=scores,
        curve=by_task([training.curve for training in completed]),
        device_seconds=trial.device_seconds + sum(replica.device_seconds for replica in replicas),
        meta_iterations=trial.meta_iterations
        + sum(replica.meta_iterations for replica in replicas),
        trainings=len(completed),
        kept_at=tuple(at for training in completed for at in training.kept_at),
        replicas_diverged=sum(other.status == TrialStatus.DIVERGED for other in replicas),
    )


def _replicas_by_source(study: StudyState) -> dict[int, list[TrialState]]:
    replicas: dict[int, list[TrialState]] = {}
    for trial in study.of_role(TrialRole.REPLICA):
        assert trial.source_trial_number is not None
        replicas.setdefault(trial.source_trial_number, []).append(trial)
    return replicas


def _replica(study: StudyState, source: int, trial_number: int, repeat: int) -> TrialState:
    return trials.new(
        study,
        TrialRole.REPLICA,
        study.trials[source].configuration,
        trial_number=trial_number,
        seed=key(study.spec.seed, "replica", source, repeat),
        source=source,
    )


def _completed(trial: TrialState) -> bool:
    return trial.status == TrialStatus.COMPLETED
