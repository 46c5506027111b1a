"""The plan: what a spec means for the trials of each role, made once when a study is loaded.

    spec ──Plan.of──▶ role ──▶ trained by, bank, rungs, stops, order switch, compared with

A plan is a function of its spec and never changes; a budget that is changed from outside makes a
new one.  Whoever handles a trial asks the plan of its role, and not the spec again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from metaopt.costs.metric import Configuration as Costing
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.selection import Selection
from metaopt.goals import Goals
from metaopt.metaparams import Value
from metaopt.population.signature import Signature
from metaopt.search.pruning.rule import Options, PruningRule
from service.db.roles import ROLES, Role
from service.planning.branch_shares import floors, moves, startup_of
from service.planning.cost_metrics import costing
from service.planning.fidelity import first_order_until, tasks_at_rungs, trained_params
from service.planning.signatures import task_bank
from service.wire.spec.compare import Configuration, references
from service.wire.spec.study import StudySpec

INCUMBENT = "incumbent"
"""What gates compare the candidate with."""


@dataclass(frozen=True)
class RolePlan:
    """How trials of one role are trained and judged.

    Args:
        role: Its row of the table.
        spec: What they train by.
        bank: Their tasks; the steps of its curve are those of a trial's program (`bank_of`).
        rungs: Meta-iterations at which they are judged; the last is the horizon.
        stops: Where their segments must end: at rungs, where programs change, and where the best of
            their models is selected.
        selection: By what that is selected, on meta-validation tasks whatever judges them; None is
            that the last one counts.
        fewer_tasks: On how many tasks they are scored where these are not all of the bank's.
        compared_with: What is trained beside them, by the branch that leads the search and then by
            the name under which the spec asks for it.
        branches: Names of the branches that they may be of.
        costing: What the costs of a branch's trials follow from, without their parameters.
        beside_trivial: Whether trivial predictors are scored on their tasks too.
    """

    role: Role
    spec: StudySpec
    bank: BankSpec
    rungs: tuple[int, ...]
    stops: tuple[int, ...]
    selection: Selection | None
    fewer_tasks: Mapping[int, int]
    compared_with: Mapping[str, Mapping[str, Configuration]]
    branches: tuple[str, ...]
    costing: Mapping[str, Costing]
    beside_trivial: bool

    @property
    def horizon(self) -> int:
        """Meta-iterations of a whole trial."""
        return self.rungs[-1]

    @property
    def changes_program(self) -> bool:
        """Whether its second-order trials begin in the program of first-order ones."""
        return self.spec.pruning.first_order_until is not None

    def bank_of(self, signature: Signature) -> BankSpec:
        """The bank with a curve as long as the trials of a program need it."""
        return replace(self.bank, steps=signature.test_cap)

    def selection_of(self, signature: Signature) -> Selection | None:
        """The selection, on a bank as `bank_of` has it."""
        if self.selection is None:
            return None
        return replace(self.selection, bank=replace(self.selection.bank, steps=signature.test_cap))

    def tasks_at(self, meta_iteration: int) -> int:
        """On how many tasks of the bank, its first ones, a trial is scored there."""
        return self.fewer_tasks.get(meta_iteration, self.bank.tasks)

    def trained_params(self, params: Mapping[str, Value], meta_iteration: int) -> dict[str, Value]:
        """What a trial of `params` trains by from `meta_iteration` on."""
        return trained_params(self.spec, params, meta_iteration)

    def switches_order_at(self, params: Mapping[str, Value]) -> int | None:
        """Where a trial of `params` goes from first to second order, if it does."""
        return first_order_until(self.spec, params)

    def takes_new_trials(self, signature: Signature) -> bool:
        """Whether a trial may begin in the program of `signature`, or only come to it later."""
        return not self.changes_program or signature.structure.get("order") != "second"


@dataclass(frozen=True)
class Plan:
    """What a spec means for each role, and how its trials are shared by the branches.

    What of the spec is asked for at every report is here too, so that it is made once.

    Args:
        spec: As it was submitted, with the budget of now.
        goals, rule, options: Its objectives, its pruning rule, and what that may read.
        beyond_score: Whether anything but the score has a say in the search.
        measured, named_costs: Metrics that workers measure, and those that the search goes by.
        moves_budget: Whether results may move trials between the branches.
        floors: How many trials each branch gets in any case.
        startups: How many trials of each branch end before it is compared.
    """

    spec: StudySpec
    goals: Goals
    rule: PruningRule
    options: Options
    beyond_score: bool
    measured: tuple[str, ...]
    named_costs: tuple[str, ...]
    roles: Mapping[str, RolePlan]
    moves_budget: bool
    floors: tuple[int, ...]
    startups: tuple[int, ...]

    @classmethod
    def of(cls, spec: StudySpec) -> "Plan":
        """The plan of a spec."""
        return cls(
            spec=spec,
            goals=spec.goals(),
            rule=spec.pruning.rule(),
            options=spec.pruning.options(),
            beyond_score=spec.beyond_score(),
            measured=tuple(spec.measured()),
            named_costs=tuple(spec.named_costs()),
            roles={name: _role_plan(spec, name, role) for name, role in ROLES.items()},
            moves_budget=moves(spec),
            floors=tuple(floors(spec)),
            startups=tuple(startup_of(spec, position) for position in range(len(spec.branches))),
        )

    def __getitem__(self, role: str) -> RolePlan:
        return self.roles[role]


def _role_plan(spec: StudySpec, name: str, role: Role) -> RolePlan:
    trained = _as_promoted(spec) if role.trained_as == "promoted" else spec
    rungs = spec.rungs() if role.judged_at == "rungs" else [trained.budget.meta_iterations]
    until, selection = trained.pruning.first_order_until, _selection(trained)
    stops = {*rungs, *([] if until is None else [until])}
    until = trained.pruning.first_order_until
    branches = trained.every_branch() if role.bank == "sealed" else trained.branches
    return RolePlan(
        role=role,
        spec=trained,
        bank=task_bank(spec, role.bank, 0),
        rungs=tuple(rungs),
        stops=tuple(sorted(stops | (selection.tasks_at.keys() if selection else set()))),
        selection=selection,
        fewer_tasks=tasks_at_rungs(spec) if role.judged_at == "rungs" else {},
        compared_with=_compared_with(spec, role),
        branches=tuple(branch.name for branch in branches),
        costing={branch.name: costing(trained, branch) for branch in branches},
        beside_trivial=_beside_trivial(spec, role),
    )


def _selection(spec: StudySpec) -> Selection | None:
    """How the best model of what a spec trains is selected, if it is not the last that counts."""
    if spec.evaluation.keep == "last":
        return None
    fewer, goals = tasks_at_rungs(spec), spec.goals()
    tasks_at = {rung: fewer.get(rung, spec.evaluation.tasks) for rung in spec.rungs()}
    bank = task_bank(spec, "validation", 0)
    return Selection(bank, tasks_at, goals.statistic, goals.maximize)


def _as_promoted(spec: StudySpec) -> StudySpec:
    """The spec by which the incumbent was trained when it was promoted."""
    incumbent = spec.gates.incumbent
    if incumbent is None:
        return spec
    budget = spec.budget.model_copy(update={"meta_iterations": incumbent.meta_iterations})
    selected_at = incumbent.selected_at
    recipe = {
        "rungs": selected_at[:-1] or None,
        "tasks": None,
        "first_order_until": incumbent.first_order_until,
    }
    pruning = spec.pruning.model_copy(update=recipe)
    keep = {"keep": "best" if selected_at else "last"}
    changes = {
        "model": incumbent.model,
        "branches": [branch.model_copy(update={"model": None}) for branch in spec.branches],
        "budget": budget,
        "pruning": pruning,
        "evaluation": spec.evaluation.model_copy(update=keep),
    }
    return spec.model_copy(update=changes)


def _beside_trivial(spec: StudySpec, role: Role) -> bool:
    """Every verdict is, and gates where a rule asks for it."""
    asked = role.bank == "gates" and any(rule.kind.trivial for rule in spec.gates.parsed())
    return asked or role.bank == "sealed"


def _compared_with(spec: StudySpec, role: Role) -> dict[str, dict[str, Configuration]]:
    names = [branch.name for branch in spec.branches]
    if role.bank == "gates" and (incumbent := spec.gates.incumbent) is not None:
        # A spec is refused where no branch could.
        beside = spec.branches_for(incumbent.branch, incumbent.algorithm)[0]
        promoted = {INCUMBENT: Configuration(beside.name, dict(incumbent.params))}
        return dict.fromkeys(names, promoted)
    if role.bank != "sealed":
        return {}
    compared = spec.verdict.compared()
    found = {name: references(compared, spec.branches, name) for name in names}
    return {name: trained for name, trained in found.items() if trained}
