"""The study spec: what a user submits, as YAML or JSON, version 1.

Unknown fields, NaN, infinities and absurd sizes are refused; every default is written out by
`StudySpec.model_dump`, and `metaopt show --full` prints it.
"""

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from metaopt.algorithms.registry import ALGORITHMS, check_classes, check_targets
from metaopt.errors import MetaoptError
from metaopt.goals import SCORE, Goals, Statistic
from metaopt.options import SEED
from metaopt.search.samplers.kind import Problem
from service.wire.base import Count, Wire
from service.wire.names import STUDY_NAME
from service.wire.requires import Requires
from service.wire.spec.budget import Budget
from service.wire.spec.compare import (
    Compare,
    check_fit,
    names_of,
    own_branches,
    references,
    trained,
)
from service.wire.spec.gates import Gates
from service.wire.spec.model import Model, ModelSpec
from service.wire.spec.objectives import (
    ConstraintsField,
    CostName,
    Objectives,
    check_objectives,
    check_pruning,
    measured_names,
    no_constraints,
)
from service.wire.spec.pruning import Keep, Pruning, check_fidelity, check_keep
from service.wire.spec.samplers import SamplerName, check_sampler, dimensions
from service.wire.spec.size import MOST_LANE_BYTES, bank_bytes, lane_bytes, trained_size
from service.wire.spec.space import Branch, check_names, ends, largest
from service.wire.spec.tasks import Tasks
from service.wire.spec.warm_start import WarmStart, check_warm_trials


class Search(Wire):
    """Which sampler asks; one instance per branch, seeded from study seed, branch and ask index.

    `startup_trials` of a branch end before `tpe`, `gp` and `auto` begin to model; `grid_points` is
    how many values `grid` takes of a range of real numbers (of whole numbers and choices, all).

    `bandit` moves trials of the budget to the branches that may still win, and each gets `floor` of
    an even share in any case; `even` moves nothing.  A `share` of any branch fixes all.  `currency`
    is what the bandit counts: trials, or the device seconds that they take, where those of one
    branch are dearer than those of another.

    `replicates` of the budget's trials are kept to train the best again with fresh seeds, as long
    as the noise of training leaves open which is best (docs/search.md).
    """

    sampler: SamplerName = "auto"
    startup_trials: Annotated[int, Field(ge=0, le=10_000)] = 10
    grid_points: Annotated[int, Field(ge=2, le=1000)] = 5
    allocation: Literal["bandit", "even"] = "bandit"
    currency: Literal["trials", "device_seconds"] = "trials"
    floor: Annotated[float, Field(ge=0, le=1)] = 0.5
    replicates: Annotated[int, Field(ge=0, le=10_000)] = 0


class Evaluation(Wire):
    """How a trial is scored at a rung: adaptation on a bank of meta-validation tasks.

    `k_shot` and `q_query` default to those of `tasks`.  `transductive` lets batch norm use the
    statistics of the query examples together; otherwise those of the support set.  It is about
    scores: training always takes the statistics of the batch that a loss is of, so those of the
    query examples in MAML's outer loss.

    `keep` says which of a trial's models counts: the `last`, or the `best` of its rungs so far by
    its score on these tasks, of equals the earlier.  That is the one that is scored, pruned by,
    judged in the verdict and written.  A fresh training chooses by these tasks too, and never by
    those that judge it.
    """

    tasks: Annotated[int, Field(ge=2, le=10_000)] = 100
    k_shot: Count | None = None
    q_query: Count | None = None
    curve_steps: Annotated[int, Field(ge=0, le=200)] = 10
    statistic: Statistic = "mean"
    transductive: bool = True
    keep: Keep = "last"


class Verdict(Wire):
    """How the best trials are judged: trained afresh, scored on sealed meta-test tasks.

    `finalists` of the best are judged (of the best of each branch, with `finalists_from:
    each_branch`), and up to `extra_finalists` of the next ones that the
    search's own tasks cannot tell from the last of them.  `compare: default` also trains what the
    spec gives without a search (`Branch.defaults`), the name of a preset that published recipe,
    `pretrain` or `scratch` what needs no meta-learning; it may be a list of them
    (`service.wire.spec.compare`).  `cost` is what their scores are set against
    (docs/objectives.md).  Fresh trainings are numbered from `first_seed`: another number
    gives other seeds on the same sealed tasks.
    """

    finalists: Annotated[int, Field(ge=1, le=20)] = 3
    finalists_from: Literal["all", "each_branch"] = "all"
    extra_finalists: Annotated[int, Field(ge=0, le=20)] = 0
    seeds: Annotated[int, Field(ge=1, le=20)] = 3
    tasks: Annotated[int, Field(ge=2, le=10_000)] = 400
    compare: Compare = "default"
    first_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    cost: CostName = "adaptation_examples"

    def judged(self, branches: int) -> int:
        """How many finalists a study of so many branches has, if it has as many trials."""
        return self.finalists * (branches if self.finalists_from == "each_branch" else 1)

    def trainings(self, branches: int = 1) -> int:
        """How many fresh trainings there will be, as far as that is known beforehand."""
        return (self.judged(branches) + len(trained(self.compared()))) * self.seeds

    def compared(self) -> tuple[str, ...]:
        """What the finalists are compared with, by name."""
        return names_of(self.compare)


_NAME_SCHEMA = {"minLength": 1, "maxLength": 200, "pattern": r"^[^\x00-\x1f\x7f]+$"}


class TrainingShots(NamedTuple):
    """Examples of a class (of a task in regression) that a trial trains on, at most.

    Args:
        k_shot, q_query: Support and query examples.
        field: The parameter that says so; its largest value is `most`.
        beside: What there is beside that, in words.
    """

    k_shot: int
    q_query: int
    field: str
    most: int
    beside: str


class StudySpec(Wire):
    """A study: tasks, model, branches, search, pruning, budget, evaluation, verdict, gates.

    With several `objectives` its result is a Pareto set; `constraints` bound what trials may cost;
    `gates` are what its best finalist must be able to do, `requires` what slots must have to train
    it.
    """

    schema_version: Literal[1] = 1
    name: Annotated[str, STUDY_NAME, Field(json_schema_extra=_NAME_SCHEMA)]
    seed: Annotated[int, Field(ge=int(SEED.minimum), le=int(SEED.maximum))] = SEED.default
    tasks: Tasks
    model: Model
    branches: Annotated[
        list[Branch], Field(min_length=1, max_length=8), AfterValidator(check_names)
    ]
    search: Search = Search()
    pruning: Pruning = Pruning()
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    verdict: Verdict = Verdict()
    warm_start: WarmStart = WarmStart()
    objectives: Objectives = ["score"]
    constraints: ConstraintsField = Field(default_factory=no_constraints)
    gates: Gates = Gates()
    requires: Requires = Requires()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self.model.record.check(self.model.chosen(), self.tasks.input_shape)
        for branch in self.branches:
            self._check_targets(branch)
            self._check_ways(branch)
            self._check_model(branch)
            check_sampler(self.search.sampler, self.problem(branch))
        check_objectives(
            self.objectives,
            sampler=self.search.sampler,
            extra_finalists=self.verdict.extra_finalists,
        )
        check_pruning(
            self.pruning.rule(),
            self.pruning.metric,
            objectives=self.objectives,
            bounds=self.constraints.bounds(),
        )
        rungs = self.pruning.rungs or []
        if rungs and rungs[-1] >= self.budget.meta_iterations:
            raise ValueError(
                f"the last rung must be below budget.meta_iterations = "
                f"{self.budget.meta_iterations}, got {rungs[-1]}"
            )
        check_fidelity(
            self.pruning, self.rungs()[:-1], tasks=self.evaluation.tasks, branches=self.branches
        )
        check_keep(self.evaluation.keep, self.rungs()[:-1])
        self._check_replicates()
        self._check_finalists()
        self._check_shots()
        check_fit(self.verdict.compared(), self.tasks, self.branches)
        check_warm_trials(self.warm_start.trials, {entry.name: entry for entry in self.branches})
        self._check_size()
        return self

    def _check_targets(self, branch: Branch) -> None:
        try:
            algorithm, tasks = ALGORITHMS.get(branch.algorithm), self.tasks
            target = tasks.metric_record.target
            check_targets(algorithm, target)
            check_classes(algorithm, target, tasks.record.numbered_classes, tasks.kind)
        except MetaoptError as error:
            raise ValueError(f"branch {branch.name}: {error}") from None

    def _check_ways(self, branch: Branch) -> None:
        name = ALGORITHMS.get(branch.algorithm).train_ways
        if name is None:
            return
        for ways in ends(branch.space.get(name)):
            try:
                self.tasks.record.check_ways(self.tasks.chosen(), ways, name)
            except MetaoptError as error:
                raise ValueError(f"branch {branch.name}: {error}") from None

    def _check_model(self, branch: Branch) -> None:
        if branch.model is None:
            return
        try:
            branch.model.record.check(branch.model.chosen(), self.tasks.input_shape)
        except MetaoptError as error:
            raise ValueError(f"branch {branch.name}: {error}") from None

    def lane_bytes(self) -> float:
        """About how many bytes a trial needs at most: to train, or to be evaluated."""
        k_shot, q_query = self.evaluation_shots()
        needed = 0.0
        for branch in self.every_branch():
            algorithm = ALGORITHMS.get(branch.algorithm)
            entries = {**branch.fixed(), **branch.distributions()}
            most = {name: largest(entry) or 0 for name, entry in entries.items()}
            shots, ways = algorithm.train_shots or "", algorithm.train_ways or ""
            beside = references(self.verdict.compared(), self.branches, branch.name)
            for compared in beside.values():
                if compared.branch == branch.name:
                    for name, value in compared.params.items():
                        most[name] = max(most[name], largest(value) or 0)
            size = trained_size(self.tasks, self.model_of(branch), algorithm, most)
            needed = max(
                needed,
                bank_bytes(
                    self.tasks,
                    size,
                    bank_tasks=max(self.evaluation.tasks, self.verdict.tasks, self.gate_tasks()),
                    k_shot=k_shot,
                    q_query=q_query,
                ),
                lane_bytes(
                    self.tasks,
                    size,
                    classes=max(most.get(ways, 0), self.tasks.classes),
                    meta_batch=most.get("meta_batch", 1),
                    inner_steps=most.get("inner_steps", 0),
                    shots=max(most.get(shots, 0), self.tasks.k_shot),
                ),
            )
        return needed

    def _check_size(self) -> None:
        needed = self.lane_bytes()
        if needed > MOST_LANE_BYTES:
            raise ValueError(
                f"one trial would need about {needed / 2**30:.0f} GiB, the most is "
                f"{MOST_LANE_BYTES / 2**30:.0f}: make the model, meta_batch, inner_steps or the "
                "numbers of examples smaller"
            )

    def gate_tasks(self) -> int:
        """On how many tasks gates may look; none without gates."""
        return self.gates.most_tasks if self.gates.rules else 0

    def _check_shots(self) -> None:
        tasks = self.tasks.record
        k_shot, q_query = self.evaluation_shots()
        tasks.check_shots(k_shot, q_query, where="evaluation.")
        self.tasks.metric_record.check_queries(q_query, where="evaluation.")
        for branch in self.branches:
            shots = self.training_shots(branch)
            if shots is not None and not tasks.has(shots.k_shot + shots.q_query):
                raise ValueError(
                    f"{shots.field} must be at most {tasks.stock}{shots.beside}, got "
                    f"{shots.most:g} (branch {branch.name})"
                )

    def training_shots(self, branch: Branch) -> TrainingShots | None:
        """What a trial of a branch trains on at most, where the branch says it."""
        algorithm, k_shot = ALGORITHMS.get(branch.algorithm), self.tasks.k_shot
        support, tail = (
            int(largest(branch.space.get(name)) or 0) if name else 0
            for name in (algorithm.train_shots, algorithm.tail_shots)
        )
        queries = tail or self.tasks.q_query * algorithm.train_queries
        other = algorithm.tail_shots if tail else "q_query"
        if support:
            beside = f" beside {other} = {queries}" if queries else ""
            return TrainingShots(support, queries, algorithm.train_shots or "", support, beside)
        if tail:
            beside = f" beside k_shot = {k_shot}"
            return TrainingShots(k_shot, tail, algorithm.tail_shots or "", tail, beside)
        return None

    def evaluation_shots(self) -> tuple[int, int]:
        """Return (k_shot, q_query) of the task bank."""
        return (
            self.evaluation.k_shot or self.tasks.k_shot,
            self.evaluation.q_query or self.tasks.q_query,
        )

    def _check_replicates(self) -> None:
        replicates, trials = self.search.replicates, self.budget.trials
        if self.points() < 1:
            raise ValueError(
                f"search.replicates must be below budget.trials = {trials}, of which they are a "
                f"part, got {replicates}: raise one or lower the other"
            )
        if replicates and len(self.objectives) > 1:
            raise ValueError(
                f"search.replicates must be 0 with several objectives, got {replicates}: what is "
                "trained again follows from the score alone"
            )

    def _check_finalists(self) -> None:
        verdict = self.verdict
        if verdict.finalists_from == "all":
            return
        if len(self.objectives) > 1:
            raise ValueError(
                f"verdict.finalists_from must be all with several objectives, got "
                f"{verdict.finalists_from}: finalists are then spread over the Pareto set"
            )
        if verdict.extra_finalists:
            raise ValueError(
                f"verdict.extra_finalists must be 0 with finalists_from each_branch, got "
                f"{verdict.extra_finalists}: they are tied with the last finalist of all; raise "
                "verdict.finalists, which is then that of each branch"
            )

    def branch(self, name: str) -> Branch:
        """The branch of that name, which there is, in the search or for the verdict alone."""
        for branch in self.branches:
            if branch.name == name:
                return branch
        (named,) = [branch for branch in self.every_branch() if branch.name == name]
        return named

    def every_branch(self) -> list[Branch]:
        """The branches, and those of which only the verdict trains something."""
        return [*self.branches, *own_branches(self.verdict.compared(), self.branches)]

    def branches_for(self, name: str, algorithm: str) -> list[Branch]:
        """The branches that could train what a branch of another study did: the one of its name,
        else all of its algorithm.
        """
        alike = [branch for branch in self.branches if branch.algorithm == algorithm]
        return [branch for branch in alike if branch.name == name] or alike

    def model_of(self, branch: Branch) -> ModelSpec:
        """What the trials of a branch train: a model of its own, else the study's."""
        return self.model if branch.model is None else branch.model

    def problem(self, branch: Branch) -> Problem:
        """What the sampler of a branch is made for."""
        return Problem(
            space=dimensions(branch),
            goals=self.goals(),
            study_seed=self.seed,
            branch=branch.name,
            startup_trials=self.search.startup_trials,
            grid_points=self.search.grid_points,
        )

    def points(self) -> int:
        """How many trials samplers are asked for: those of the budget without replicates."""
        return self.budget.trials - self.search.replicates

    def metric(self) -> str:
        """The name of the score."""
        return self.tasks.metric_record.name

    def allocation(self) -> Literal["bandit", "even", "fixed"]:
        """How the trials of the budget are divided between the branches."""
        if len(self.branches) == 1:
            return "even"
        if any(branch.share is not None for branch in self.branches):
            return "fixed"
        return self.search.allocation

    def maximize(self) -> bool:
        """Whether a higher score is better."""
        return self.tasks.metric_record.maximize

    def goals(self) -> Goals:
        """The objectives and constraints of the search, and what its score is."""
        return Goals(
            maximize=self.maximize(),
            objectives=tuple(self.objectives),
            bounds=self.constraints.bounds(),
            statistic=self.evaluation.statistic,
            possible=self.tasks.metric_record.possible,
        )

    def measured(self) -> list[str]:
        """Metrics that workers measure for this study, beside scores."""
        return measured_names([*self.named_costs(), *self.gates.costs(), self.verdict.cost])

    def named_costs(self) -> list[str]:
        """Metrics beside the score that the search goes by."""
        named = [*self.objectives, *self.constraints.bounds(), self.pruning.metric]
        return [name for name in dict.fromkeys(named) if name != SCORE]

    def beyond_score(self) -> bool:
        """Whether anything but the score has a say in the search."""
        by_score = self.objectives == ["score"] and self.pruning.metric == "score"
        return not by_score or bool(self.constraints.bounds())

    def rungs(self) -> list[int]:
        """The meta-iterations at which a trial is judged; the last is the budget."""
        full = self.budget.meta_iterations
        return [*self.pruning.rungs_below(full), full]
