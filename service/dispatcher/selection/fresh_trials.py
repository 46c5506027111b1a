"""Fresh trials: the finalists of a search, and what they are compared with, to be trained again.

candidates ──choose──▶ finalists ┐
plan.compared_with ──────────────┴──▶ verdict trials, `verdict.seeds` of each
"""

from collections.abc import Mapping, Sequence

from metaopt.keys import key
from service.db.roles import TrialRole
from service.dispatcher import trials
from service.dispatcher.selection.candidates import eligible, spread_finalists
from service.dispatcher.state import StudyState, TrialState
from service.judgement.finalists import choose_finalists
from service.wire.spec.compare import Configuration


def candidates(study: StudyState) -> list[int]:
    """The numbers of the search's trials that may be finalists, best first.

    They keep the constraints; with several objectives they are the Pareto set
    (`service.dispatcher.selection.candidates`).
    """
    return [candidate.trial_number for candidate in eligible(study)]


def fresh_finalists(
    study: StudyState, scores: Mapping[int, Sequence[float]] | None = None
) -> list[TrialState]:
    """The verdict's trials: finalists, then what they are compared with, with new seeds.

    That is what `verdict.compare` names; the defaults are those of the branch that leads the
    search, if it searches anything.  It has no source trial.  Empty if no trial has a score to
    compare by.

    Args:
        scores: By task of the search's bank, of the trials that `finalists.borderline` names.
    """
    chosen = _finalists(study, scores)
    contenders = [(study.trials[number].configuration, number) for number in chosen]
    repeats: list[tuple[Configuration, int | None, int]] = [
        (configuration, source, repeat)
        for configuration, source in [*contenders, *_compared(study, chosen)]
        for repeat in range(study.spec.verdict.seeds)
    ]
    first = max(study.spec.budget.trials, trials.next_number(study))
    return [
        trials.new(
            study,
            TrialRole.VERDICT,
            configuration,
            trial_number=first + index,
            seed=_seed(study, source, repeat),
            source=source,
        )
        for index, (configuration, source, repeat) in enumerate(repeats)
    ]


def _finalists(study: StudyState, scores: Mapping[int, Sequence[float]] | None) -> list[int]:
    if study.plan.goals.several:
        return spread_finalists(study, eligible(study))
    verdict = study.spec.verdict
    return choose_finalists(
        candidates(study),
        count=verdict.finalists,
        extra=verdict.extra_finalists,
        scores=scores,
        statistic=study.spec.evaluation.statistic,
    )


def _compared(study: StudyState, chosen: Sequence[int]) -> list[tuple[Configuration, None]]:
    if not chosen:
        return []
    leading = study.trials[chosen[0]].group.branch
    reference = study.plan[TrialRole.VERDICT].compared_with.get(leading)
    return [] if reference is None else [(reference, None)]


def _seed(study: StudyState, source: int | None, repeat: int) -> int:
    verdict = study.spec.verdict
    named = verdict.compare if source is None else source
    return key(study.spec.seed, "verdict", named, verdict.first_seed + repeat)
