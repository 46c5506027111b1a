"""What a verdict says beside its scores, in words: the same on the command line and in notes."""

from collections.abc import Sequence

from metaopt.goals import Goals
from service.wire.spec.compare import DEFAULT
from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate, HeavyTasks
from service.wire.views.result import Comparison, Finalist, StudyResult
from service.wire.words import numbers
from service.wire.words.metrics import maximized

KEEPS_BEST = (
    "the model that counts is the best of each training's rungs on meta-validation tasks, which "
    "makes the search's own score the more optimistic; the sealed tasks had no say"
)
"""What `evaluation.keep: best` means for a verdict."""


def reference_name(comparison: Comparison) -> str:
    """What the finalists were compared with: the branch's defaults, a preset, an algorithm."""
    name, branch = comparison.compared_with, comparison.branch
    if name == DEFAULT:
        return f"the defaults of {branch}"
    return name if name == branch else f"{name} ({branch})"


def tuned_against(result: StudyResult) -> list[Comparison]:
    """Comparisons that say what tuning was worth: with the spec's defaults and with presets.

    What meta-learning was worth: `service.wire.words.meta_learning`.
    """
    ways = {row.name for row in result.without_meta_learning}
    return [each for each in result.every_comparison() if each.compared_with not in ways]


def compared(spec: StudySpec, result: StudyResult, comparison: Comparison) -> str:
    """How the best finalist stands to what it was compared with, and no more than that."""
    searched = numbers.params(numbers.searched_params(spec, comparison.branch, comparison.params))
    name = reference_name(comparison) + (f" with {searched}" if searched else "")
    distance = comparison.difference
    if comparison.sealed is None or distance is None:
        return f"{name}: no sealed score"
    score = numbers.score(comparison.sealed.score, result.metric)
    difference = numbers.difference(distance.value, result.metric)
    return (
        f"{name}: sealed {score}; best minus this {difference} "
        f"{interval(distance, result.metric)}: {standing(distance, spec.goals())}"
        f"{_explosions(result, comparison)}"
    )


def _explosions(result: StudyResult, comparison: Comparison) -> str:
    """Whether only one of both explodes, which means say little about."""
    sealed = [result.finalists[0].sealed, comparison.sealed]
    best, other = (score.exploded.value if score and score.exploded else 0.0 for score in sealed)
    if other > best == 0.0:
        return f"; this explodes on {numbers.small_share(other)} of the tasks, the best on none"
    if best > other == 0.0:
        return f"; the best explodes on {numbers.small_share(best)} of the tasks, this on none"
    return ""


def standing(difference: Estimate, goals: Goals) -> str:
    """Better, worse or "cannot be told apart", as the whole interval says."""
    losses = (goals.loss(difference.low), goals.loss(difference.high))
    if max(losses) < 0:
        return "better"
    return "worse" if min(losses) > 0 else "cannot be told apart"


def kept(finalist: Finalist) -> str | None:
    """Of which meta-iterations the models of a finalist are; None where the last ones count."""
    fresh = [run.kept_at for run in finalist.runs if run.kept_at is not None]
    if not finalist.search.kept_at and not fresh:
        return None
    parts = [
        f"{_ages(finalist.search.kept_at)} in the search" if finalist.search.kept_at else "",
        f"{_ages(fresh)} trained afresh" if fresh else "",
    ]
    return f"trial {finalist.trial_number}: best at meta-iteration {', '.join(filter(None, parts))}"


def _ages(meta_iterations: Sequence[int]) -> str:
    return " and ".join(f"{age:,}" for age in meta_iterations)


def steps_at_test(finalist: Finalist, metric: str) -> str | None:
    """After how many inner steps to use a finalist; None where its own number is the best."""
    steps = finalist.steps
    if steps is None or steps.chosen == steps.own:
        return None
    advice = (
        f"trial {finalist.trial_number}: best after {steps.chosen} inner steps on meta-validation"
    )
    if steps.sealed_at_chosen is None:
        return advice
    chosen = numbers.score(steps.sealed_at_chosen, metric)
    own = numbers.score(steps.sealed_at_own, metric)
    return f"{advice}; sealed mean {chosen} there, {own} after its own {steps.own}"


def heavy_sentence(heavy: HeavyTasks, tasks: int, metric: str) -> str:
    """The tasks that a score's uncertainty comes from, and what it would be without them."""
    beyond, without = (numbers.score(score, metric) for score in (heavy.beyond, heavy.without))
    side = "at most" if maximized(metric) else "at least"
    scores, makes = ("scores", "makes") if heavy.count == 1 else ("score", "make")
    return (
        f"{heavy.count:,} of {tasks:,} tasks {scores} {side} {beyond} and {makes} "
        f"{100 * heavy.share_of_variance:.0f} % of the score's variance over tasks; without "
        f"{'it' if heavy.count == 1 else 'them'} the score is {without} ({_worst(heavy, metric)})"
    )


def _worst(heavy: HeavyTasks, metric: str) -> str:
    worst = heavy.tasks[:3]
    if heavy.count == 1:  # its score is said already
        return f"task {worst[0].task}"
    shown = (f"{numbers.score(task.score, metric)} on task {task.task}" for task in worst)
    return f"worst: {', '.join(shown)}"


def bounds(result: StudyResult) -> str:
    """The constraints, and how many trials break one."""
    written = ", ".join(f"{name} <= {bound:g}" for name, bound in result.constraints.items())
    return f"{written}; {result.infeasible} of the trials judged exceed one"


def interval(estimate: Estimate | None, metric: str) -> str:
    """An estimate's 95 % interval, or a dash."""
    return numbers.interval(estimate.low, estimate.high, metric) if estimate else "-"
