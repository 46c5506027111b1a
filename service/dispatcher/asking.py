"""Asking: new trials, of the search and of the verdict."""

import uuid

from metaopt.keys import key
from metaopt.metaparams import complete
from service.db.states import TrialRole, TrialStatus
from service.dispatcher.budget import common_rung, scored_at
from service.dispatcher.ledger import NewTrial
from service.dispatcher.loading import group_of
from service.dispatcher.state import BranchState, StudyState, TrialState
from service.dispatcher.verdict import choose_finalists
from service.dispatcher.work import trial_number
from service.wire.warm_start import warm_points


def ask(study: StudyState, branch: BranchState, count: int) -> list[NewTrial]:
    """Ask the branch's sampler for `count` trials; they exist once the ledger has them.

    Raises:
        ValueError: the sampler cannot suggest anything, or what it suggests breaks a rule.
    """
    return [_ask(study, branch) for _ in range(count)]


def fresh_finalists(study: StudyState) -> list[TrialState]:
    """Return the verdict's trials: each of the best trials, trained afresh with each new seed.

    Where a budget ended the search before any trial completed, they are the best of those that
    were scored at the highest common rung.  Empty if no trial has a score to compare by.
    """
    verdict = study.spec.verdict
    candidates = _completed(study) or _unfinished(study)
    chosen = choose_finalists(candidates, count=verdict.finalists, maximize=study.spec.maximize())
    sources = [study.trials[number] for number in chosen for _ in range(verdict.seeds)]
    return [_fresh(study, source, index) for index, source in enumerate(sources)]


def _ask(study: StudyState, branch: BranchState) -> NewTrial:
    name, ask_index = branch.branch.algorithm, branch.search.asks
    number = trial_number(branch, ask_index, len(study.branches))
    given = warm_points(study.spec.warm_start, branch.branch)[ask_index : ask_index + 1]
    asked = branch.search.give(number, given[0]) if given else branch.search.ask(number)
    params = complete(name, {**branch.branch.fixed(), **asked})
    trial = TrialState(
        trial_id=uuid.uuid4().hex,
        trial_number=number,
        group=group_of(study, TrialRole.SEARCH, name, params),
        params=params,
        seed=key(study.spec.seed, "trial", number),
    )
    return NewTrial(trial, asked, ask_index)


def _completed(study: StudyState) -> list[tuple[int, float]]:
    return [
        (trial.trial_number, trial.score)
        for trial in study.of_role(TrialRole.SEARCH)
        if trial.status == TrialStatus.COMPLETED and trial.score is not None
    ]


def _unfinished(study: StudyState) -> list[tuple[int, float]]:
    if study.search_ended_by is None:
        return []
    rung = common_rung(study, study.spec.verdict.finalists)
    return [] if rung is None else scored_at(study, rung)


def _fresh(study: StudyState, source: TrialState, index: int) -> TrialState:
    spec = study.spec
    return TrialState(
        trial_id=uuid.uuid4().hex,
        trial_number=max(spec.budget.trials, 1 + max(study.trials)) + index,
        group=group_of(study, TrialRole.VERDICT, source.group.branch, source.params),
        params=source.params,
        seed=key(spec.seed, "verdict", source.trial_number, index % spec.verdict.seeds),
        source_trial_number=source.trial_number,
    )
