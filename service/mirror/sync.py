"""The mirror: our studies in Optuna's tables, for Optuna Dashboard and `optuna.load_study`.

    mo_studies, mo_trials, mo_reports ──sync──▶ studies, trials, trial_values, … (Optuna's)

Each branch of a study that has begun is one Optuna study.  The mirror only follows: it runs behind
the dispatcher, may be late, may fail and try again, may be deleted and comes back.  Nothing is ever
read from it to decide anything.

A sync compares a fingerprint of both sides (one small query) and stops there if nothing
happened.  Otherwise it brings over the studies that had events; if Optuna's side is not as the
last sync left it (or at the start), it reads what is there and completes all studies.  Of a
branch it looks at the trials that the events are about (when it completes a study, or the study
has ended, at those from the first on that has not ended there), and writes many in one
transaction: what a trial costs must not grow with the study.  Once all trials of an ended study are
there, its figures follow (`service.mirror.figures`), and a mark that there is nothing left to do.
Importances, which take long, are made for the figures and kept in our tables for its reports: they
are the only thing that is written there, and follow from the trials alone.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.study import StudyDirection
from sqlalchemy import URL
from sqlalchemy.orm import Session

from metaopt.goals import Goals
from metaopt.search.distributions import distribution
from service.db.connections.deadlines import DISPATCHER
from service.db.connections.pauses import pause_after
from service.db.dispatcher import EpochLost, check_live
from service.db.engine import open_engine, reading, transaction
from service.db.optuna import mirrored as queries
from service.db.optuna.storage import open_storage, relax
from service.db.optuna.trials import Change, add_trials, change_trials, set_attributes
from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS
from service.db.tables import Study, Trial
from service.mirror import figures, rows
from service.mirror.gathered import Gathered
from service.mirror.note import note
from service.operations.report import keep_importances, read_rows
from service.plugins.stored import spec_of_data
from service.report.data import Rows, importances_of
from service.wire.spec.samplers import dimensions
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec

INTERVAL_SECONDS = 0.5
MOST_STUDIES = 50  # in memory
MOST_TOGETHER = 100  # trials in a transaction: on SQLite the dispatcher waits for its end

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
    first_open: int = 0  # trials of lower numbers have ended here


def run_mirror(
    database_url: str | URL, epoch: int, stop: threading.Event, cut: threading.Event
) -> None:
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
        except Exception as error:  # whatever it is, the mirror goes on
            pause = pause_after(error, pause)
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
        database_url: str | URL,
        stop: threading.Event | None = None,
        epoch: int | None = None,
    ) -> None:
        """Open both sides; nothing is read yet."""
        self._engine = open_engine(database_url, DISPATCHER)
        relax(self._engine)
        self._storage = open_storage(database_url)
        self._stop = stop or threading.Event()
        self._epoch = epoch
        self._seen: queries.Fingerprint | None = None
        self._copies: dict[tuple[str, str], _BranchCopy] = {}  # of studies that may change
        self._done: dict[str, str] = {}  # marks of those that the last sync saw

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
                study_ids = queries.all_studies(session)
                self._read_copies(session)
            else:
                study_ids = queries.studies_with_events_after(session, self._seen.last_event)
        since = None if self._seen is None else self._seen.last_event
        failure = self._sync_studies(study_ids, since)
        looked_at = set(study_ids)
        self._done = {one: mark for one, mark in self._done.items() if one in looked_at}
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

    def _read_copies(self, session: Session) -> None:
        self._copies.clear()
        self._done.clear()
        for there in queries.copies(session):
            attributes = there.attributes
            if "study_id" in attributes and "branch" in attributes:  # others are not ours
                key = attributes["study_id"], attributes["branch"]
                self._copies[key] = _BranchCopy(there.optuna_id, there.name, attributes)

    def _is_done(self, study: Study) -> bool:
        """Whether nothing of the study will change any more; then its copies are forgotten."""
        done = _done_mark(study)
        if self._done.get(study.study_id) == done:
            return True
        keys = [
            (study.study_id, branch.get("name", branch["algorithm"]))
            for branch in study.spec["branches"]
        ]
        copies = [self._copies.get(key) for key in keys]
        if not all(copy and copy.attributes.get("mirrored") == done for copy in copies):
            return False
        self._done[study.study_id] = done
        for key in keys:
            del self._copies[key]
        return True

    def _undone(self, study_ids: Sequence[str]) -> Iterator[Study]:
        """Read the studies, a few at a time: they may be thousands."""
        for begin in range(0, len(study_ids), MOST_STUDIES):
            with reading(self._engine) as session:
                studies = queries.read_studies(session, study_ids[begin : begin + MOST_STUDIES])
                session.expunge_all()
            yield from (study for study in studies if not self._is_done(study))

    def _sync_studies(self, study_ids: Sequence[str], since: int | None) -> Exception | None:
        first: Exception | None = None
        for study in self._undone(study_ids):
            if self._stop.is_set():
                break
            try:
                self._sync_study(study, None if study.status in TERMINAL_STUDIES else since)
            except EpochLost:
                raise
            except Exception as error:
                log.warning("mirror_study_failed", study_id=study.study_id, error=str(error))
                first = first or error
        return first

    def _sync_study(self, study: Study, since: int | None) -> None:
        with reading(self._engine) as session:  # for kinds that were described lately
            spec = spec_of_data(study.spec, session)
        if study.status in TERMINAL_STUDIES and self._was_done(study, spec):
            return
        # Those in flight when a study is cancelled or fails end after it.
        ended = [self._sync_branch(study, spec, branch, since) for branch in spec.branches]
        for branch in spec.branches:
            if not self._stop.is_set():
                self._finish(self._copy(study, spec, branch), study, spec, branch)
        if all(ended) and study.status in TERMINAL_STUDIES and not self._stop.is_set():
            self._complete(study, spec)

    def _complete(self, study: Study, spec: StudySpec) -> None:
        """Add what is made once, when nothing will change any more, and mark the study done."""
        with reading(self._engine) as session:
            self._check_live(session)
            content = read_rows(session, study.study_id)
        drawn = figures.branch_figures(self._with_importances(content))
        for branch in spec.branches:
            copy = self._copy(study, spec, branch)
            small, large = figures.fitting(drawn.get(branch.name, []))
            far, mark = self._far(copy), {"mirrored": _done_mark(study)}
            figures.save_figures(far.study, small)
            far.note(note(study, large))
            far.user(mark)
            self._write_far(far)
            copy.attributes |= mark
        self._is_done(study)

    def _with_importances(self, content: Rows) -> Rows:
        """The rows with their importances, which are kept: later reports need not compute them."""
        if content.importances is not None:
            return content
        study_id = content.study.study_id
        try:
            found = importances_of(content)
        except Exception as error:  # whatever it is, the rest is worth showing
            log.warning("importances_failed", study_id=study_id, error=str(error))
            return content
        with transaction(self._engine) as session:
            self._check_live(session)
            keep_importances(session, study_id, found)
        return replace(content, importances=found)

    def _sync_branch(
        self, study: Study, spec: StudySpec, branch: Branch, since: int | None
    ) -> bool:
        """Bring over the branch's trials, if not all those that events after one are about.

        Returns:
            Whether all that were looked at have ended.
        """
        known = (study.study_id, branch.name) in self._copies
        copy = self._copy(study, spec, branch)
        with reading(self._engine) as session:
            self._check_live(session)
            told_of = (
                queries.trials_told_of(session, study.study_id, since)
                if since is not None and known
                else None
            )
            place = study.study_id, branch.name, copy.first_open, told_of
            trials = queries.search_trials(session, *place)
            scores: dict[str, dict[int, float]] = {trial.trial_id: {} for trial in trials}
            for trial_id, meta_iteration, score in queries.search_scores(session, *place):
                scores.setdefault(trial_id, {})[meta_iteration] = score
            session.expunge_all()
        distributions = {n: distribution(d) for n, d in dimensions(branch).items()}
        news = [trial for trial in trials if _is_news(copy, trial, scores[trial.trial_id])]
        for begin in range(0, len(news), MOST_TOGETHER):
            if self._stop.is_set():
                return False
            some = news[begin : begin + MOST_TOGETHER]
            self._write(copy, some, scores, distributions, spec.goals())
        if told_of is None:
            copy.first_open = _first_open(copy, trials)
        return all(trial.status in TERMINAL_TRIALS for trial in trials)

    def _was_done(self, study: Study, spec: StudySpec) -> bool:
        """Whether Optuna's tables say so of a study that was forgotten: a late event names it."""
        for branch in spec.branches:
            key = study.study_id, branch.name
            found = self._copies.get(key) or self._find(study, branch)
            if found is None:
                return False
            self._copies[key] = found
        return self._is_done(study)

    def _find(self, study: Study, branch: Branch) -> _BranchCopy | None:
        own = {"study_id": study.study_id, "branch": branch.name}
        for name in _names(study, branch):
            try:
                optuna_id = self._storage.get_study_id_from_name(name)
            except KeyError:
                continue
            attributes = self._storage.get_study_user_attrs(optuna_id)
            if own.items() <= attributes.items():
                return _BranchCopy(optuna_id, name, attributes)
        return None

    def _copy(self, study: Study, spec: StudySpec, branch: Branch) -> _BranchCopy:
        key = study.study_id, branch.name
        if key not in self._copies:
            self._copies[key] = self._create(study, spec, branch)
        copy = self._copies[key]
        if not copy.trials:
            for frozen in self._storage.get_all_trials(copy.optuna_id, deepcopy=False):
                trial_number = frozen.user_attrs.get("trial_number")
                if not isinstance(trial_number, int) or trial_number in copy.trials:
                    continue  # not ours: anyone may ask Optuna's study for a trial of their own
                copy.trials[trial_number] = _TrialCopy(
                    frozen._trial_id, set(frozen.intermediate_values), frozen.state.is_finished()
                )
        return copy

    def _create(self, study: Study, spec: StudySpec, branch: Branch) -> _BranchCopy:
        goals = spec.goals()
        score = StudyDirection.MAXIMIZE if goals.maximize else StudyDirection.MINIMIZE
        directions = [score, *[StudyDirection.MINIMIZE] * (len(goals.objectives) - 1)]
        name, whole = _names(study, branch)
        optuna_id = self._claim(name, directions, study.study_id)
        if optuna_id is None:  # another study has the same name and begins with the same letters
            name = whole
            optuna_id = self._claim(name, directions, study.study_id)
            assert optuna_id is not None, f"{name} belongs to another study"
        copy = _BranchCopy(optuna_id, name, {"study_id": study.study_id, "branch": branch.name})
        far = self._far(copy)
        far.user(copy.attributes)
        far.system({"study:metric_names": [spec.metric(), *goals.objectives[1:]]})
        far.note(note(study))
        self._write_far(far)
        return copy

    def _claim(self, name: str, directions: list[StudyDirection], study_id: str) -> int | None:
        try:
            return self._storage.create_new_study(directions, name)
        except DuplicatedStudyError:  # perhaps ours, from a sync that was killed just here
            optuna_id = self._storage.get_study_id_from_name(name)
            owner = self._storage.get_study_user_attrs(optuna_id).get("study_id", study_id)
            return optuna_id if owner == study_id else None

    def _write(
        self,
        copy: _BranchCopy,
        trials: Sequence[Trial],
        scores: Mapping[str, Mapping[int, float]],
        distributions: Mapping[str, BaseDistribution],
        goals: Goals,
    ) -> None:
        new = [trial for trial in trials if trial.trial_number not in copy.trials]
        old = [trial for trial in trials if trial.trial_number in copy.trials]
        with transaction(self._engine) as session:
            self._check_live(session)
            frozen = [rows.frozen_trial(t, scores[t.trial_id], distributions, goals) for t in new]
            optuna_ids = add_trials(session, copy.optuna_id, frozen)
            changes = [_change(copy, trial, scores[trial.trial_id], goals) for trial in old]
            change_trials(session, changes)
        for trial, optuna_id in zip(new, optuna_ids, strict=True):
            copy.trials[trial.trial_number] = _TrialCopy(optuna_id, set(), False)
        for trial in trials:
            seen = copy.trials[trial.trial_number]
            seen.steps = set(scores[trial.trial_id])
            seen.ended = rows.has_ended(trial)

    def _finish(self, copy: _BranchCopy, study: Study, spec: StudySpec, branch: Branch) -> None:
        attributes = rows.study_attributes(study, spec, branch)
        changed = {n: v for n, v in attributes.items() if copy.attributes.get(n) != v}
        far = self._far(copy)
        far.user(changed)
        if study.status in TERMINAL_STUDIES:
            self._seal(copy, study)
            far.note(note(study))
        self._write_far(far)
        copy.attributes.update(changed)

    def _seal(self, copy: _BranchCopy, study: Study) -> None:
        for trial_number, attributes in rows.sealed_attributes(study).items():
            if trial_number in copy.trials:
                with transaction(self._engine) as session:
                    optuna_id = copy.trials[trial_number].optuna_id
                    set_attributes(session, {optuna_id: attributes})

    def _far(self, copy: _BranchCopy) -> Gathered:
        return Gathered(self._storage, copy.optuna_id, copy.name)

    def _write_far(self, far: Gathered) -> None:
        if far:
            with transaction(self._engine) as session:
                self._check_live(session)
                far.write(session)


def _is_news(copy: _BranchCopy, trial: Trial, scores: Mapping[int, float]) -> bool:
    seen = copy.trials.get(trial.trial_number)
    if seen is None:
        return rows.state_of(trial) is not None
    return not seen.ended and (rows.has_ended(trial) or not seen.steps.issuperset(scores))


def _change(copy: _BranchCopy, trial: Trial, scores: Mapping[int, float], goals: Goals) -> Change:
    seen = copy.trials[trial.trial_number]
    fresh = {step: score for step, score in scores.items() if step not in seen.steps}
    return Change(seen.optuna_id, fresh, rows.end_of(trial, goals))


def _first_open(copy: _BranchCopy, trials: Sequence[Trial]) -> int:
    for trial in trials:
        seen = copy.trials.get(trial.trial_number)
        if seen is None or not seen.ended:
            return trial.trial_number
    return trials[-1].trial_number + 1 if trials else copy.first_open


def _names(study: Study, branch: Branch) -> tuple[str, str]:
    """The name of the branch's Optuna study, and the one it has where that is another's."""
    first = f"{study.name} · {branch.name} · "
    return first + study.study_id[:8], first + study.study_id


def _done_mark(study: Study) -> str:
    # A study that an older version mirrored has another mark, and gets its figures.
    return f"{study.status}, {'verdict and figures' if study.result else 'figures'}"
