"""What a verdict says beside its scores, in words: the same on the command line and in notes."""

from metaopt.goals import Goals
from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate, HeavyTasks
from service.wire.views.result import Comparison, Finalist, StudyResult
from service.wire.words import numbers
from service.wire.words.metrics import maximized


def reference_name(comparison: Comparison) -> str:
    """What the finalists were compared with: the branch's defaults, or a preset's name."""
    if comparison.compared_with == "default":
        return f"the defaults of {comparison.branch}"
    return f"{comparison.compared_with} ({comparison.branch})"


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
