"""How a study stands, in lines: what has ended, what trains, the best, and the time left."""

from collections.abc import Mapping

from service.wire.views.studies import StudyView, TrialStatus
from service.wire.words import numbers

OPEN: tuple[TrialStatus, ...] = ("queued", "running")


def standing(study: StudyView) -> str:
    """How a study stands, in one line: why it waits, or trials, the best, and the time left."""
    if study.waits is not None:
        return f"study {study.waits.sentence}"
    done, total = finished_trials(study)
    every = [study.trials, study.replica_trials, study.verdict_trials, study.gate_trials]
    running = sum(counts.get("running", 0) for counts in every)
    parts = [f"study {study.status}: {done}/{total} trials ended, {running} in training"]
    for name, branch in study.branches.items():
        if branch.best is not None:
            score = numbers.score(branch.best.score, study.metric)
            parts.append(f"best of {name} {score} (trial {branch.best.trial_number})")
    if line := verdict_line(study):
        parts.append(line)
    if study.seconds_left is not None:
        parts.append(f"about {numbers.seconds(study.seconds_left)} left")
    return "; ".join(parts)


def finished_trials(study: StudyView) -> tuple[int, int]:
    """How many trials of the search and replicas have ended, and how many there will be."""
    every = [*study.trials.items(), *study.replica_trials.items()]
    done = sum(count for status, count in every if status not in OPEN)
    ended = study.search_ended_by is not None
    return done, sum(count for _, count in every) if ended else study.spec.budget.trials


def verdict_line(study: StudyView) -> str:
    """How the fresh trainings stand: those of the finalists, then those of the gates."""
    if any(study.gate_trials.values()):
        return f"gates: {_done(study.gate_trials)} trainings judged"
    if any(study.verdict_trials.values()):
        return f"verdict: {_done(study.verdict_trials)} fresh trainings of the finalists"
    return ""


def _done(counts: Mapping[TrialStatus, int]) -> str:
    total = sum(counts.values())
    return f"{total - sum(counts[status] for status in OPEN)}/{total}"
