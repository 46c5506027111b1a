"""Pages of the command line: studies, one study, its trials."""

import yaml

from service.cli import console
from service.cli.pages import words
from service.wire.views.studies import StudyView, TrialView
from service.wire.words import numbers


def studies_page(studies: list[StudyView]) -> None:
    """Print a line for each study."""
    rows = [
        (s.study_id, s.name, _status(s), words.counts(s.trials), words.instant(s.created_at))
        for s in studies
    ]
    console.table("", ("study_id", "name", "status", "trials", "created"), rows)


def study_page(study: StudyView, trials: list[TrialView]) -> None:
    """Print a study: state, spec with every default, trials."""
    console.data(f"study_id: {study.study_id}\nstatus: {study.status}")
    if study.waits is not None:
        console.data(f"it {study.waits.sentence}")
    if study.seconds_left is not None:
        console.data(f"left: about {numbers.seconds(study.seconds_left)}")
    if study.error:
        console.data(f"error: {study.error}")
    for name in ("created_at", "started_at", "finished_at"):
        console.data(f"{name}: {words.instant(getattr(study, name))}")
    if study.busy_share is not None:
        console.data(f"devices busy: {numbers.share(study.busy_share)}")
    if any(study.replica_trials.values()):
        console.data(f"trained again: {words.counts(study.replica_trials)}")
    spec = study.spec.model_dump(mode="json")
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100)
    console.data(f"spec:\n{_indented(text)}")
    for branch in study.spec.branches:
        console.data(f"not searched in {branch.algorithm}: {numbers.params(branch.fixed())}")
    for warning in study.warnings:
        console.data(f"warning: {warning}")
    trials_page(study, trials)


def _status(study: StudyView) -> str:
    if study.waits is None or not study.waits.before:
        return study.status
    return f"{study.status} behind {study.waits.before}"


def trials_page(study: StudyView, trials: list[TrialView]) -> None:
    """Print a line for each trial."""
    header = (
        "trial",
        "branch",
        "role",
        "status",
        "score",
        "meta-iteration",
        "seconds",
        *(["costs"] if study.spec.beyond_score() else []),
        "parameters",
    )
    console.table("Trials", header, [_trial_row(study, trial) for trial in trials])


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _trial_row(study: StudyView, trial: TrialView) -> tuple[str, ...]:
    shown = numbers.params(numbers.searched_params(study.spec, trial.branch, trial.params))
    if trial.cause:
        shown = f"{shown}  ({trial.cause})"
    return (
        str(trial.trial_number),
        trial.branch,
        trial.role,
        trial.status,
        numbers.score(trial.score, study.metric),
        str(trial.meta_iteration),
        f"{trial.device_seconds:.1f}",
        *([_costs(study, trial)] if study.spec.beyond_score() else []),
        shown,
    )


def _costs(study: StudyView, trial: TrialView) -> str:
    goals, metrics = study.spec.goals(), trial.metrics or {}
    named = [*goals.objectives[1:], *goals.bounds, study.spec.pruning.metric]
    costs = numbers.params(
        {name: metrics[name] for name in dict.fromkeys(named) if name in metrics}
    )
    broken = goals.broken(metrics)
    return f"{costs} (exceeds {', '.join(broken)})" if broken else costs or "-"
