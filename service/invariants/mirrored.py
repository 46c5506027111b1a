"""Do Optuna's tables have exactly the trials of the studies that have ended?"""

from collections import Counter
from collections.abc import Iterator

from optuna.trial import FrozenTrial
from sqlalchemy import URL

from service.db.optuna.storage import open_storage
from service.db.tables import Trial
from service.invariants.rows import StudyRows
from service.invariants.violation import Violation
from service.mirror.rows import state_of, values_of
from service.wire.spec.study import StudySpec

Copies = dict[tuple[str, str], list[list[FrozenTrial]]]


def copies_of(database_url: str | URL) -> Copies:
    """The mirrored trials by study and branch, once for each Optuna study that claims to have them.

    Raises:
        RuntimeError: Optuna's tables are not there.
    """
    storage, copies = open_storage(database_url), Copies()
    try:
        for study in storage.get_all_studies():
            if "study_id" in study.user_attrs and "branch" in study.user_attrs:
                key = study.user_attrs["study_id"], study.user_attrs["branch"]
                trials = storage.get_all_trials(study._study_id, deepcopy=False)
                ours = [trial for trial in trials if "trial_number" in trial.user_attrs]
                copies.setdefault(key, []).append(ours)
    finally:
        storage.remove_session()
        storage.engine.dispose()
    return copies


def unmirrored(rows: StudyRows, spec: StudySpec, copies: Copies) -> Iterator[Violation]:
    """What differs between an ended study and its copies."""
    for branch in spec.branches:
        where = f"study {rows.study_id}, branch {branch.name}"
        found = copies.get((rows.study_id, branch.name), [])
        if len(found) != 1:
            yield Violation("mirror", where, f"has {len(found)} copies in Optuna's tables")
            continue
        own = [trial for trial in rows.points() if trial.branch == branch.name]
        shown = {trial.trial_number: trial for trial in own if state_of(trial) is not None}
        copied = Counter(trial.user_attrs["trial_number"] for trial in found[0])
        wanted = Counter(shown.keys())
        if copied != wanted:
            lacks, more = wanted - copied, copied - wanted
            why = f"Optuna's tables lack trials {sorted(lacks)}, and have {sorted(more)} too many"
            yield Violation("mirror", where, why)
        for frozen in found[0]:
            ours = shown.get(frozen.user_attrs["trial_number"])
            if ours is not None and not _same(rows, ours, frozen, spec):
                yield Violation("mirror", rows.where(ours), "is another one in Optuna's tables")


def _same(rows: StudyRows, trial: Trial, frozen: FrozenTrial, spec: StudySpec) -> bool:
    scores = {report.meta_iteration: report.score for report in rows.reports[trial.trial_id]}
    return (
        frozen.state == state_of(trial)
        and (frozen.values or []) == values_of(trial, spec.goals())
        and frozen.intermediate_values == scores
    )
