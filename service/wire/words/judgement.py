"""A verdict in sentences: the same on the page, in reports, in CI and in chats."""

from collections.abc import Sequence

from service.wire.spec.study import StudySpec
from service.wire.views.result import Finalist, StudyResult
from service.wire.words import numbers, verdict
from service.wire.words.branches import trained_by
from service.wire.words.gates import gate_sentences
from service.wire.words.meta_learning import worth_sentences
from service.wire.words.trivial import trivial_sentences


def verdict_sentences(spec: StudySpec, result: StudyResult) -> list[str]:
    """The verdict and, where there are gates, their answers."""
    sentences = judgement_sentences(spec, result)
    answered = result.gates is not None and result.finalists[0].sealed is not None
    return [*sentences, *(gate_sentences(result.gates) if result.gates and answered else [])]


def judgement_sentences(spec: StudySpec, result: StudyResult) -> list[str]:
    """The verdict but for gates: best configuration, sealed score, ties, what meta-learning and
    tuning were worth, optimism of the search, and what the intervals cannot hold.
    """
    best, *others = result.finalists
    params = numbers.params(numbers.searched_params(spec, best.branch, best.params))
    branch = ": ".join(filter(None, (best.branch, trained_by(spec, best.branch))))
    name = f"trial {best.trial_number} ({branch})"
    if best.sealed is None:
        return [f"No fresh training of any finalist reached its end; {name} came first: {params}."]
    return [
        f"The best configuration is {name}: {params or 'nothing was searched'}.",
        *_order(result, best),
        *_kept(result, best),
        _sealed(result, best),
        _ties(best, others),
        *trivial_sentences(result),
        *worth_sentences(result),
        *_compared(spec, result),
        _optimism(result, best),
        *_goals(result),
        *(f"Mind: {caution.text}." for caution in result.cautions),
    ]


def _compared(spec: StudySpec, result: StudyResult) -> list[str]:
    """The best beside what the spec gives without a search, and beside published recipes."""
    return [
        f"Compared with {verdict.compared(spec, result, comparison)}."
        for comparison in verdict.tuned_against(result)
    ]


def _goals(result: StudyResult) -> list[str]:
    sentences = []
    if result.pareto is not None:
        trials = ", ".join(str(trial.trial_number) for trial in result.pareto)
        sentences.append(
            f"The Pareto set of {', '.join(result.objectives)} has {len(result.pareto)} "
            f"trial{'' if len(result.pareto) == 1 else 's'}: {trials}."
        )
    if result.constraints:
        sentences.append(f"Bounds: {verdict.bounds(result)}.")
    return sentences


def _sealed(result: StudyResult, best: Finalist) -> str:
    assert best.sealed is not None
    sealed = best.sealed
    times = numbers.times(sealed.seeds)
    score = numbers.score(sealed.score, result.metric)
    bounds = numbers.interval(sealed.low, sealed.high, result.metric)
    sentence = (
        f"Trained afresh {times} and judged on {sealed.tasks:,} sealed tasks, it reaches "
        f"{result.metric} {score}, two-sided 95 % interval {bounds} over {result.intervals_cover}."
    )
    if sealed.chosen_among > 2:  # the best of two needs no other interval
        sentence += f" The interval allows for the luck of being the best of {sealed.chosen_among}."
    broken = [run for run in best.runs if run.status != "completed"]
    if broken:
        sentence += f" {len(broken)} of its {len(best.runs)} fresh trainings did not reach the end."
    return sentence


def _order(result: StudyResult, best: Finalist) -> list[str]:
    if result.first_order_until is None or best.params.get("order") != "second":
        return []
    orders = numbers.first_order(result.first_order_until)
    return [f"It has order second: {orders}; its fresh trainings did the same."]


def _kept(result: StudyResult, best: Finalist) -> list[str]:
    kept = verdict.kept(best)
    if result.keep == "last" or kept is None:
        return []
    return [f"{verdict.KEEPS_BEST[0].upper()}{verdict.KEEPS_BEST[1:]}; {kept}."]


def _ties(best: Finalist, others: Sequence[Finalist]) -> str:
    tied = [f"trial {f.trial_number} ({f.branch})" for f in others if f.tied_with_best]
    if tied:
        return f"Tied with it, as far as these tasks can tell: {', '.join(tied)}."
    if not others:
        return "It was the only finalist."
    if any(finalist.sealed is None for finalist in others):
        return "No other finalist is tied with it; some could not be trained again."
    unlike = [f for f in others if f.to_best and f.to_best.low <= 0.0 <= f.to_best.high]
    if unlike:
        names = ", ".join(f"trial {finalist.trial_number}" for finalist in unlike)
        return (
            f"No other finalist is tied with it; of {names} the score alone would not tell, but "
            "not all trainings or adaptations went well."
        )
    return f"It is better than {_the_others(len(others))} by more than the noise."


def _the_others(count: int) -> str:
    return "the other finalist" if count == 1 else f"each of the other {count} finalists"


def _optimism(result: StudyResult, best: Finalist) -> str:
    assert best.optimism is not None
    score = numbers.score(best.search.score, result.metric)
    gap = numbers.distance(best.optimism, result.metric)
    kind = "optimistic" if best.optimism > 0 else "pessimistic"
    times = best.search.trainings
    of = f", the mean of {times} trainings" if times > 1 else ""
    of += ", of the best of its rungs" if result.keep == "best" else ""
    return f"The search itself had said {score}{of}: {kind} by {gap}{_luck(best)}."


def _luck(best: Finalist) -> str:
    """Whether the search's optimism may be noise: its interval includes 0."""
    spread = best.optimism_interval
    return ", which may be noise" if spread is not None and spread.low <= 0 <= spread.high else ""
