"""A segment as the worker carries it out: one order in, one report out.

    evict ─▶ admit ─▶ train ─▶ evaluate ─▶ checkpoint
               └─────▶ wait for a program ─────▲       the dispatcher orders the same again

The worker keeps its population between orders, so lanes that stay train on without touching
the host.  A failed order drops it: what the worker then holds would be anybody's guess.
"""

import itertools
import json
import resource
import secrets
import time
from dataclasses import asdict, replace
from pathlib import Path

import torch

from metaopt.errors import MetaoptError, in_words
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import LaneScores
from metaopt.evaluation.hardest import hardest
from metaopt.evaluation.trivial import scores_of
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from service.executors.base import Admit, Json, LaneReport, SegmentOrder, SegmentReport
from service.executors.programs import Programs, why_slow
from service.executors.worth import Work

_Key = tuple[str, Json]

DRAWS_MEASURED = 16  # meta-iterations whose tasks are drawn once more, to see what that costs


class Segments:
    """Carries out orders on one device, and holds the lanes between them."""

    def __init__(self, device: str, programs: Programs | None = None) -> None:
        """Begin without lanes."""
        self._device = device
        self._programs = programs or Programs(device, None)
        self._population: Population | None = None
        self._key: _Key | None = None
        self._horizons: dict[str, int] = {}
        self._written: list[Path] = []  # by the segment under way
        self._file_names = (f"{secrets.token_hex(4)}-{i}" for i in itertools.count())

    def run(self, order: SegmentOrder) -> SegmentReport:
        """Carry out `order`.

        Raises:
            MetaoptError: the order cannot be carried out; no lane is held any more.
            torch.OutOfMemoryError: nor did it fit; no lane is held any more.
        """
        self._written.clear()
        try:
            return self._run(order)
        except BaseException:
            self.drop()
            for path in self._written:  # no row will ever name them
                path.unlink(missing_ok=True)
            raise

    def drop(self) -> None:
        """Forget every lane and free its memory."""
        self._population = self._key = None
        self._horizons.clear()
        if self._device != "cpu":
            torch.cuda.empty_cache()

    def _run(self, order: SegmentOrder) -> SegmentReport:
        begun = time.perf_counter()
        population = self._population_for(order)
        _change_lanes(population, order)
        self._horizons.update((lane.trial_id, lane.horizon) for lane in order.admit)
        admitted = time.perf_counter()
        program = "eager"
        if order.iterations:
            program = self._program_of(population, order)
            admitted = time.perf_counter()
        if program != "compiling":
            population.advance(order.iterations)
        alive = [n for n in population.lanes if population.state(n).diverged_at is None]
        trained = time.perf_counter()
        wanted = [lane for lane in order.evaluate if lane in alive and program != "compiling"]
        scores = _evaluate(population, order, wanted)
        bank = BankSpec.from_json(order.bank)
        costs = {n: population.costs(n, order.measure, bank, self._clock) for n in wanted}
        evaluated = time.perf_counter()
        asked = order.trivial_tasks and program != "compiling"
        trivial, failure = _trivial(population, order, self._device) if asked else (None, None)
        lanes = [
            self._report(population, lane, scores.get(lane), costs.get(lane, {}), order)
            for lane in population.lanes
        ]
        return SegmentReport(
            lanes=lanes,
            seconds=time.perf_counter() - begun,
            train_seconds=trained - admitted,
            evaluate_seconds=evaluated - trained,
            peak_memory_bytes=self._peak_memory(),
            device=_device_in_words(self._device),
            program=program,
            lane_chunk=population.lane_chunk,
            trivial=trivial,
            trivial_failure=failure,
            lane_by_lane=why_slow(population),
            sample_share=None
            if program == "compiling"
            else self._sample_share(population, order, trained - admitted),
        )

    def _program_of(self, population: Population, order: SegmentOrder) -> str:
        """How the lanes train now, or that they wait: `SegmentReport.program`."""
        lanes = max(1, len(population.lanes))
        work = Work(order.ahead, lanes, order.workers, order.seconds_left)
        if not self._programs.ready(population, work):
            return "compiling"
        return "compiled" if population.compiled else "eager"

    def _population_for(self, order: SegmentOrder) -> Population:
        key = (order.study_id, order.signature)
        if self._population is None or self._key != key:
            self.drop()
            signature = Signature.from_json(order.signature)
            self._population = self._programs.population(signature, order.ahead)
            self._key = key
        return self._population

    def _report(
        self,
        population: Population,
        lane: str,
        scores: LaneScores | None,
        costs: dict[str, float],
        order: SegmentOrder,
    ) -> LaneReport:
        state = population.state(lane)
        checkpoint = digest = None
        if state.diverged_at is None and order.checkpoint_directory is not None:
            checkpoint, digest = self._keep(population, lane, state.age, order)
        return LaneReport(
            trial_id=lane,
            meta_iteration=state.age,
            diverged_at=state.diverged_at,
            cause=state.cause,
            scores=scores.scores if scores else None,
            diverged_share=scores.diverged_share if scores else None,
            curve=scores.curve if scores else None,
            checkpoint=checkpoint,
            digest=digest,
            costs=costs,
        )

    def _keep(
        self, population: Population, lane: str, age: int, order: SegmentOrder
    ) -> tuple[str | None, str | None]:
        """Write what is kept of a lane; return path and SHA-256, or None twice for nothing."""
        file = "checkpoint" if age < self._horizons[lane] else order.at_end
        if file == "nothing":
            return None, None
        assert order.checkpoint_directory is not None
        # A name never used before: a file that a row names is never written to again.
        name = f"{lane}-{age}-{next(self._file_names)}.safetensors"
        path = Path(order.checkpoint_directory) / name
        self._written.append(path)
        if file == "checkpoint":
            return str(path), population.checkpoint(lane, path)
        bank = BankSpec.from_json(order.bank)
        judged = replace(bank, tasks=order.fewer_tasks.get(lane, bank.tasks))
        told = _hardest(population, lane, judged)
        return str(path), population.write_model(
            lane, path, transductive=bank.transductive, hardest=told
        )

    def _clock(self) -> float:
        if self._device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()

    def _sample_share(
        self, population: Population, order: SegmentOrder, train_seconds: float
    ) -> float | None:
        """The share of the training time that went into drawing tasks."""
        if order.iterations < DRAWS_MEASURED or not population.lanes:
            return None
        begun = time.perf_counter()
        population.draw(DRAWS_MEASURED)
        if self._device != "cpu":
            torch.cuda.synchronize()
        seconds = (time.perf_counter() - begun) / DRAWS_MEASURED
        return min(1.0, seconds * order.iterations / train_seconds)

    def _peak_memory(self) -> int:
        if self._device == "cpu":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return torch.cuda.max_memory_allocated()


def _evaluate(
    population: Population, order: SegmentOrder, lanes: list[str]
) -> dict[str, LaneScores]:
    """The scores of `lanes`, each on as many tasks of the bank as the order says."""
    bank = BankSpec.from_json(order.bank)
    alike: dict[int, list[str]] = {}
    for lane in lanes:
        alike.setdefault(order.fewer_tasks.get(lane, bank.tasks), []).append(lane)
    scores: dict[str, LaneScores] = {}
    for tasks, some in alike.items():
        scores |= population.evaluate(some, replace(bank, tasks=tasks))
    return scores


def _trivial(
    population: Population, order: SegmentOrder, device: str
) -> tuple[dict[str, list[float]] | None, str | None]:
    """The scores of trivial predictors, or why there are none."""
    bank = replace(BankSpec.from_json(order.bank), tasks=order.trivial_tasks)
    try:
        return scores_of(population.program.tasks, bank, bank.metric, device=device), None
    except Exception as error:  # tasks may be anybody's; no lane is lost by it
        return None, in_words(error)


def _hardest(population: Population, lane: str, bank: BankSpec) -> str:
    """What was hardest for a lane that has been judged, as JSON, or why nobody can say."""
    try:
        found = hardest(population.trained([lane]), bank)
        return json.dumps(asdict(found), allow_nan=False)
    except Exception as error:  # it is for looking at: no reason to lose a verdict
        return json.dumps({"failed": in_words(error)})


def _change_lanes(population: Population, order: SegmentOrder) -> None:
    for name in order.evict:
        if name in population.lanes:
            population.evict(name)
    for lane in order.admit:
        _admit(population, lane)


def _admit(population: Population, lane: Admit) -> None:
    try:
        population.admit(
            lane.trial_id,
            lane.params,
            seed=lane.seed,
            horizon=lane.horizon,
            checkpoint=Path(lane.checkpoint) if lane.checkpoint else None,
            digest=lane.digest,
        )
    except MetaoptError as error:
        error.lane = lane.trial_id  # the others can go on
        raise


def _device_in_words(device: str) -> str:
    return "CPU" if device == "cpu" else torch.cuda.get_device_name()
