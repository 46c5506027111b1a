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
from service.judgement.finalists import best_of_each, choose_finalists
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

    That is what `verdict.compare` names, as far as it is trained; the defaults are those of the
    branch that leads the search, if it searches anything.  It has no source trial.  Empty if no
    trial has a score to compare by.

    Args:
        scores: By task of the search's bank, of the trials that `finalists.borderline` names.
    """
    chosen = _finalists(study, scores)
    contenders: list[tuple[Configuration, int | str]] = [
        (study.trials[number].configuration, number) for number in chosen
    ]
    contenders += [(beside, name) for name, beside in _compared(study, chosen).items()]
    repeats = [
        (configuration, named, repeat)
        for configuration, named in contenders
        for repeat in range(study.spec.verdict.seeds)
    ]
    first = max(study.spec.budget.trials, trials.next_number(study))
    return [
        trials.new(
            study,
            TrialRole.VERDICT,
            configuration,
            trial_number=first + index,
            seed=_seed(study, named, repeat),
            source=named if isinstance(named, int) else None,
        )
        for index, (configuration, named, repeat) in enumerate(repeats)
    ]


def compared_by_seed(study: StudyState) -> dict[int, str]:
    """What the verdict's trials without a source train, by their seeds: a name of
    `verdict.compare`.
    """
    verdict = study.spec.verdict
    return {
        _seed(study, name, repeat): name
        for name in verdict.compared()
        for repeat in range(verdict.seeds)
    }


def _finalists(study: StudyState, scores: Mapping[int, Sequence[float]] | None) -> list[int]:
    if study.plan.goals.several:
        return spread_finalists(study, eligible(study))
    verdict, ranked = study.spec.verdict, candidates(study)
    if verdict.finalists_from == "each_branch":
        branch_of = {number: study.trials[number].group.branch for number in ranked}
        return best_of_each(ranked, branch_of, verdict.finalists)
    return choose_finalists(
        ranked,
        count=verdict.finalists,
        extra=verdict.extra_finalists,
        scores=scores,
        statistic=study.spec.evaluation.statistic,
    )


def _compared(study: StudyState, chosen: Sequence[int]) -> Mapping[str, Configuration]:
    if not chosen:
        return {}
    leading = study.trials[chosen[0]].group.branch
    return study.plan[TrialRole.VERDICT].compared_with.get(leading, {})


def _seed(study: StudyState, named: int | str, repeat: int) -> int:
    """Of a fresh training of a trial by its number, or of what is compared with by its name."""
    return key(study.spec.seed, "verdict", named, study.spec.verdict.first_seed + repeat)
