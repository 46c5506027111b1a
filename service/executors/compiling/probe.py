"""What lanes of a signature cost on a device, measured.

Eager: how many at once fit and pay.  By a program: how many times as fast it trains as many.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from metaopt.population.population import Population
from metaopt.population.signature import Signature
from service.executors.blame import is_out_of_memory
from service.executors.compiling.program_files import read_small
from service.executors.compiling.worth import eager_seconds

GAIN = 0.95  # twice the lanes must cost less than this per lane, or they do not pay
REPEATS = 3
TURNS = 5
CALLS = 8  # in a turn: tasks are drawn for many at once
MOST_LANES = 512
MOST_SECONDS = 1e6  # of a meta-iteration
MEMORY_SHARE = 0.8  # of what is free on a GPU; the rest is for evaluations


@dataclass(frozen=True)
class Facts:
    """Measurements of one signature on one device.

    Seconds are of one core on a CPU, whatever else runs there.

    Args:
        lane_chunk: Lanes to compute at once.
        seconds: Of one meta-iteration of one lane then, eager.
        by_lanes: The same for each number of lanes tried.
        bytes_per_lane: Memory of a lane at its peak, on a GPU; 0 on a CPU, where it is not what
            limits them.
    """

    lane_chunk: int
    seconds: float
    by_lanes: dict[str, float]
    bytes_per_lane: int = 0

    @property
    def eager(self) -> dict[int, float]:
        """`by_lanes`, without those that no worker computes at once."""
        numbers = ((int(lanes), seconds) for lanes, seconds in self.by_lanes.items())
        return {lanes: seconds for lanes, seconds in numbers if lanes <= self.lane_chunk}

    @classmethod
    def read(cls, path: Path) -> "Facts | None":
        """The facts in a file; None where there are none that make sense."""
        try:
            data: Any = json.loads(read_small(path))
            facts = cls(**data)
            seconds = (facts.seconds, *facts.by_lanes.values())
            sensible = isinstance(facts.lane_chunk, int)
            sensible &= 0 < min(map(int, facts.by_lanes)) <= facts.lane_chunk <= MOST_LANES
            sensible &= all(0 < value < MOST_SECONDS for value in seconds)
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        return facts if sensible else None


def probe(signature: Signature, device: str, between: Callable[[], object] = lambda: None) -> Facts:
    """Double the lanes as long as that makes each cheaper and they fit; return what was found.

    Args:
        between: Called after each meta-iteration; what it raises ends it.

    Raises:
        torch.OutOfMemoryError, MemoryError, RuntimeError: not even one lane fits.
    """
    by_lanes: dict[int, float] = {}
    per_lane = 0
    lanes = 1
    while lanes <= MOST_LANES and (device == "cpu" or _fits(lanes, per_lane)):
        try:
            by_lanes[lanes], per_lane = _measure(signature, device, lanes, between)
            if not _pays(by_lanes, lanes):  # or it was disturbed, and that would hold for ever
                again, per_lane = _measure(signature, device, lanes, between)
                by_lanes[lanes] = min(by_lanes[lanes], again)
        except Exception as error:
            if not by_lanes or not is_out_of_memory(error):
                raise
            break
        finally:
            if device != "cpu":
                torch.cuda.empty_cache()
        if not _pays(by_lanes, lanes):
            break
        lanes *= 2
    # The fewest lanes that are about as good as the best: more only make the last chunk emptier.
    best = min(by_lanes.values())
    lane_chunk = min(lanes for lanes, seconds in by_lanes.items() if seconds <= best / GAIN)
    named = {str(lanes): seconds for lanes, seconds in by_lanes.items()}
    return Facts(lane_chunk, by_lanes[lane_chunk], named, per_lane)


def _pays(by_lanes: Mapping[int, float], lanes: int) -> bool:
    """Whether so many lanes are cheaper, each, than half of them."""
    return lanes == 1 or by_lanes[lanes] <= GAIN * by_lanes[lanes // 2]


def _measure(
    signature: Signature, device: str, lanes: int, between: Callable[[], object]
) -> tuple[float, int]:
    population = Population(signature, device=device, lane_chunk=lanes)
    fill(population, lanes)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
    seconds = least_seconds(population, 1, between) / lanes
    peak = 0 if device == "cpu" else torch.cuda.max_memory_allocated() // lanes
    return seconds, peak


def faster_than_eager(population: Population, directory: Path, facts: Facts) -> float:
    """How many times as fast the program in `directory` trains as eager lanes at their best number.

    It is compared with as many eager lanes as it has, in turn, so that both meet the same load:
    what else runs takes cache and memory from them, and on a GPU time.  What as many cost more than
    the best number is in `facts`.

    Args:
        population: Without lanes; it gets them, and the program.
        facts: Of its signature.
    """
    eager = Population(
        population.signature,
        device=population.device,
        lane_chunk=facts.lane_chunk,
        tasks=population.program.tasks,
    )
    population.use_compiled(directory)
    for each in (population, eager):
        fill(each, population.program_lanes)
        each.advance(1)
    times = median(_timed(eager, CALLS) / _timed(population, CALLS) for _ in range(TURNS))
    return times * facts.seconds / eager_seconds(facts.eager, population.program_lanes)


def fill(population: Population, lanes: int) -> None:
    """Admit so many lanes that take as many inner steps as they may."""
    for lane in range(lanes):
        population.admit(str(lane), population.longest(), seed=lane, horizon=100)


def least_seconds(
    population: Population, meta_iterations: int, between: Callable[[], object] = lambda: None
) -> float:
    """The least seconds of so many meta-iterations of all lanes, after one to warm up."""
    population.advance(1)
    seconds = []
    for _ in range(REPEATS):
        between()
        seconds.append(_timed(population, meta_iterations))
    return min(seconds)


def _timed(population: Population, meta_iterations: int) -> float:
    clock = time.process_time if population.device == "cpu" else time.perf_counter
    begun = clock()
    population.advance(meta_iterations)
    if population.device != "cpu":
        torch.cuda.synchronize()
    return clock() - begun


def _fits(lanes: int, bytes_per_lane: int) -> bool:
    free, _ = torch.cuda.mem_get_info()
    return lanes * bytes_per_lane < MEMORY_SHARE * free
