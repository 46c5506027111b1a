"""Warm starts: studies, baselines and presets that a spec names become points of their branches.

What a submitted study begins with is written into its spec, so it can be repeated when the
studies it came from are gone.  Of an earlier study only search scores decide: choosing by its
sealed scores would use the sealed tasks up.

A point is for the branch that is called as its own was and has its algorithm; where there is none,
for every branch of that algorithm, as one of a preset is.  It takes what this study searches and
nothing else: values that it fixes are its own.  A number outside a range becomes the nearest bound,
and the point's `source` says so; a choice that is not listed has no nearest one, so it is refused.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy.orm import Session

from metaopt.errors import InvalidMetaParameter
from metaopt.metaparams import Value
from metaopt.presets import find_preset
from service.db.baselines import find_baseline
from service.db.best_trials import best_completed
from service.db.tables import Study
from service.errors import FieldError, InvalidSpec
from service.operations.baselines import baseline_view
from service.operations.references import candidates, refusal
from service.planning.branch_shares import first_budgets
from service.plugins.stored import spec_of
from service.wire.spec.gates import parse_label
from service.wire.spec.space import Branch, ChoiceList, Range
from service.wire.spec.study import StudySpec
from service.wire.spec.warm_start import WarmStart, WarmTrial, in_words


class _Candidate(NamedTuple):
    """A configuration that a field of the spec named, and the branch of this study it is for."""

    field: str
    branch: Branch
    params: Mapping[str, Value]
    source: str


def resolve_warm_start(session: Session, spec: StudySpec) -> StudySpec:
    """Return `spec` with the points that its warm start names, in place of the names.

    Points that are the same in this study's space are taken once.

    Raises:
        InvalidSpec: No such study, baseline or preset, one without anything for a branch of this
            study, a choice that is not listed, or more points than the budget has trials for.
    """
    named = [*_of_studies(session, spec), *_of_baselines(session, spec), *_of_presets(spec)]
    trials = list(spec.warm_start.trials)
    for candidate in named:
        point = _fitted(candidate)
        if not any(
            trial.branch == point.branch and trial.params == point.params for trial in trials
        ):
            trials.append(point)
    _check_budget(spec, trials)
    resolved = WarmStart(best=spec.warm_start.best, trials=trials)
    return spec.model_copy(update={"warm_start": resolved})


def _of_studies(session: Session, spec: StudySpec) -> Iterator[_Candidate]:
    for index, name in enumerate(spec.warm_start.studies):
        field = f"warm_start.studies[{index}]"
        row = _find(session, field, name)
        theirs = spec_of(row)
        here = {b.name: spec.branches_for(b.name, b.algorithm) for b in theirs.branches}
        best = best_completed(
            session,
            row.study_id,
            [branch for branch, those in here.items() if those],
            goals=theirs.goals(),
            limit=spec.warm_start.best,
        )
        if not best:
            algorithms = dict.fromkeys(branch.algorithm for branch in spec.branches)
            raise _invalid(
                field,
                f"study {row.study_id} has no completed trial of {' or '.join(algorithms)}: "
                "name another, or give points in warm_start.trials",
            )
        for rank, trial in enumerate(best, start=1):
            source = (
                f"study {row.study_id} ({row.name}), trial {trial.trial_number}, "
                f"rank {rank} by search score {trial.score:.6g}"
            )
            for branch in here[trial.branch]:
                yield _Candidate(field, branch, trial.params, source)


def _find(session: Session, field: str, name: str) -> Study:
    found = candidates(session, name)
    if found and (len(found) == 1 or found[0].name == name):
        return found[0]  # a name is its newest study
    why = refusal(session, name, found)
    raise _invalid(field, f"must be the id or name of a study, got {name!r}: {why}")


def _of_baselines(session: Session, spec: StudySpec) -> Iterator[_Candidate]:
    for index, label in enumerate(spec.warm_start.baselines):
        field = f"warm_start.baselines[{index}]"
        try:
            row = find_baseline(session, *parse_label(label))
        except ValueError as error:
            raise _invalid(field, str(error)) from None
        if row is None:
            raise _invalid(field, f"must be the name of a baseline, or name@version, got {label!r}")
        view, source = baseline_view(row), f"baseline {row.name}@{row.version}"
        branches = spec.branches_for(view.branch, view.algorithm)
        if not branches:
            raise _invalid(
                field,
                f"{source} is a configuration of {view.algorithm}, and this study has no such "
                "branch",
            )
        for branch in branches:
            yield _Candidate(field, branch, view.params, source)


def _of_presets(spec: StudySpec) -> Iterator[_Candidate]:
    for index, name in enumerate(spec.warm_start.presets):
        field = f"warm_start.presets[{index}]"
        try:
            preset = find_preset(name)
        except InvalidMetaParameter as error:
            raise _invalid(field, str(error)) from None
        branches = [b for b in spec.branches if b.algorithm == preset.algorithm]
        if not branches:
            raise _invalid(
                field,
                f"{name} is a recipe of {preset.algorithm}, and this study has no such branch",
            )
        for branch in branches:
            yield _Candidate(field, branch, preset.params(), f"preset {name}")


def _fitted(candidate: _Candidate) -> WarmTrial:
    params: dict[str, Value] = {}
    changes: list[str] = []
    for name, entry in candidate.branch.distributions().items():
        value = candidate.params.get(name)
        if value is None:
            raise _invalid(candidate.field, f"{candidate.source} has no value for {name}")
        params[name] = _nearest(candidate, name, entry, value)
        if params[name] != value:
            changes.append(f"{name} {value:g} → {params[name]:g}")
    clipped = f"; into this space: {', '.join(changes)}" if changes else ""
    return WarmTrial(branch=candidate.branch.name, params=params, source=candidate.source + clipped)


def _nearest(candidate: _Candidate, name: str, entry: Range | ChoiceList, value: Value) -> Value:
    if isinstance(entry, ChoiceList):
        if value in entry.choices:
            return value
    elif not isinstance(value, str):
        clipped = min(max(value, entry.low), entry.high)
        return int(clipped) if isinstance(value, int) else clipped
    raise _invalid(
        candidate.field,
        f"{candidate.source} has {name} = {value}, but here it must be {in_words(entry)}: add it "
        f"to the choices, or leave this warm start out",
    )


def _check_budget(spec: StudySpec, trials: list[WarmTrial]) -> None:
    for branch, share in zip(spec.branches, first_budgets(spec), strict=True):
        points = sum(trial.branch == branch.name for trial in trials)
        if points > share:
            raise _invalid(
                "warm_start",
                f"{branch.name} would begin with {points} trials, but budget.trials = "
                f"{spec.budget.trials}{_kept(spec)} gives it {share}: raise the budget or lower "
                "warm_start.best",
            )


def _kept(spec: StudySpec) -> str:
    replicates = spec.search.replicates
    return f" less search.replicates = {replicates}" if replicates else ""


def _invalid(field: str, rule: str) -> InvalidSpec:
    return InvalidSpec(f"{field}: {rule}", [FieldError(field, rule)])
