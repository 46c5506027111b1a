"""Pages of the command line: studies, one study, its trials, its verdict."""

import yaml

from service.cli import console, words
from service.wire.result import Finalist, StudyResult
from service.wire.studies import StudyView, TrialView

VERDICT_HEADER = (
    "rank", "branch", "trial", "parameters", "search", "95 %", "sealed", "95 %", "optimism",
    "tied", "seconds",
)  # fmt: skip


def studies_page(studies: list[StudyView]) -> None:
    """Print a line for each study."""
    rows = [
        (s.study_id, s.name, s.status, words.counts(s.trials), words.instant(s.created_at))
        for s in studies
    ]
    console.table("", ("study_id", "name", "status", "trials", "created"), rows)


def study_page(study: StudyView, trials: list[TrialView]) -> None:
    """Print a study: state, spec with every default, trials."""
    console.data(f"study_id: {study.study_id}\nstatus: {study.status}")
    if study.error:
        console.data(f"error: {study.error}")
    for name in ("created_at", "started_at", "finished_at"):
        console.data(f"{name}: {words.instant(getattr(study, name))}")
    if study.busy_share is not None:
        console.data(f"devices busy: {words.share(study.busy_share)}")
    spec = study.spec.model_dump(mode="json")
    text = yaml.safe_dump(spec, sort_keys=False, allow_unicode=True, width=100)
    console.data(f"spec:\n{_indented(text)}")
    for branch in study.spec.branches:
        console.data(f"not searched in {branch.algorithm}: {words.params(branch.fixed())}")
    trials_page(study, trials)


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
        "parameters",
    )
    console.table("Trials", header, [_trial_row(study, trial) for trial in trials])


def verdict_page(study: StudyView, result: StudyResult) -> None:
    """Print the verdict: finalists best first, then what each branch and the whole cost."""
    title = f"Verdict of {study.name} ({result.metric}, sealed meta-test tasks)"
    rows = [_finalist_row(study, finalist) for finalist in result.finalists]
    console.table(title, VERDICT_HEADER, rows)
    console.data(f"sealed intervals: 95 %, over {result.intervals_cover}")
    for name, branch in result.branches.items():
        best = words.score(branch.best_score, result.metric)
        spent = words.seconds(branch.device_seconds)
        console.data(f"branch {name}: {branch.trials} trials, best search score {best}, {spent}")
    spent = f"{words.seconds(result.device_seconds)} of devices"
    if result.busy_share is not None:
        spent += f" (busy {words.share(result.busy_share)})"
    took = f"{words.seconds(result.wall_seconds)} on the clock"
    console.data(f"in all: {words.counts(result.trials)}; {spent}, {took}")
    if result.search and result.search.ended_by != "trials":
        console.data(words.search_end(result.search))
    for finalist in result.finalists:
        if finalist.sealed and finalist.sealed.diverged_share:
            share = f"{100 * finalist.sealed.diverged_share:.2g} %"
            console.data(f"trial {finalist.trial_number} diverged on {share} of its sealed tasks")
        for run in finalist.runs:
            if run.status != "completed":
                console.data(f"fresh training {run.trial_number} {run.status}: {run.cause}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _trial_row(study: StudyView, trial: TrialView) -> tuple[str, ...]:
    shown = words.params(words.searched_params(study.spec, trial.branch, trial.params))
    if trial.cause:
        shown = f"{shown}  ({trial.cause})"
    return (
        str(trial.trial_number),
        trial.branch,
        trial.role,
        trial.status,
        words.score(trial.score, study.metric),
        str(trial.meta_iteration),
        f"{trial.device_seconds:.1f}",
        shown,
    )


def _finalist_row(study: StudyView, finalist: Finalist) -> tuple[str, ...]:
    metric, search, sealed = study.metric, finalist.search, finalist.sealed
    return (
        str(finalist.rank),
        finalist.branch,
        str(finalist.trial_number),
        words.params(words.searched_params(study.spec, finalist.branch, finalist.params)),
        words.score(search.score, metric),
        words.interval(search.low, search.high, metric),
        words.score(sealed.score if sealed else None, metric),
        words.interval(sealed.low, sealed.high, metric) if sealed else "-",
        words.score(finalist.optimism, metric),
        "best" if finalist.rank == 1 else "yes" if finalist.tied_with_best else "no",
        f"{finalist.device_seconds:.1f}",
    )
