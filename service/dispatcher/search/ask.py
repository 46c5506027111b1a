"""Asking: new trials, of the search and of the verdict."""

import uuid
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from metaopt.algorithms.registry import complete
from metaopt.keys import key
from metaopt.metaparams import Value
from metaopt.search.samplers.history import Params
from service.db.states import TrialRole
from service.dispatcher.groups import group_of
from service.dispatcher.scheduler.branch_budgets import trial_number
from service.dispatcher.selection.candidates import eligible, spread_finalists
from service.dispatcher.state import BranchState, NewTrial, StudyState, TrialState
from service.judgement.finalists import choose_finalists
from service.wire.spec.compare import reference
from service.wire.spec.warm_start import warm_points


def ask(study: StudyState, branch: BranchState, count: int) -> list[NewTrial]:
    """Ask the branch's sampler for `count` trials; they exist once the ledger has them.

    Raises:
        ValueError: the sampler cannot suggest anything, or what it suggests breaks a rule.
    """
    return [new_trial(study, branch, None, branch.next_sequence()) for _ in range(count)]


def candidates(study: StudyState) -> list[int]:
    """Return the numbers of the search's trials that may be finalists, best first.

    They keep the constraints; with several objectives they are the Pareto set
    (`service.dispatcher.selection.candidates`).
    """
    return [one.trial_number for one in eligible(study)]


def fresh_finalists(
    study: StudyState, scores: Mapping[int, Sequence[float]] | None = None
) -> list[TrialState]:
    """Return the verdict's trials: finalists, then what they are compared with, with new seeds.

    That is what `verdict.compare` names; the defaults are those of the branch that leads the
    search, if it searches anything.  It has no source trial.  Empty if no trial has a score to
    compare by.

    Args:
        scores: By task of the search's bank, of the trials that `finalists.borderline` names.
    """
    spec = study.spec
    if spec.goals().several:
        chosen = spread_finalists(study, eligible(study))
    else:
        chosen = choose_finalists(
            candidates(study),
            count=spec.verdict.finalists,
            extra=spec.verdict.extra_finalists,
            scores=scores,
        )
    contenders = [_again(study, study.trials[number]) for number in chosen]
    if chosen:
        contenders += _compared(study, study.trials[chosen[0]].group.branch)
    repeats = [(one, repeat) for one in contenders for repeat in range(spec.verdict.seeds)]
    first = max(spec.budget.trials, 1 + max(study.trials, default=0))
    return [
        _fresh(study, one, first + index, repeat) for index, (one, repeat) in enumerate(repeats)
    ]


def new_trial(
    study: StudyState, branch: BranchState, point: Params | None, sequence: int
) -> NewTrial:
    """Return the branch's next trial.

    Args:
        study, branch: Whose.
        point: What its sampler has found for it; None is to ask it now.
        sequence: Place of the ask in the branch's log.
    """
    name, ask_index = branch.branch.algorithm, branch.search.asks
    number = trial_number(branch, ask_index, len(study.branches))
    given = warm_points(study.spec.warm_start, branch.branch)[ask_index : ask_index + 1]
    point = given[0] if given else point
    asked = branch.search.ask(number) if point is None else point
    if point is not None:
        branch.search.restore(number, point)
    params = complete(name, {**branch.branch.fixed(), **asked})
    trial = TrialState(
        trial_id=uuid.uuid4().hex,
        trial_number=number,
        group=group_of(study, TrialRole.SEARCH, name, params, 0),
        params=params,
        seed=key(study.spec.seed, "trial", number),
    )
    return NewTrial(trial, asked, ask_index, sequence)


class _Contender(NamedTuple):
    branch: str
    params: dict[str, Value]
    source: int | None


def _again(study: StudyState, source: TrialState) -> _Contender:
    return _Contender(source.group.branch, source.params, source.trial_number)


def _compared(study: StudyState, leading: str) -> list[_Contender]:
    found = reference(study.spec.verdict.compare, study.spec.branches, leading)
    return [_Contender(found.branch, found.params, None)] if found else []


def _fresh(study: StudyState, contender: _Contender, number: int, repeat: int) -> TrialState:
    spec, branch, params = study.spec, contender.branch, contender.params
    named = spec.verdict.compare if contender.source is None else contender.source
    return TrialState(
        trial_id=uuid.uuid4().hex,
        trial_number=number,
        group=group_of(study, TrialRole.VERDICT, branch, params, 0),
        params=params,
        seed=key(spec.seed, "verdict", named, spec.verdict.first_seed + repeat),
        source_trial_number=contender.source,
    )
