"""A segment as the worker carries it out: one order in, one report out.

    evict ─▶ admit ─▶ train ─▶ select ─▶ evaluate ─▶ checkpoint
               │        └── stop ──┴─────────┴─────────▲   as old as they are, and not evaluated
               └─────▶ wait for a program ─────────────▲   the dispatcher orders the same again

Where the best model of a lane counts (`SegmentOrder.selection`) it is selected before the lane
trains on: also of one that an earlier segment has left where it was to be selected, and stopped.

The worker keeps its population between orders, so lanes that stay train on without touching
the host.  A failed order drops it: what the worker then holds would be anybody's guess.
"""

import itertools
import json
import resource
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import torch

from metaopt.errors import MetaoptError, in_words
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.evaluate import LaneScores
from metaopt.evaluation.hardest import hardest
from metaopt.evaluation.selection import Selection
from metaopt.evaluation.trivial import scores_of
from metaopt.population.kept import Kept
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from service.executors.base import Admit, Json, LaneReport, SegmentOrder, SegmentReport
from service.executors.compiling.programs import Programs, why_slow
from service.executors.compiling.worth import Work
from service.executors.progress import FOR_DEVICE, Progress, Stopped

_Key = tuple[str, Json]

DRAWS_MEASURED = 16  # meta-iterations whose tasks are drawn once more, to see what that costs


class Segments:
    """Carries out orders on one device, and holds the lanes between them.

    Args:
        device: "cpu" or "cuda".
        programs: How populations are run; None measures and compiles nothing.
        progress: Told what it does, and asked whether it is to end early.
    """

    def __init__(
        self, device: str, programs: Programs | None = None, progress: Progress | None = None
    ) -> None:
        """Begin without lanes."""
        self._device = device
        self._progress = progress or Progress()
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
            self._unwrite()
            raise

    def _unwrite(self) -> None:
        """Remove what the segment under way has written: no row will ever name it."""
        for path in self._written:
            path.unlink(missing_ok=True)
        self._written.clear()

    def drop(self) -> None:
        """Forget every lane and free its memory."""
        self._population = self._key = None
        self._horizons.clear()
        if self._device != "cpu":
            torch.cuda.empty_cache()

    def _run(self, order: SegmentOrder) -> SegmentReport:
        begun, progress = time.perf_counter(), self._progress
        progress.doing("preparing")
        population = self._population_for(order)
        progress.doing("admitting lanes")
        _change_lanes(population, order, progress)
        self._horizons.update((lane.trial_id, lane.horizon) for lane in order.admit)
        admitted = time.perf_counter()
        program = "eager"
        if order.iterations:
            progress.doing("looking for a program")
            program = self._program_of(population, order)
            if program != "compiling":
                self._select_left(population, order)
            admitted = time.perf_counter()
        progress.doing("training")
        if program != "compiling":
            population.advance(order.iterations, progress.go_on)
            if self._device != "cpu":
                progress.doing(FOR_DEVICE)
            self._wait_for_device()
        alive = [n for n in population.lanes if population.state(n).diverged_at is None]
        trained = time.perf_counter()
        wanted = [lane for lane in order.evaluate if lane in alive and program != "compiling"]
        asked = bool(order.trivial_tasks) and program != "compiling"
        selecting = alive if program != "compiling" else []
        judged = self._judge(population, order, wanted, selecting, trivial=asked)
        return SegmentReport(
            lanes=judged.lanes,
            seconds=time.perf_counter() - begun,
            train_seconds=trained - admitted,
            evaluate_seconds=judged.evaluated_at - trained,
            peak_memory_bytes=self._peak_memory(),
            device=_device_in_words(self._device),
            program=program,
            lane_chunk=population.lane_chunk,
            trivial=judged.trivial,
            trivial_failure=judged.trivial_failure,
            lane_by_lane=why_slow(population),
            sample_share=None
            if program == "compiling" or judged.stopped
            else self._sample_share(population, order, trained - admitted),
            stopped=judged.stopped,
        )

    def _select_left(self, population: Population, order: SegmentOrder) -> None:
        """Select of lanes that were left before that; where it is stopped, nothing is trained."""
        alive = [n for n in population.lanes if population.state(n).diverged_at is None]
        self._progress.doing("evaluating")
        with suppress(Stopped):
            _select(population, order, alive, self._progress)

    def _judge(
        self,
        population: Population,
        order: SegmentOrder,
        wanted: list[str],
        selecting: list[str],
        *,
        trivial: bool,
    ) -> "_Judged":
        """Evaluate what is wanted and keep every lane; if that is stopped, keep them unjudged."""
        progress = self._progress
        try:
            progress.doing("evaluating")
            progress.check()
            known = _select(population, order, selecting, progress)
            scores = _evaluate(population, order, wanted, known, progress)
            bank, costs = BankSpec.from_json(order.bank), {}
            progress.doing("measuring costs")
            for name in wanted:
                costs[name] = population.costs(name, order.measure, bank, self._clock)
                progress.check()
            evaluated_at = time.perf_counter()
            progress.doing("scoring trivial predictors")
            told = _trivial(population, order, self._device, progress) if trivial else (None, None)
            progress.doing("writing checkpoints")
            lanes = [
                self._report(population, lane, scores.get(lane), costs.get(lane, {}), order)
                for lane in population.lanes
            ]
        except Stopped:
            evaluated_at = time.perf_counter()
            progress.doing("writing checkpoints")
            self._unwrite()
            lanes = [self._report(population, n, None, {}, order) for n in population.lanes]
            return _Judged(lanes, None, None, evaluated_at, stopped=True)
        return _Judged(lanes, *told, evaluated_at, stopped=False)

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
        state, kept = population.state(lane), population.kept(lane)
        checkpoint = digest = None
        if state.diverged_at is None and order.checkpoint_directory is not None:
            judged = scores is not None or lane not in order.evaluate
            checkpoint, digest = self._keep(population, lane, state.age, order, judged=judged)
            self._progress.go_on()
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
            kept_at=kept.age if kept and scores else None,
            latest_score=_latest_score(order, kept) if scores else None,
        )

    def _keep(
        self, population: Population, lane: str, age: int, order: SegmentOrder, *, judged: bool
    ) -> tuple[str | None, str | None]:
        """Write what is kept of a lane; return path and SHA-256, or None twice for nothing."""
        ended = age >= self._horizons[lane] and judged
        file = order.at_end if ended else "checkpoint"
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
        on = replace(bank, tasks=order.fewer_tasks.get(lane, bank.tasks))
        told = _hardest(population, lane, on, self._progress)
        return str(path), population.write_model(
            lane, path, transductive=bank.transductive, hardest=told
        )

    def _wait_for_device(self) -> None:
        if self._device != "cpu":
            torch.cuda.synchronize()

    def _clock(self) -> float:
        self._wait_for_device()
        return time.perf_counter()

    def _sample_share(
        self, population: Population, order: SegmentOrder, train_seconds: float
    ) -> float | None:
        """The share of the training time that went into drawing tasks."""
        if order.iterations < DRAWS_MEASURED or not population.lanes:
            return None
        begun = time.perf_counter()
        population.draw(DRAWS_MEASURED)
        self._wait_for_device()
        seconds = (time.perf_counter() - begun) / DRAWS_MEASURED
        return min(1.0, seconds * order.iterations / train_seconds)

    def _peak_memory(self) -> int:
        if self._device == "cpu":
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return torch.cuda.max_memory_allocated()


class _Judged(NamedTuple):
    """What is said of lanes, and of trivial predictors, at the end of a segment."""

    lanes: list[LaneReport]
    trivial: dict[str, list[float]] | None
    trivial_failure: str | None
    evaluated_at: float
    stopped: bool


def _select(
    population: Population, order: SegmentOrder, lanes: list[str], progress: Progress
) -> dict[str, LaneScores]:
    """Select the best of `lanes`; the scores that say so already what the order asks for."""
    if order.selection is None or not lanes:
        return {}
    selection = Selection.from_json(order.selection)
    scored = population.keep_best(lanes, selection, progress.check)
    same = replace(BankSpec.from_json(order.bank), tasks=1) == replace(selection.bank, tasks=1)
    return {
        lane: scores
        for lane, scores in scored.items()
        if same and len(scores.scores) == _tasks_of(order, lane)
    }


def _tasks_of(order: SegmentOrder, lane: str) -> int:
    """On how many tasks of the order's bank a lane is evaluated."""
    return order.fewer_tasks.get(lane, int(order.bank["tasks"]))


def _latest_score(order: SegmentOrder, kept: Kept | None) -> float | None:
    if kept is None or order.selection is None:
        return None
    return Selection.from_json(order.selection).score(kept.latest_loss)


def _evaluate(
    population: Population,
    order: SegmentOrder,
    lanes: list[str],
    known: dict[str, LaneScores],
    progress: Progress,
) -> dict[str, LaneScores]:
    """The scores of `lanes`, each on as many tasks of the bank as the order says.

    Args:
        known: Those that need not be taken again.
    """
    bank = BankSpec.from_json(order.bank)
    alike: dict[int, list[str]] = {}
    for lane in lanes:
        if lane not in known:
            alike.setdefault(_tasks_of(order, lane), []).append(lane)
    scores = {lane: known[lane] for lane in lanes if lane in known}
    for tasks, some in alike.items():
        scores |= population.evaluate(some, replace(bank, tasks=tasks), progress.check)
    return scores


def _trivial(
    population: Population, order: SegmentOrder, device: str, progress: Progress
) -> tuple[dict[str, list[float]] | None, str | None]:
    """The scores of trivial predictors, or why there are none."""
    bank = replace(BankSpec.from_json(order.bank), tasks=order.trivial_tasks)
    try:
        tasks, between = population.program.tasks, progress.check
        return scores_of(tasks, bank, bank.metric, device=device, between=between), None
    except Stopped:
        raise
    except Exception as error:  # tasks may be anybody's; no lane is lost by it
        return None, in_words(error)


def _hardest(population: Population, lane: str, bank: BankSpec, progress: Progress) -> str:
    """What was hardest for a lane that has been judged, as JSON, or why nobody can say."""
    try:
        found = hardest(population.trained([lane]), bank, progress.check)
        return json.dumps(asdict(found), allow_nan=False)
    except Stopped:
        raise
    except Exception as error:  # it is for looking at: no reason to lose a verdict
        return json.dumps({"failed": in_words(error)})


def _change_lanes(population: Population, order: SegmentOrder, progress: Progress) -> None:
    for name in order.evict:
        if name in population.lanes:
            population.evict(name)
    for lane in order.admit:
        _admit(population, lane)
        progress.go_on()


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
