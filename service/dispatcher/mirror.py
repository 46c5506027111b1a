"""The mirror: our studies in Optuna's tables, for Optuna Dashboard and `optuna.load_study`.

    mo_studies, mo_trials, mo_reports ──sync──▶ studies, trials, trial_values, … (Optuna's)

Each branch of a study is one Optuna study.  The mirror only follows: it runs behind the
dispatcher, may be late, may fail and try again, may be deleted and comes back.  Nothing is ever
read from it to decide anything.

A sync compares a fingerprint of both sides (one small query) and stops there if nothing
happened.  Otherwise it brings over the studies that had events; if Optuna's side is not as the
last sync left it (or at the start), it reads what is there and completes all studies.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.study import Study as OptunaStudy
from optuna.study import StudyDirection
from optuna.trial import TrialState
from optuna_dashboard import get_note, save_note  # type: ignore[import-untyped]
from sqlalchemy.orm import Session

from metaopt.search.space import distribution
from service.db import mirror as queries
from service.db.dispatcher import EpochLost, check_live
from service.db.engine import open_engine, reading, transaction
from service.db.optuna_storage import open_storage
from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS
from service.db.tables import Study, Trial
from service.dispatcher import mirror_rows as rows
from service.dispatcher.spaces import dimensions
from service.wire.spec import Branch, StudySpec

INTERVAL_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0

log = structlog.get_logger("mirror")


@dataclass
class _TrialCopy:
    optuna_id: int
    steps: set[int]
    ended: bool


@dataclass
class _BranchCopy:
    """What Optuna's tables hold of a branch."""

    optuna_id: int
    name: str
    attributes: dict[str, Any]
    trials: dict[int, _TrialCopy] = field(default_factory=dict)


def run_mirror(database_url: str, epoch: int, stop: threading.Event, cut: threading.Event) -> None:
    """Sync while `epoch` is live; after a failure wait longer, at most a minute, and try again.

    Args:
        database_url: As for `open_engine`.
        epoch: Of the dispatcher that runs this; two live mirrors would write everything twice.
        stop: When set, this returns after one more sync.
        cut: When set, this returns without it, and a sync under way ends early.
    """
    pause = INTERVAL_SECONDS
    mirror: Mirror | None = None
    while not cut.is_set():
        last = stop.is_set()
        try:
            mirror = mirror or Mirror(database_url, cut, epoch)
            mirror.sync()
            pause = INTERVAL_SECONDS
        except EpochLost as error:
            log.info("mirror_ended", epoch=epoch, cause=str(error))
            break
        except Exception as error:  # whatever it is, it must not end the dispatcher
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            log.warning("mirror_failed", error=str(error), retry_seconds=pause)
        if last:
            break
        stop.wait(pause)
    if mirror is not None:
        mirror.close()


class Mirror:
    """The copy of our studies in Optuna's tables of the same database.

    Args:
        database_url: As for `open_engine`; both schemas exist.
        stop: When set, a sync ends early; the next one goes on from there.
        epoch: Under which to write; None is for a mirror that is alone.
    """

    def __init__(
        self,
        database_url: str,
        stop: threading.Event | None = None,
        epoch: int | None = None,
    ) -> None:
        """Open both sides; nothing is read yet."""
        self._engine = open_engine(database_url)
        self._storage = open_storage(database_url)
        self._stop = stop or threading.Event()
        self._epoch = epoch
        self._seen: queries.Fingerprint | None = None
        self._copies: dict[tuple[str, str], _BranchCopy] = {}

    def sync(self) -> None:
        """Bring Optuna's tables up to date with ours; a study that fails does not stop others.

        Raises:
            EpochLost: Another dispatcher is live, and so is its mirror.
            Exception: The first failure, after every other study was done; sync again.
        """
        with reading(self._engine) as session:
            self._check_live(session)
            before = queries.fingerprint(session)
            if before == self._seen:
                return
            if self._seen is None or before[2:] != self._seen[2:]:
                self._seen = None
                studies = queries.all_studies(session)
            else:
                studies = queries.studies_with_events_after(session, self._seen.last_event)
            session.expunge_all()
        if self._seen is None:
            self._read_copies()
        failure = self._sync_studies([study for study in studies if not self._is_done(study)])
        if failure is not None or self._stop.is_set():
            self._seen = None
        else:
            self._seen = queries.Fingerprint(*before[:2], *self._optuna_side())
        if failure is not None:
            raise failure

    def close(self) -> None:
        """Give back all connections."""
        self._storage.remove_session()
        self._storage.engine.dispose()
        self._engine.dispose()

    def _check_live(self, session: Session) -> None:
        if self._epoch is not None:
            check_live(session, self._epoch)

    def _optuna_side(self) -> tuple[int, int]:
        with reading(self._engine) as session:
            after = queries.fingerprint(session)
        return after.optuna_studies, after.optuna_last_trial

    def _read_copies(self) -> None:
        self._copies.clear()
        for found in self._storage.get_all_studies():
            attributes = dict(found.user_attrs)
            if "study_id" in attributes and "branch" in attributes:  # others are not ours
                key = attributes["study_id"], attributes["branch"]
                self._copies[key] = _BranchCopy(found._study_id, found.study_name, attributes)

    def _is_done(self, study: Study) -> bool:
        copies = [
            self._copies.get((study.study_id, branch["algorithm"]))
            for branch in study.spec["branches"]
        ]
        done = _done_mark(study)
        return all(copy is not None and copy.attributes.get("mirrored") == done for copy in copies)

    def _sync_studies(self, studies: list[Study]) -> Exception | None:
        first: Exception | None = None
        for study in studies:
            if self._stop.is_set():
                break
            try:
                self._sync_study(study)
            except EpochLost:
                raise
            except Exception as error:
                log.warning("mirror_study_failed", study_id=study.study_id, error=str(error))
                first = first or error
        return first

    def _sync_study(self, study: Study) -> None:
        with reading(self._engine) as session:
            self._check_live(session)
            trials = queries.search_trials(session, study.study_id)
            scores: dict[str, dict[int, float]] = {trial.trial_id: {} for trial in trials}
            for trial_id, meta_iteration, score in queries.search_scores(session, study.study_id):
                scores.setdefault(trial_id, {})[meta_iteration] = score
            session.expunge_all()
        # Those in flight when a study is cancelled or fails end after it.
        ended = all(trial.status in TERMINAL_TRIALS for trial in trials)
        spec = StudySpec.model_validate(study.spec)
        for branch in spec.branches:
            copy = self._copy(study, spec, branch)
            distributions = {n: distribution(d) for n, d in dimensions(branch).items()}
            for trial in trials:
                if self._stop.is_set():
                    return
                if trial.branch == branch.algorithm:
                    self._sync_trial(copy, trial, scores[trial.trial_id], distributions)
            self._finish(copy, study, spec, branch, done=ended)

    def _copy(self, study: Study, spec: StudySpec, branch: Branch) -> _BranchCopy:
        key = study.study_id, branch.algorithm
        if key not in self._copies:
            self._copies[key] = self._create(study, spec, branch)
        copy = self._copies[key]
        if not copy.trials:
            for found in self._storage.get_all_trials(copy.optuna_id, deepcopy=False):
                trial_number = found.user_attrs.get("trial_number")
                if not isinstance(trial_number, int) or trial_number in copy.trials:
                    continue  # not ours: anyone may ask Optuna's study for a trial of their own
                copy.trials[trial_number] = _TrialCopy(
                    found._trial_id, set(found.intermediate_values), found.state.is_finished()
                )
        return copy

    def _create(self, study: Study, spec: StudySpec, branch: Branch) -> _BranchCopy:
        direction = StudyDirection.MAXIMIZE if spec.maximize() else StudyDirection.MINIMIZE
        name = f"{study.name} · {branch.algorithm} · {study.study_id[:8]}"
        optuna_id = self._claim(name, direction, study.study_id)
        if optuna_id is None:  # another study has the same name and begins with the same letters
            name = f"{study.name} · {branch.algorithm} · {study.study_id}"
            optuna_id = self._claim(name, direction, study.study_id)
            assert optuna_id is not None, f"{name} belongs to another study"
        attributes = {"study_id": study.study_id, "branch": branch.algorithm}
        for attribute, value in attributes.items():
            self._storage.set_study_user_attr(optuna_id, attribute, value)
        self._storage.set_study_system_attr(optuna_id, "study:metric_names", [spec.metric()])
        self._write_note(name, rows.note(study))
        return _BranchCopy(optuna_id, name, attributes)

    def _claim(self, name: str, direction: StudyDirection, study_id: str) -> int | None:
        try:
            return self._storage.create_new_study([direction], name)
        except DuplicatedStudyError:  # perhaps ours, from a sync that was killed just here
            optuna_id = self._storage.get_study_id_from_name(name)
            owner = self._storage.get_study_user_attrs(optuna_id).get("study_id", study_id)
            return optuna_id if owner == study_id else None

    def _sync_trial(
        self,
        copy: _BranchCopy,
        trial: Trial,
        scores: Mapping[int, float],
        distributions: Mapping[str, BaseDistribution],
    ) -> None:
        state = rows.state_of(trial)
        seen = copy.trials.get(trial.trial_number)
        if state is None or (seen and seen.ended):
            return
        if seen is None:
            frozen = rows.frozen_trial(trial, scores, distributions)
            optuna_id = self._storage.create_new_trial(copy.optuna_id, frozen)
            seen = _TrialCopy(optuna_id, set(scores), state.is_finished())
            copy.trials[trial.trial_number] = seen
            return
        self._follow(seen, trial, scores, state)

    def _follow(
        self, seen: _TrialCopy, trial: Trial, scores: Mapping[int, float], state: TrialState
    ) -> None:
        for meta_iteration in sorted(set(scores) - seen.steps):
            self._storage.set_trial_intermediate_value(
                seen.optuna_id, meta_iteration, scores[meta_iteration]
            )
            seen.steps.add(meta_iteration)
        if not state.is_finished():
            return
        with transaction(self._engine) as session:
            queries.set_optuna_attributes(session, seen.optuna_id, rows.trial_attributes(trial))
        value = rows.value_of(trial)
        values = None if value is None else [value]
        self._storage.set_trial_state_values(seen.optuna_id, state, values)
        seen.ended = True

    def _finish(
        self, copy: _BranchCopy, study: Study, spec: StudySpec, branch: Branch, *, done: bool
    ) -> None:
        attributes = rows.study_attributes(study, spec, branch)
        changed = {n: v for n, v in attributes.items() if copy.attributes.get(n) != v}
        if study.status in TERMINAL_STUDIES:
            self._seal(copy, study)
            self._write_note(copy.name, rows.note(study))
            if done:
                changed["mirrored"] = _done_mark(study)
        for name, value in changed.items():
            self._storage.set_study_user_attr(copy.optuna_id, name, value)
        copy.attributes.update(changed)

    def _seal(self, copy: _BranchCopy, study: Study) -> None:
        for trial_number, attributes in rows.sealed_attributes(study).items():
            if trial_number in copy.trials:
                with transaction(self._engine) as session:
                    optuna_id = copy.trials[trial_number].optuna_id
                    queries.set_optuna_attributes(session, optuna_id, attributes)

    def _write_note(self, study_name: str, body: str) -> None:
        study = OptunaStudy(study_name=study_name, storage=self._storage)
        if get_note(study) != body:
            save_note(study, body)


def _done_mark(study: Study) -> str:
    return f"{study.status} with verdict" if study.result else study.status
