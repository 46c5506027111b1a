"""Proofs under faults and load, as programs: `python -m tests.chaos PROOF`.

    storm, lanes, sweep, simulation      processes that die, and where
    takeovers                            dispatchers that freeze, and where
    restarts                             PostgreSQL ended as in a crash, again and again
    submissions                          the API killed while clients submit
    disks, lines, failovers              what is around them that is away for a while
    soak                                 a service at work for long
    queue, readers                       many who wait, many who listen, within what is promised

Each prints its seed, what happened and its verdict, and writes them as JSON below --results; the
exit code is 0 if nothing was violated.  `--seed` gives the same faults again.
"""

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import event_readers, long_queue
from service.db.engine import open_engine
from tests.chaos.databases import KINDS, database
from tests.chaos.load import kept_of_queue, kept_of_readers
from tests.chaos.outages.disks import outages_of_disks
from tests.chaos.outages.failovers import failovers
from tests.chaos.outages.lines import in_turn, outages_of_lines
from tests.chaos.outages.outages import Outages
from tests.chaos.restarts.restarts import Restarts, restart_again_and_again
from tests.chaos.simulation.seeds import run_seeds
from tests.chaos.soak.soak import SPECS, TRIALS, soak
from tests.chaos.storm.storm import Plot, rage, spec_of
from tests.chaos.submissions import submissions as keyed
from tests.chaos.sweep.sweep import sweep
from tests.chaos.sweep.takeovers import MOST_SECONDS, takeovers
from tests.fakes.clusters import cluster
from tests.fakes.specs import small_spec

SHORT = Plot(seed=0, studies=3, trials=20, kills=8, every_seconds=1.2, snapshot_seconds=4.0)
NIGHT = Plot(seed=0, studies=25, trials=100, kills=160, every_seconds=1.5)
MINUTES, SOAK_MINUTES = 90.0, 30.0
# Workers that train load torch whenever they start: faults leave them the time.
LANES = Plot(seed=0, studies=3, trials=6, kills=12, every_seconds=8.0, toy=False)


def storm(given: argparse.Namespace) -> dict[str, Any]:
    """Kills at random: workers, dispatchers, API, mirror."""
    plot = replace(NIGHT if given.night else SHORT, seed=given.seed, stops=given.stops)
    return _on_each(given, plot)


def lanes(given: argparse.Namespace) -> dict[str, Any]:
    """The same on lanes that really train."""
    return _on_each(given, replace(LANES, seed=given.seed, stops=given.stops))


def _on_each(given: argparse.Namespace, plot: Plot) -> dict[str, Any]:
    outcomes = []
    for kind in given.databases:
        directory = Path(tempfile.mkdtemp(prefix="metaopt-chaos-"))

        def spec(number: int) -> dict[str, Any]:
            if plot.toy:
                return spec_of(number, plot.trials, plot.seed)
            return small_spec(seed=plot.seed * 1000 + number).model_dump(mode="json")

        with database(kind, directory) as engine:
            outcome = rage(plot, engine, directory, spec)
        print(
            f"{kind}, seed {plot.seed}: {outcome.studies} studies, {outcome.trials} trials, "
            f"{outcome.reports} reports in {outcome.seconds:.0f} s; {outcome.signals}; "
            f"{len(outcome.violations)} violations",
            *outcome.violations[:20],
            sep="\n  ",
            flush=True,
        )
        outcomes.append(outcome.to_json())
        if outcome.passed:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"  what it left: {directory}", flush=True)
    return {"runs": outcomes, "passed": all(one["passed"] for one in outcomes)}


def restarts(given: argparse.Namespace) -> dict[str, Any]:
    """PostgreSQL restarted as after a crash, under a service at work."""
    number = 100 if given.night else 20
    plan = Restarts(seed=given.seed, restarts=number, every_seconds=10.0)
    directory = Path(tempfile.mkdtemp(prefix="metaopt-chaos-"))
    with cluster() as postgres:
        engine = open_engine(postgres.url)
        outcome = restart_again_and_again(plan, postgres, engine, directory)
        engine.dispose()
    print(
        f"seed {plan.seed}: {number} restarts, {outcome.studies} studies, {outcome.trials} trials "
        f"in {outcome.seconds:.0f} s; {json.dumps(outcome.figures)}; "
        f"{len(outcome.violations)} violations",
        *outcome.violations[:20],
        sep="\n  ",
    )
    if outcome.passed:
        shutil.rmtree(directory, ignore_errors=True)
    return {"runs": [outcome.to_json()], "passed": outcome.passed}


def crash_points(given: argparse.Namespace) -> dict[str, Any]:
    """A crash at every commit and file operation of dispatcher and worker."""
    runs, points, repeats = [], {}, given.repeats or (2 if given.night else 1)
    for kind in given.databases:
        outcomes, points[kind] = sweep(
            kind,
            jobs=given.jobs,
            sample=None if given.night else 3,
            repeats=repeats,
            seed=given.seed,
            most_seconds=60 * (given.minutes or MINUTES) / len(given.databases),
        )
        runs += [asdict(one) for one in outcomes]
    died = sum(one["died"] for one in runs)
    violated = sum(bool(one["violations"]) for one in runs)
    ordered = repeats * sum(points.values()) if given.night else 3 * len(points)
    print(
        f"points {points}, {repeats} times each: {len(runs)} runs of {ordered}, {died} crashes, "
        f"{violated} violated"
    )
    return {
        "points": points,
        "repeats": repeats,
        "ordered": ordered,
        "crashes": died,
        "runs": runs,
        "passed": not violated and len(runs) == ordered,
    }


def frozen(given: argparse.Namespace) -> dict[str, Any]:
    """A dispatcher frozen at every commit and file operation while another stands by."""
    runs, points, figures = [], {}, {}
    for kind in given.databases:
        sample = None if given.night else 2
        found, points[kind] = takeovers(kind, jobs=given.jobs, sample=sample, seed=given.seed)
        runs += [asdict(one) for one in found]
        seconds = sorted(one.seconds for one in found if one.seconds is not None)
        figures[kind] = {"takeovers": len(seconds), "not_reached": len(found) - len(seconds)}
        if seconds:
            figures[kind] |= {"median_seconds": median(seconds), "most_seconds": seconds[-1]}
    print(f"points {points}; {json.dumps(figures)}")
    late = [one["point"] for one in runs if (one["seconds"] or 0) > MOST_SECONDS]
    violated = any(one["violations"] for one in runs)
    print(*(f"later than {MOST_SECONDS:.0f} s: {point}" for point in late), sep="\n")
    return {"points": points, "figures": figures, "runs": runs, "passed": not violated and not late}


def submissions(given: argparse.Namespace) -> dict[str, Any]:
    """Studies submitted under keys while the API is killed."""
    plot = keyed.Plot(given.seed, keys=1000 if given.night else 100)
    runs = []
    for kind in given.databases:
        directory = Path(tempfile.mkdtemp(prefix="metaopt-chaos-"))
        with database(kind, directory) as engine:
            outcome = keyed.submit_under_kills(plot, engine, directory / "data")
        shutil.rmtree(directory, ignore_errors=True)
        print(
            f"{kind}, seed {plot.seed}: {outcome.keys} keys, {outcome.studies} studies, "
            f"{outcome.kills} kills in {outcome.seconds:.0f} s; {outcome.answers}; "
            f"{len(outcome.violations)} violations",
            *outcome.violations[:20],
            sep="\n  ",
            flush=True,
        )
        runs.append(outcome.to_json())
    return {"runs": runs, "passed": all(one["passed"] for one in runs)}


def simulation(given: argparse.Namespace) -> dict[str, Any]:
    """Dispatchers in a simulated world: the seeds after --seed."""
    count = 20_000 if given.night else 500
    seeds = range(given.seed, given.seed + count)
    found = run_seeds(seeds, jobs=given.jobs, most_seconds=60 * (given.minutes or MINUTES))
    print(
        f"{found.seeds} seeds, {found.lives} dispatchers, {found.segments} segments; "
        f"{dict(found.statuses)}; {len(found.red)} red; ordered: {count}",
        *(f"{seed}: {why}" for seed, why in sorted(found.red.items())),
        sep="\n  ",
    )
    return {"ordered": count, **asdict(found), "passed": not found.red and found.seeds == count}


def long_work(given: argparse.Namespace) -> dict[str, Any]:
    """A service at work for long: memory, descriptors, connections and directories stay flat."""

    def on(kind: str) -> dict[str, Any]:
        directory = Path(tempfile.mkdtemp(prefix="metaopt-soak-"))
        with database(kind, directory) as engine:
            outcome = soak(
                engine,
                directory,
                lambda number: spec_of(number % SPECS, TRIALS, given.seed),
                given.minutes or SOAK_MINUTES,
            ).to_json()
        print(
            f"{kind}: {outcome['studies']} studies, {outcome['trials']} trials, "
            f"{outcome['events_read']} events read in {outcome['seconds']:.0f} s; "
            f"{outcome['database_bytes_a_study']} bytes of the database a study",
            *(_trend_in_words(one) for one in outcome["trends"]),
            *outcome["violations"][:20],
            sep="\n  ",
            flush=True,
        )
        if outcome["passed"]:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"  what it left: {directory}", flush=True)
        return outcome

    with ThreadPoolExecutor() as at_once:  # each is a service of its own, at work for as long
        outcomes = list(at_once.map(on, given.databases))
    return {"runs": outcomes, "passed": all(one["passed"] for one in outcomes)}


def _trend_in_words(one: dict[str, Any]) -> str:
    flat = "flat" if one["flat"] else "GROWS"
    figures = " ".join(f"{name} {one[name]:.0f}" for name in ("median", "growth", "allowed"))
    return f"{one['name']:30} {flat:5} {figures}"


def queue(given: argparse.Namespace) -> dict[str, Any]:
    """A long queue: how soon the dispatcher works, and what lists and submits take."""
    queued, rounds = (10_000, 100) if given.night else (500, 20)
    return _loads(given, lambda url: long_queue.measure(queued, rounds, url), kept_of_queue)


def readers(given: argparse.Namespace) -> dict[str, Any]:
    """Many who read events: how late these are, and what becomes of those who submit."""
    number, seconds = (1000, 20.0) if given.night else (50, 4.0)
    return _loads(
        given, lambda url: event_readers.measure(number, 1, seconds, 5.0, url), kept_of_readers
    )


def _loads(
    given: argparse.Namespace,
    measured: Callable[[str], dict[str, Any]],
    kept: Callable[[dict[str, Any]], dict[str, bool]],
) -> dict[str, Any]:
    runs = []
    for kind in given.databases:
        with database(kind, Path(tempfile.mkdtemp(prefix="metaopt-load-"))) as engine:
            figures = measured(engine.url.render_as_string(hide_password=False))
        promises = kept(figures)
        runs.append({"database": kind, "figures": figures, "kept": promises})
        broken = [promise for promise, is_kept in promises.items() if not is_kept]
        print(f"{kind}: {json.dumps(figures)}", *broken, sep="\n  not kept: ", flush=True)
    return {"runs": runs, "passed": all(all(one["kept"].values()) for one in runs)}


def disks(given: argparse.Namespace) -> dict[str, Any]:
    """Disks that are full, read-only or away."""
    seconds = 60.0 if given.night else 3.0
    return _outages(
        given,
        given.databases,
        lambda kind, place: outages_of_disks(kind, place, seconds, seed=given.seed),
    )


def lines(given: argparse.Namespace) -> dict[str, Any]:
    """Lines to PostgreSQL that are cut, stall, or are half-open."""
    kinds = in_turn(270 if given.night else 8, given.seed)

    @contextmanager
    def on_lines(_kind: str, place: Path) -> Iterator[Outages]:
        with cluster() as one, outages_of_lines(one, place, kinds, seed=given.seed) as run:
            yield run

    return _outages(given, ["postgresql"], on_lines)


def failing_over(given: argparse.Namespace) -> dict[str, Any]:
    """Failovers of PostgreSQL."""
    count = 10 if given.night else 2
    return _outages(
        given, ["postgresql"], lambda _kind, place: failovers(place, count, seed=given.seed)
    )


def _outages(
    given: argparse.Namespace,
    kinds: Sequence[str],
    prepared: Callable[[str, Path], AbstractContextManager[Outages]],
) -> dict[str, Any]:
    runs = []
    for kind in kinds:
        directory = Path(tempfile.mkdtemp(prefix="metaopt-chaos-"))
        with prepared(kind, directory) as run:
            outcome = run.run()
        runs.append(run.to_json())
        print(f"{kind}: {outcome.trials} trials, {runs[-1]['figures']}", *outcome.violations,
              sep="\n  ", flush=True)  # fmt: skip
        if outcome.passed:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"  what it left: {directory}", flush=True)
    return {"runs": runs, "passed": not any(one["violations"] for one in runs)}


def main(arguments: list[str]) -> int:
    """Run one proof; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("proof", choices=PROOFS)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--night", action="store_true", help="the long one")
    parser.add_argument("--stops", action="store_true", help="stop processes for a while, too")
    parser.add_argument("--databases", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument(
        "--jobs", type=int, default=2, help="runs at a time: sweep, simulation, takeovers"
    )
    parser.add_argument("--repeats", type=int, help="of a sweep: how often at each point; night: 2")
    parser.add_argument(
        "--minutes",
        type=float,
        help=f"most of a sweep or a simulation, {MINUTES:.0f}; of a soak on each database, "
        f"{SOAK_MINUTES:.0f}",
    )
    parser.add_argument("--results", type=Path, help="directory for the JSON")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and end what was started
    verdict = {"proof": given.proof, "seed": given.seed, **PROOFS[given.proof](given)}
    if given.results:
        path = given.results / f"chaos_{given.proof}.json"
        path.write_text(json.dumps(verdict, indent=1) + "\n", encoding="utf-8")
    print(f"{given.proof}, seed {given.seed}: {'passed' if verdict['passed'] else 'FAILED'}")
    return 0 if verdict["passed"] else 1


PROOFS = {
    "storm": storm,
    "lanes": lanes,
    "submissions": submissions,
    "sweep": crash_points,
    "simulation": simulation,
    "takeovers": frozen,
    "soak": long_work,
    "queue": queue,
    "readers": readers,
    "disks": disks,
    "lines": lines,
    "failovers": failing_over,
    "restarts": restarts,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
