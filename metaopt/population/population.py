"""A population: many trials of one signature, trained as lanes of one program.

    admit ──▶ lane ──advance(n)──▶ older, or frozen as diverged ──▶ evaluate, checkpoint, evict

A lane is the same trial whatever its neighbours, their number and their order: its tasks, its
initial weights and its mini-batches are functions of (trial seed, meta-iteration).  With the
same lanes in the same order a CPU gives the same bits; with others the last bits may differ.

A lane whose loss or weights stop being finite keeps its last finite state, is reported
`diverged` with the meta-iteration, and touches nobody.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from metaopt.algorithms.algorithm import Algorithm, steps_of
from metaopt.algorithms.inner_step import inner_step_of
from metaopt.algorithms.make import Asked, make_learner
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.costs.registry import measured_costs
from metaopt.errors import InvalidMetaParameter, InvalidPopulation
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import Adaptation
from metaopt.evaluation.evaluate import LaneScores, Trained, evaluate
from metaopt.evaluation.selection import Selection
from metaopt.metaparams import OUTER, Value
from metaopt.models.base import Model
from metaopt.models.kind import ModelKind
from metaopt.models.modules import AnyModule
from metaopt.models.registry import MODELS
from metaopt.options import with_defaults
from metaopt.population import lane_files
from metaopt.population.alone import LaneAlone
from metaopt.population.checkpoint import Saved
from metaopt.population.compiled import (
    Opened,
    Step,
    compile_step,
    load_step,
    program_key,
    traced_digest,
)
from metaopt.population.device import checked_device
from metaopt.population.fresh import dtype_of, fresh_lane
from metaopt.population.kept import Kept, compared, counting
from metaopt.population.kinds import Kinds
from metaopt.population.lanes import Lanes, padded, stack
from metaopt.population.own import (
    ModelFactory,
    check_order,
    model_kind,
    named_by_signature,
    task_kind,
)
from metaopt.population.signature import Signature
from metaopt.population.sizes import default_lane_chunk, default_program_lanes
from metaopt.population.step import (
    Program,
    Shots,
    draw,
    drawn_at_once,
    inner_state,
    lane_numbers,
    meta_iteration,
)
from metaopt.tasks.base import Interactive, NumberedClasses, Tasks
from metaopt.tasks.kind import SHOTS, TaskKind
from metaopt.tasks.losses import check_loss, own_loss
from metaopt.tasks.make import make_tasks, with_ways


class LaneState(NamedTuple):
    """Age in meta-iterations, and if the lane diverged: at which one, and why."""

    age: int
    diverged_at: int | None
    cause: str | None


class Population:
    """Lanes of one signature on one device.

    Args:
        signature: What the lanes share.
        device: "cpu" or "cuda".
        lane_chunk: Most lanes computed at once, eager; None chooses what `default_lane_chunk` says.
        program_lanes: Lanes of a compiled program; None chooses what `default_program_lanes` says.
        tasks: The signature's task distribution, if it is loaded already or somebody's own, or its
            kind.
        model, algorithm: Somebody's own, if the signature names none of the registries'
            (`metaopt.population.own`).

    Raises:
        InvalidTasks, InvalidModel: the signature cannot be built.
        InvalidPopulation: no such device here, or no such float type.
    """

    def __init__(
        self,
        signature: Signature,
        *,
        device: str = "cpu",
        lane_chunk: int | None = None,
        program_lanes: int | None = None,
        tasks: Tasks | TaskKind | None = None,
        model: Model | ModelKind | ModelFactory | AnyModule | None = None,
        algorithm: Algorithm | None = None,
    ) -> None:
        self.signature = signature
        self.device = device = checked_device(device)
        kinds = Kinds(
            algorithm or ALGORITHMS.get(signature.algorithm),
            MODELS.get(signature.model.get("kind")) if model is None else model_kind(model),
        )
        self.program = _program(signature, kinds, tasks, device)
        self._named = named_by_signature(self.program, tasks)
        self.lane_chunk = lane_chunk or default_lane_chunk(signature, device, kinds)
        self._program_lanes = program_lanes
        self._steps: dict[int, Step] = {}  # compiled, by the number of lanes
        self._traced: dict[int, str] = {}  # digests of programs that are traced for their name
        self._blocks: dict[int, int] = {}  # meta-iterations drawn at once, likewise
        self._names: list[str] = []
        self._params: dict[str, dict[str, Value]] = {}
        self._lanes: Lanes | None = None
        self._kept: dict[str, Kept] = {}

    @property
    def lanes(self) -> list[str]:
        """The names of the lanes, in order."""
        return list(self._names)

    def admit(
        self,
        lane: str,
        params: Mapping[str, Any],
        *,
        seed: int,
        horizon: int,
        checkpoint: Path | None = None,
        digest: str | None = None,
    ) -> None:
        """Add a lane, fresh or from its checkpoint.

        Args:
            lane: Its name, new to this population.
            params: Meta-parameters; those not given have their defaults.
            seed: Trial seed, 0 <= seed < 2**63.
            horizon: Meta-iterations of the whole trial: schedules end there.
            checkpoint, digest: File to resume from and its SHA-256.

        Raises:
            InvalidPopulation: the name is taken, the trial has another signature, or the checkpoint
            is another trial's.  It may have been trained in another order (`checkpoint`).
            InvalidMetaParameter: bad name or value.
            CorruptCheckpoint: the file is not what it should be.
        """
        if lane in self._params:
            raise InvalidPopulation(f"lane {lane!r} is already in this population")
        values = self._checked(params)
        if not 0 <= seed < 2**63:
            raise InvalidPopulation(f"seed must be in [0, 2**63), got {seed}")
        if horizon < 1:
            raise InvalidPopulation(f"horizon must be >= 1, got {horizon}")
        state = fresh_lane(self.program, values, seed=seed, horizon=horizon, device=self.device)
        kept = None
        if checkpoint is not None:
            state, kept = lane_files.read_same_trial(
                checkpoint,
                digest,
                name=lane,
                fresh=state,
                program=self.program,
                device=self.device,
            )
        self._lanes = state if self._lanes is None else stack([self._lanes, state])
        self._names.append(lane)
        self._params[lane] = values
        if kept is not None:
            self._kept[lane] = kept

    def take_over(self, other: "Population", **changes: Value) -> None:
        """Let all lanes of `other` go on here, with some of their meta-parameters changed.

        A lane may change what leaves its state as it is: `Algorithm.of_the_gradient`.

        Raises:
            InvalidPopulation: a name is taken, or the populations' lanes have different states.
            InvalidMetaParameter: a lane takes more inner steps than fit here.
        """
        algorithm = self.program.kinds.algorithm
        if self.signature.state_digest(algorithm) != other.signature.state_digest(algorithm):
            changed = " and ".join(algorithm.of_the_gradient) or "nothing"
            raise InvalidPopulation(f"lanes may only change {changed} as they move")
        if taken := sorted(set(self._params) & set(other._params)):
            raise InvalidPopulation(f"lane {taken[0]!r} is already in this population")
        values = {n: self._checked({**other._params[n], **changes}) for n in other._names}
        if other._lanes is not None:
            self._lanes = stack([*([] if self._lanes is None else [self._lanes]), other._lanes])
        self._names += other._names
        self._params |= values
        self._kept |= other._kept
        other._lanes, other._names, other._params, other._kept = None, [], {}, {}

    def evict(self, lane: str) -> None:
        """Forget a lane.

        Raises:
            InvalidPopulation: no such lane.
        """
        index = self._index(lane)
        keep = [i for i in range(len(self._names)) if i != index]
        self._lanes = self._stacked().select(torch.tensor(keep)) if keep else None
        del self._names[index], self._params[lane]
        self._kept.pop(lane, None)

    def advance(self, meta_iterations: int, go_on: Callable[[], bool] = lambda: True) -> None:
        """Train every lane for a number of meta-iterations; the host does not wait for them.

        Args:
            go_on: Asked after each meta-iteration of each chunk; once it says False, it must say
                so from then on, and lanes stay as old as they are: those of later chunks younger.
        """
        if self._lanes is None or meta_iterations == 0:
            return
        parts = [self._lanes.select(part) for part in self._chunks()]
        self._lanes = stack([self._advance(part, meta_iterations, go_on) for part in parts])

    def draw(self, meta_iterations: int) -> None:
        """Draw tasks as `advance` does, and do nothing with them: to measure what that costs."""
        if self._lanes is not None:
            for part in self._chunks():
                draw(self.program, self._lanes.select(part), meta_iterations)

    def _advance(self, lanes: Lanes, meta_iterations: int, go_on: Callable[[], bool]) -> Lanes:
        count, step, off = lanes.count, self._steps.get(self.program_lanes), self._off()
        if step is not None:
            lanes = padded(lanes, self.program_lanes)
        block = self._blocks.get(lanes.count)
        if block is None:
            block = self._blocks[lanes.count] = drawn_at_once(draw(self.program, lanes, 1))
        for done in range(0, meta_iterations, block):
            if not go_on():
                break
            drawn = draw(self.program, lanes, min(block, meta_iterations - done))
            for i in range(len(drawn.batches)):
                if step is None:
                    lanes = meta_iteration(self.program, lanes, drawn.at(i), off)
                else:
                    lanes = step(lanes, drawn.at(i))
                if not go_on():
                    return lanes.select(slice(count))
        return lanes.select(slice(count))

    def use_compiled(self, directory: Path, opened: Opened | None = None) -> None:
        """Train by a compiled program from now on, compiling it if `directory` has it not.

        It has `program_lanes` lanes; unused ones cost their arithmetic and change nothing.

        Args:
            directory: Of programs.
            opened: Checks what it loads (`load_step`); None trusts whoever can write there.

        Raises:
            Exception: whatever the compiler says; the population goes on as it was.
        """
        if not self.compiled:
            self.compile(directory)
            how = () if opened is None else (opened,)
            self._steps[self.program_lanes] = load_step(self.program_path(directory), *how)

    def compile(self, directory: Path) -> None:
        """Put the compiled program into `directory`, if it is not there.

        Raises:
            InvalidPopulation: it is not compiled at all (`uncompiled`).
            Exception: whatever the compiler says.
        """
        if self.uncompiled is not None:
            raise InvalidPopulation(self.uncompiled)
        path = self.program_path(directory)
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            compile_step(self.program, self._example(), path)

    def program_path(self, directory: Path) -> Path:
        """Where in `directory` a compiled program is, or would be.

        One whose signature does not say what it computes, as with a model of somebody's own, is
        traced for its name, which takes seconds.
        """
        lanes, traced = self.program_lanes, None
        if not self._named:
            if lanes not in self._traced:
                self._traced[lanes] = traced_digest(self.program, self._example())
            traced = self._traced[lanes]
        key = program_key(self.signature, self.device, lanes, traced)
        return directory / f"{key}.pt2"

    def longest(self) -> dict[str, Value]:
        """Meta-parameters of a trial that takes as many inner steps as one here may, if any."""
        own = self.program.kinds.algorithm.parameters()
        longest = {"inner_steps": self.signature.step_cap, "test_steps": 1}
        steps = {name: count for name, count in longest.items() if name in own}
        return {**self.signature.structure, **steps}

    def _example(self) -> Lanes:
        """Fresh lanes, as many as a program has."""
        values = self._checked(self.longest())
        return stack(
            [
                fresh_lane(self.program, values, seed=seed, horizon=2, device=self.device)
                for seed in range(self.program_lanes)
            ]
        )

    @property
    def program_lanes(self) -> int:
        """The number of lanes of a compiled program for this population.

        On a CPU always the same, so that a trial gets the same bits whatever its neighbours; on a
        GPU, where a program may be large, the power of two that the lanes need.
        """
        if self._program_lanes is not None:
            return self._program_lanes
        if self.device == "cpu":
            return default_program_lanes(self.signature, self.program.kinds)
        return min(self.lane_chunk, max(8, 1 << (len(self._names) - 1).bit_length()))

    @property
    def lane_by_lane(self) -> str | None:
        """Why lanes are computed one after the other, as somebody's module may be; None if not.

        They take as long as each by itself, and a program of them would grow with their number.
        """
        why: str | None = getattr(self.program.learner.model, "lane_by_lane", None)
        return why

    @property
    def uncompiled(self) -> str | None:
        """Why there is no compiled program for it, whoever asks; None where there may be one."""
        if self.lane_by_lane is not None:
            return f"a model that is computed lane by lane is not compiled: {self.lane_by_lane}"
        if self.program.learner.environment is not None:
            return (
                "a policy is not compiled: the loop of its trajectories would be unrolled, or "
                "stand inside that of the inner steps, which the compiler does not take"
            )
        return None

    @property
    def compiled(self) -> bool:
        """Whether the present number of lanes trains by a compiled program."""
        return self.program_lanes in self._steps

    def keep_best(
        self,
        lanes: list[str],
        selection: Selection,
        between: Callable[[], object] = lambda: None,
    ) -> dict[str, LaneScores]:
        """Keep the best model that each of some lanes has had: its latest, or the best before.

        Only those are compared whose age is one of the selection's, and each at that age once.  The
        one that is kept is the one that counts from then on; training goes on from the latest.

        Args:
            between: As for `evaluate`.

        Returns:
            The scores of what is kept now, of lanes whose scores had to be taken for that.

        Raises:
            InvalidPopulation: no such lane.
        """
        scored: dict[str, LaneScores] = {}
        for age in sorted({self.state(name).age for name in lanes}):
            due = [n for n in lanes if self.state(n).age == age and self._is_new(n)]
            bank = selection.bank_at(age)
            if due and bank is not None:
                scored |= self._select_at(due, bank, selection, between)
        return scored

    def _select_at(
        self,
        lanes: list[str],
        bank: BankSpec,
        selection: Selection,
        between: Callable[[], object],
    ) -> dict[str, LaneScores]:
        """Select for lanes of one age; what is scored on other tasks is scored again on these."""
        latest = self._scores(lanes, bank, between, latest=True)
        older = [n for n in lanes if n in self._kept and self._kept[n].tasks != bank.tasks]
        again = self._scores(older, bank, between) if older else {}
        scored = dict(again)
        for name in lanes:
            before = self._kept.get(name)
            if before is not None and name in again:
                before = before.scored(selection.loss(again[name].scores), bank.tasks)
            loss = selection.loss(latest[name].scores)
            self._kept[name] = compared(before, self._alone(name), loss, bank.tasks)
            if self._kept[name].age == self.state(name).age:
                scored[name] = latest[name]
        return scored

    def kept(self, lane: str) -> Kept | None:
        """The best model that a lane has had, if one was selected.

        Raises:
            InvalidPopulation: no such lane.
        """
        self._index(lane)
        return self._kept.get(lane)

    def evaluate(
        self, lanes: list[str], bank: BankSpec, between: Callable[[], object] = lambda: None
    ) -> dict[str, LaneScores]:
        """The scores of some lanes' models that count on the task bank; nothing is changed.

        Args:
            between: Called after each inner step of a few tasks; what it raises ends it.

        Raises:
            InvalidPopulation: no such lane.
        """
        return self._scores(lanes, bank, between)

    def costs(
        self, lane: str, names: Collection[str], bank: BankSpec, clock: Callable[[], float]
    ) -> dict[str, float]:
        """Costs of a lane by itself, by name.

        Args:
            names: Cost metrics that are measured (`metaopt.costs`).
            bank: Where the task to adapt to comes from.
            clock: Returns seconds, once the device has done what it was told.

        Raises:
            InvalidPopulation: no such lane.
            InvalidCost: no such cost metric, or it is not measured.
        """
        if not names:
            return {}
        alone = LaneAlone(self.program, self._alone(lane), self.trained([lane]), bank)
        return measured_costs(alone, names, clock)

    def trained(self, lanes: list[str] | None = None) -> Trained:
        """The models of some lanes that count, by default of all, in that order.

        Raises:
            InvalidPopulation: no such lane.
        """
        return self._trained(self._counting(self._names if lanes is None else lanes))

    def _trained(self, chosen: Lanes) -> Trained:
        return Trained(
            self.program.tasks,
            self.program.learner,
            chosen.phi,
            chosen.test_steps,
            Adaptation(
                lane_numbers(self.program, chosen),
                inner_state(self.program, chosen),
                inner_step_of(self.program.kinds.algorithm),
            ),
        )

    def state(self, lane: str) -> LaneState:
        """Return age and fate of a lane.

        Raises:
            InvalidPopulation: no such lane.
        """
        lanes, index = self._stacked(), self._index(lane)
        diverged_at = int(lanes.diverged_at[index])
        if diverged_at < 0:
            return LaneState(int(lanes.age[index]), None, None)
        cause = (
            f"loss or weights were not finite at meta-iteration {diverged_at}: "
            "try a smaller inner or outer rate, or fewer inner steps"
        )
        return LaneState(int(lanes.age[index]), diverged_at, cause)

    def weights(self, lane: str) -> dict[str, Tensor]:
        """The meta-parameters φ of a lane's model that counts, by name.

        Raises:
            InvalidPopulation: no such lane.
        """
        return self.program.learner.layout.unflatten(self._counting([lane]).phi[0])

    def checkpoint(self, lane: str, path: Path) -> str:
        """Write a lane to `path`, whole or not at all, and return the file's SHA-256.

        Raises:
            InvalidPopulation: no such lane.
        """
        saved = Saved(self._alone(lane), self._kept.get(lane))
        return lane_files.write_checkpoint(path, saved, self.program, self._params[lane])

    def write_model(
        self, lane: str, path: Path, *, transductive: bool, hardest: str | None = None
    ) -> str:
        """Write the model file (`metaopt.population.model_file`) of a lane's model that counts.

        Return its SHA-256.

        Args:
            lane: Whose.
            path: Where, whole or not at all.
            transductive: How it was scored: where batch norm took its statistics from.
            hardest: What the file says was hardest for it, as JSON (`metaopt.evaluation.hardest`).

        Raises:
            InvalidPopulation: no such lane.
        """
        alone, params = self._counting([lane]), self._params[lane]
        return lane_files.write_model(
            path, alone, self.program, params, transductive=transductive, hardest=hardest
        )

    def _checked(self, params: Mapping[str, Any]) -> dict[str, Value]:
        signature = self.signature
        values = self.program.kinds.algorithm.complete(params)
        for name, value in signature.structure.items():
            if values[name] != value:
                raise InvalidPopulation(
                    f"{name} = {values[name]!r} does not fit this population's {value!r}"
                )
        steps = steps_of(values)
        for name, count, cap in (
            ("inner_steps", steps.train, signature.step_cap),
            ("test_steps", steps.test, signature.test_cap),
        ):
            if count > cap:
                raise InvalidMetaParameter(f"{name} must be <= {cap} here, got {count}")
        return values

    def _off(self) -> frozenset[str]:
        """The numbers of the outer step that every lane has at their default: switched off."""
        return frozenset(
            param.name
            for param in OUTER
            if all(values.get(param.name) == param.default for values in self._params.values())
        )

    def _chunks(self) -> list[slice]:
        size = self.program_lanes if self.compiled else self.lane_chunk
        return [slice(i, i + size) for i in range(0, len(self._names), size)]

    def _stacked(self) -> Lanes:
        if self._lanes is None:
            raise InvalidPopulation("the population has no lanes")
        return self._lanes

    def _alone(self, lane: str) -> Lanes:
        return self._stacked().select(torch.tensor([self._index(lane)]))

    def _latest(self, lanes: list[str]) -> Lanes:
        index = torch.tensor([self._index(lane) for lane in lanes], dtype=torch.int64)
        return self._stacked().select(index)

    def _counting(self, lanes: list[str]) -> Lanes:
        """Some lanes with the models that count."""
        if self._kept.keys().isdisjoint(lanes):
            return self._latest(lanes)
        return stack([counting(self._alone(name), self._kept.get(name)) for name in lanes])

    def _is_new(self, lane: str) -> bool:
        """Whether its latest model was not compared with the best before it."""
        kept = self._kept.get(lane)
        return kept is None or kept.compared_at != self.state(lane).age

    def _scores(
        self,
        lanes: list[str],
        bank: BankSpec,
        between: Callable[[], object],
        *,
        latest: bool = False,
    ) -> dict[str, LaneScores]:
        chosen = self._latest(lanes) if latest else self._counting(lanes)
        scores = evaluate(self._trained(chosen), bank, lane_chunk=self.lane_chunk, between=between)
        return dict(zip(lanes, scores, strict=True))

    def _index(self, lane: str) -> int:
        if lane not in self._params:
            raise InvalidPopulation(f"lane {lane!r} is not in this population")
        return self._names.index(lane)


def _program(
    signature: Signature, kinds: Kinds, tasks: Tasks | TaskKind | None, device: str
) -> Program:
    record = task_kind(tasks, signature.tasks.get("kind"))
    options = with_defaults(record.options if record else SHOTS, signature.tasks)
    if tasks is None or isinstance(tasks, TaskKind):
        dtype = dtype_of(signature)
        tasks = make_tasks(signature.tasks, kind=record, device=device, dtype=dtype)
    asked = Asked(
        tasks.input_shape,
        tasks.outputs,
        tasks.classification,
        own_loss(tasks, record),
        tasks if isinstance(tasks, Interactive) else None,
        train_classes=_train_classes(kinds.algorithm, tasks),
        name=record.name if record else type(tasks).__name__,
    )
    learner = make_learner(
        kinds.algorithm, signature.structure, signature.model, asked, kinds.model
    )
    check_order(learner.model, signature.structure.get("order"))
    shots = Shots(options["k_shot"], options["q_query"])
    if asked.loss is not None:
        check_loss(asked.loss, tasks, *shots, device)
    ways = kinds.algorithm.train_ways
    n_way = int(signature.structure[ways]) if ways else 0
    training = with_ways(tasks, "train", n_way, ways or "")
    return Program(signature, kinds, shots, tasks, learner, training)


def _train_classes(algorithm: Algorithm, tasks: Tasks) -> int | None:
    asked = algorithm.numbered_classes and tasks.classification
    return tasks.class_count("train") if asked and isinstance(tasks, NumberedClasses) else None
