"""Warnings: what a spec says that has no effect, or another than may be meant.  Pure functions.

Each rule of `RULES` looks at a whole spec and yields sentences: the field, its value, why it does
nothing, and what to do.  Nothing is refused by them: whoever means it so goes on.  A value that is
the default was not chosen (a stored spec has them all), so rules about a field that is not read
look at other values only.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from itertools import combinations

from pydantic import BaseModel

from metaopt.estimation.statistics import TRIMMED
from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Options
from metaopt.search.samplers.registry import SAMPLERS
from metaopt.search.space import Float, size
from service.planning.branch_shares import first_budgets, moves
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.stored import StoredStudy
from service.wire.spec.study import StudySpec

Trials = Mapping[str, int]
"""Trials of each branch: what it has had, or what it will have."""

Rule = Callable[[StudySpec, Trials], Iterator[str]]


def warnings(spec: StudySpec, trials: Trials | None = None) -> list[str]:
    """What of a spec may not be meant so, as sentences without a full stop.

    Args:
        spec: Its warm start resolved or not.
        trials: Of each branch, once its search has ended.
    """
    if isinstance(spec, StoredStudy):
        return []  # nobody knows any more what its kinds read
    names = [branch.name for branch in spec.branches]
    planned = trials or dict(zip(names, first_budgets(spec), strict=True))
    return [sentence for rule in RULES for sentence in rule(spec, planned)]


def _chosen(part: BaseModel, name: str) -> bool:
    return bool(getattr(part, name) != type(part).model_fields[name].get_default())


def _idle(field: str, value: object, why: str) -> str:
    return f"{field} = {value} has no effect: {why}"


def never_tried(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Branches that the budget leaves no trial for."""
    for branch, first in zip(spec.branches, first_budgets(spec), strict=True):
        if first == 0:
            yield (
                f"branch {branch.name} is never tried: its share of "
                f"budget.trials = {spec.budget.trials} comes to none; raise one of them"
            )


def repeats(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Branches whose trials cannot all differ."""
    for branch in spec.branches:
        yield from _repeats(spec, branch, trials[branch.name])


def _repeats(spec: StudySpec, branch: Branch, trials: int) -> Iterator[str]:
    name = branch.name
    configurations = size(dimensions(branch))
    limit = _limit(spec, branch)
    if limit is not None and limit < trials:
        points = "one point" if limit == 1 else f"{limit} points"
        yield f"the grid of branch {name} has {points} for {trials} trials: each is trained once"
    elif limit is None and configurations == 1 < trials:
        yield (
            f"branch {name} has nothing to search: its {trials} trials train one configuration "
            f"with {trials} seeds; name parameters in its space, or leave space out to search the "
            "documented ranges"
        )
    elif limit is None and configurations < trials:
        yield (
            f"branch {name} has {configurations:.0f} different configurations: its {trials} trials "
            "repeat them with other seeds; sampler grid trains each once"
        )


def _limit(spec: StudySpec, branch: Branch) -> int | None:
    try:
        return SAMPLERS.get(spec.search.sampler).limit(spec.problem(branch))
    except Exception:  # a sampler may be anybody's; its search goes on at random
        return None


def models(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """A model that no branch trains."""
    if all(branch.model is not None for branch in spec.branches):
        why = "every branch has a model of its own; leave out that of a branch that is to train it"
        yield _idle("model.kind", spec.model.kind, why)


def twins(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Branches that differ by name alone."""
    for one, other in combinations(spec.branches, 2):
        alike = one.algorithm == other.algorithm and one.space == other.space
        if alike and spec.model_of(one) == spec.model_of(other):
            yield (
                f"branches {one.name} and {other.name} differ by name alone: they search one space "
                "twice, with other seeds; give them other spaces or models, or leave one out"
            )


def no_early_stop(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """A pruning rule that can stop nothing."""
    kind, full, most = spec.pruning.kind, spec.budget.meta_iterations, max(trials.values())
    if kind == "none":
        return
    rule = spec.pruning.rule()
    if not spec.rungs()[:-1]:
        yield (
            f"pruning.kind = {kind} stops no trial: there is no rung below "
            f"budget.meta_iterations = {full}; name some in pruning.rungs, raise the budget, or "
            "take pruning.kind none"
        )
    elif most == 1:
        yield f"pruning.kind = {kind} stops no trial: no branch has another to compare it with"
    elif "startup_trials" in rule.reads and spec.pruning.startup_trials >= most:
        yield (
            f"pruning.kind = {kind} stops no trial: pruning.startup_trials = "
            f"{spec.pruning.startup_trials} have to come first, and no branch has more than {most}"
        )
    elif rule.pauses and "reduction" in rule.reads and most < spec.pruning.reduction:
        yield (
            f"pruning.kind = {kind} trains no more than one trial of a branch to its end: one in "
            f"pruning.reduction = {spec.pruning.reduction} goes on from a rung, and no branch has "
            f"more than {most} trials"
        )


def pruning_options(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Options that the pruning rule does not read."""
    pruning, rule = spec.pruning, spec.pruning.rule()
    read = set(rule.reads)
    if pruning.rungs is None and spec.rungs()[:-1]:
        read.add("reduction")  # it places the rungs
    for name in (option.name for option in fields(Options)):
        if name not in read and _chosen(pruning, name):
            readers = [other.name for other in PRUNING_RULES.kinds() if name in other.reads]
            yield _idle(
                f"pruning.{name}",
                getattr(pruning, name),
                f"pruning.kind {pruning.kind} does not read it, {', '.join(readers)} do"
                + ("" if len(readers) > 1 else "es"),
            )
    if pruning.kind == "none" and pruning.metric != "score":
        yield _idle("pruning.metric", pruning.metric, "pruning.kind none stops no trial by it")


def sampler_options(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Options that the sampler does not read, or a model that it never makes."""
    search, kind = spec.search, SAMPLERS.get(spec.search.sampler)
    for name in ("startup_trials", "grid_points"):
        # Start-up trials also say when branches are compared, and how many may be open at once.
        counts = name == "startup_trials" and (kind.adaptive or spec.allocation() == "bandit")
        if name not in kind.options and not counts and _chosen(search, name):
            readers = [other.name for other in SAMPLERS.kinds() if name in other.options]
            why = f"sampler {kind.name} does not read it, {', '.join(readers)} do"
            value = getattr(search, name)
            yield _idle(f"search.{name}", value, why + ("" if len(readers) > 1 else "es"))
    ranges = [d for b in spec.branches for d in dimensions(b).values() if isinstance(d, Float)]
    if "grid_points" in kind.options and _chosen(search, "grid_points") and not ranges:
        why = "no range of real numbers is searched, and of all else the grid takes every value"
        yield _idle("search.grid_points", search.grid_points, why)
    most, models = max(trials.values()), kind.adaptive and "startup_trials" in kind.options
    chosen = _chosen(search, "sampler") or _chosen(search, "startup_trials")
    if models and chosen and most <= search.startup_trials:
        yield (
            f"search.sampler = {kind.name} never models: search.startup_trials = "
            f"{search.startup_trials} trials of a branch end before it begins to, and no branch "
            f"has more than {most}; lower it, or raise budget.trials"
        )


def allocation(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """How trials are divided, where there is nothing to divide."""
    search, alone = spec.search, len(spec.branches) == 1
    why = "there is one branch"
    if not alone and spec.allocation() == "fixed":
        why = "branches have a share, which fixes how trials are divided"
    if (alone or spec.allocation() == "fixed") and _chosen(search, "allocation"):
        yield _idle("search.allocation", search.allocation, why)
    if alone and spec.branches[0].share is not None:
        yield _idle("branches[0].share", f"{spec.branches[0].share:g}", why)
    if search.currency != "trials" and spec.allocation() != "bandit":
        why = "results move no trials between branches"
        yield _idle("search.currency", search.currency, why)
    if _chosen(search, "floor") and not moves(spec):
        if not alone and spec.allocation() == "even":
            why = "search.allocation even moves no trials between branches"
        elif not alone and spec.allocation() == "bandit":
            why = "the branches have too few trials for results to move any; raise budget.trials"
        yield _idle("search.floor", f"{search.floor:g}", why)


def finalists(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """More finalists than trials."""
    points, verdict = spec.points(), spec.verdict
    judged = verdict.judged(len(spec.branches))
    if judged > points and _chosen(verdict, "finalists"):
        branches = len(spec.branches)
        of_each = "" if judged == verdict.finalists else f" of each of {branches} branches"
        yield (
            f"verdict.finalists = {verdict.finalists}{of_each} are more than the {points} trials "
            "that are searched: no more than these are judged"
        )
    if len(spec.branches) == 1 and verdict.finalists_from == "each_branch":
        yield _idle("verdict.finalists_from", "each_branch", "there is one branch")
    if verdict.extra_finalists and verdict.finalists >= points:
        why = f"verdict.finalists = {verdict.finalists} takes all {points} trials already"
        yield _idle("verdict.extra_finalists", verdict.extra_finalists, why)


def limits(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Budgets that are never spent, or spent before anything is known."""
    budget, points = spec.budget, spec.points()
    total, most = budget.total_meta_iterations, budget.trials * budget.meta_iterations
    if total is not None and total >= most:
        why = f"{budget.trials} trials of {budget.meta_iterations} train {most} at most"
        yield _idle("budget.total_meta_iterations", total, why)
    elif total is not None and total < spec.rungs()[0]:
        yield (
            f"budget.total_meta_iterations = {total} is spent before any trial is scored, which is "
            f"after {spec.rungs()[0]}: such a study fails; raise it, or name an earlier rung in "
            "pruning.rungs"
        )
    elif total is not None and total < budget.meta_iterations:
        yield (
            f"budget.total_meta_iterations = {total} lets no trial reach its end after "
            f"budget.meta_iterations = {budget.meta_iterations}: the best are chosen at a rung"
        )
    if budget.stagnation is not None and budget.stagnation >= max(1, points - 1):
        why = f"the search of {points} trials has ended by then"
        yield _idle("budget.stagnation", budget.stagnation, why)
    yield from _target(spec)


def _target(spec: StudySpec) -> Iterator[str]:
    target, (low, high) = spec.budget.target_score, spec.goals().possible
    best = high if spec.maximize() else low
    beyond = target is not None and (target > best if spec.maximize() else target < best)
    if beyond:
        side = "most" if spec.maximize() else "least"
        why = f"{spec.metric()} is at {side} {best:g}, so no trial reaches it"
        yield _idle("budget.target_score", f"{target:g}", why)


def gates(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Settings of gates without rules, or of tasks that decide nothing."""
    given = spec.gates
    if not given.rules:
        for name in ("seeds", "tasks", "most_tasks", "undecided"):
            if _chosen(given, name):
                yield _idle(f"gates.{name}", getattr(given, name), "gates.rules has no rule")
        return
    for text in dict.fromkeys(text for text in given.rules if given.rules.count(text) > 1):
        yield f"gates.rules names {text} more than once: once says the same"
    helped = any(rule.kind.helped_by_tasks for rule in given.parsed())
    if not helped and _chosen(given, "most_tasks") and given.most_tasks > given.tasks:
        why = "no rule in gates.rules is decided by more tasks"
        yield _idle("gates.most_tasks", given.most_tasks, why)


def warm_start(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Points to begin with that are never tried."""
    warm, points = spec.warm_start, spec.points()
    if len(warm.trials) > points:
        yield (
            f"warm_start has {len(warm.trials)} points for {points} trials of the search: those "
            "beyond are not tried; raise budget.trials"
        )
    if _chosen(warm, "best") and not warm.studies and not warm.trials:
        yield _idle("warm_start.best", warm.best, "warm_start.studies names no study")


def evaluation(spec: StudySpec, trials: Trials) -> Iterator[str]:
    """Ways of scoring that change no score."""
    given = spec.evaluation
    models = {model.kind: model.record for model in map(spec.model_of, spec.branches)}
    if _chosen(given, "transductive") and not any(r.batch_statistics for r in models.values()):
        takes = "takes" if len(models) == 1 else "take"
        why = f"model {' and '.join(models)} {takes} no statistics of a batch"
        yield _idle("evaluation.transductive", given.transductive, why)
    fewest = math.ceil(1 / TRIMMED)
    if given.statistic == "trimmed_mean" and given.tasks < fewest:
        yield _idle(
            "evaluation.statistic",
            given.statistic,
            f"a tenth at either end of evaluation.tasks = {given.tasks} is no task; take {fewest}",
        )


RULES: tuple[Rule, ...] = (
    never_tried,
    repeats,
    models,
    twins,
    no_early_stop,
    pruning_options,
    sampler_options,
    allocation,
    finalists,
    limits,
    evaluation,
    gates,
    warm_start,
)
"""In the order in which they are said; a new one is a function above and its name here."""
