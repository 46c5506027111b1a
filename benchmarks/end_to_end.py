"""A search from submission to verdict, beside the same search with Optuna and `higher`.

    python -m benchmarks.end_to_end [--inner-steps 1 5] [--warm] [--full-peer] [--quick]
        [--results DIR] [--trials 64] [--meta-iterations 2000] [--peer-meta-iterations 60]

The search: second-order MAML on sinusoids, `inner_lr` and `outer_lr` by TPE, nothing pruned, one
process of one thread for each core, no GPU.  First one computes, then the other.

metaopt: `metaopt serve` with a data directory and a compiler cache that are new, so compiling is
on the clock, which runs from `POST /studies` until the verdict is read: the finalists are trained
afresh, which the peer does not do.  `--warm` submits the study once more to a new server on the
same data directory, where compiled programs lie.

The peer (`make bench-peers` installs it): `study.optimize` in each process on one SQLite study;
the objective trains with `higher`, task by task, and returns the mean loss of 100 validation tasks.
The clock starts when each process has imported everything and has warmed up.  By default each
trial trains for `--peer-meta-iterations` only and the figure is scaled, by the training loop alone:

    seconds = fixed + (meta_iterations − 1) × seconds of one, the first being part of fixed

because the whole run takes most of an hour; `--full-peer` does it.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from benchmarks.peers import PEERS
from benchmarks.suite.process import ROOT, Refused, environment_of, interpreter
from benchmarks.suite.works import Work, find

# The peers' Python runs this file too (`peer_main`): what only one of the two environments has is
# imported where it is used.

Json = dict[str, Any]
INNER_LR = {"low": 0.003, "high": 0.03, "log": True}
OUTER_LR = {"low": 0.001, "high": 0.02, "log": True}
VALIDATION_TASKS = 100
VALIDATION_SEED, WARM_UP_SEED = 2**31, 2**32
WARM_UP = 5
QUIET = 0.1  # the largest share of the cores that others may use before the table warns
START_SECONDS, DRAIN_SECONDS, WAIT_SECONDS = 120.0, 60.0, 20.0


@dataclass(frozen=True)
class Search:
    """What both do, in `processes` of one thread each."""

    trials: int
    meta_iterations: int
    inner_steps: int
    processes: int

    @property
    def work(self) -> Work:
        """Return tasks, model and the parameters that are not searched."""
        one = find("sinusoid_second_1")
        return replace(one, params={**one.params, "inner_steps": self.inner_steps})


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the table, write the files if asked to."""
    options = _options(arguments)
    python = interpreter(options.peers, peer=True)
    reason = absent(python)
    if reason:
        raise Refused(reason)
    results: Json = {"about": about()}
    for steps in options.inner_steps:
        processes = min(cores(), options.peer_trials)
        search = Search(options.trials, options.meta_iterations, steps, processes)
        part = replace(
            search, trials=options.peer_trials, meta_iterations=options.peer_meta_iterations
        )
        results[f"inner_steps_{steps}"] = measure(search, part, python, options.warm)
    text = table(results)
    print(text, end="")
    if options.results is not None:
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / "end_to_end.txt").write_text(text)
        written = json.dumps(results, indent=2, allow_nan=False) + "\n"
        (options.results / "end_to_end.json").write_text(written)


def measure(search: Search, part: Search, python: Path, warm: bool) -> Json:
    """Run ours, again if `warm`, then as much of the peer as `part` says; return the figures."""
    figures: Json = {
        "trials": search.trials,
        "meta_iterations": search.meta_iterations,
        "processes": search.processes,
    }
    with tempfile.TemporaryDirectory(prefix="metaopt-end-to-end-") as folder:
        directory = Path(folder)
        for name in ("ours", "ours_warm")[: 1 + warm]:
            figures[name] = ours(search, directory / "data", _label(name))
        figures["peer"] = peer(search, part, python, directory)
    figures["ratio"] = figures["peer"]["seconds"] / figures["ours"]["seconds"]
    if warm:
        figures["ratio_warm"] = figures["peer"]["seconds"] / figures["ours_warm"]["seconds"]
    return figures


# ---- ours


def ours(search: Search, directory: Path, label: str) -> Json:
    """Submit the study to a server on `directory` and return the figures of its run."""
    from service.client.client import Client

    with watched() as machine:
        with server(directory, search.processes) as url, Client(url) as client:
            _say(f"{label}: submitted")
            begun = time.perf_counter()
            study_id = client.submit(spec(search)).study_id
            study = _until_ended(client, study_id, label, begun)
            verdict = client.result(study_id)
            seconds = time.perf_counter() - begun
    best = verdict.finalists[0]
    return {
        "seconds": seconds,
        "busy_share": study.busy_share,
        "others_share": machine["others_share"],
        "search_trials": {status: n for status, n in study.trials.items() if n},
        "verdict_lanes": sum(study.verdict_trials.values()),
        "best_search_score": verdict.branches["maml"].best_score,
        "best_sealed_score": best.sealed.score,
        "best_sealed_interval": [best.sealed.low, best.sealed.high],
        "best_params": {name: best.params[name] for name in ("inner_lr", "outer_lr")},
    }


def spec(search: Search) -> Json:
    """Return the study, its verdict as by default."""
    work = search.work
    fixed = {name: work.params[name] for name in ("inner_steps", "meta_batch", "order")}
    space = {"inner_lr": INNER_LR, "outer_lr": OUTER_LR, **fixed}
    return {
        "name": "end to end",
        "tasks": work.tasks,
        "model": work.model,
        "branches": [{"algorithm": "maml", "space": space}],
        "search": {"sampler": "tpe"},
        "pruning": {"kind": "none"},
        "budget": {"trials": search.trials, "meta_iterations": search.meta_iterations},
        "evaluation": {"tasks": VALIDATION_TASKS},
    }


@contextmanager
def server(directory: Path, slots: int) -> Iterator[str]:
    """Yield the URL of a server with default settings and its data in `directory`."""
    from service.cli.demo import free_port

    directory.mkdir(exist_ok=True)
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("METAOPT_")},
        "METAOPT_DATA_DIRECTORY": str(directory),
        "METAOPT_PORT": str(port),
        "METAOPT_SLOTS": str(slots),
        "CUDA_VISIBLE_DEVICES": "",
        "TORCHINDUCTOR_CACHE_DIR": str(directory / "inductor"),  # else it is the machine's
    }
    log = directory / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            _tethered(Path(sys.executable), "service.cli", "serve"),
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, url, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    from service.client.client import Client
    from service.client.errors import ClientError

    deadline = time.monotonic() + START_SECONDS
    with Client(url) as client:
        while True:
            try:
                if client.readiness() is None:
                    return
            except ClientError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                raise Refused(f"the server did not start: {_last_line(log.read_text())}")
            time.sleep(0.2)


def _until_ended(client: Any, study_id: str, label: str, begun: float) -> Any:
    while True:
        study = client.study(study_id, wait_seconds=WAIT_SECONDS)
        if study.status == "completed":
            return study
        if study.status in ("failed", "cancelled"):
            raise Refused(f"the study {study.status}: {study.error}")
        done, fresh = study.trials["completed"], study.verdict_trials["completed"]
        _say(
            f"{label}: {time.perf_counter() - begun:.0f} s, {done} trials completed"
            + f", {fresh} verdict trainings" * bool(fresh)
        )


# ---- the peer, as this process sees it


def absent(python: Path) -> str | None:
    """Return why the peer cannot run with this interpreter, or None."""
    command = [str(python), "-c", "import higher, optuna, torch"]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.returncode:
        return None
    return f"the peer does not import ({_last_line(done.stderr)}); make bench-peers installs it"


def peer(search: Search, part: Search, python: Path, directory: Path) -> Json:
    """Run `part` in one process for each core, and return its figures scaled to `search`."""
    _say(f"peer: {part.trials} trials × {part.meta_iterations} meta-iterations")
    share = [
        part.trials // part.processes + (i < part.trials % part.processes)
        for i in range(part.processes)
    ]
    with watched() as machine, ExitStack() as stack:
        processes = []
        for number, trials in enumerate(share):
            order = {
                "storage": f"sqlite:///{directory / 'optuna.db'}",
                "number": number,
                "trials": trials,
                "meta_iterations": part.meta_iterations,
                "inner_steps": part.inner_steps,
            }
            process = stack.enter_context(PeerProcess(python, order))
            versions = process.answer()  # the first has made the study when the second asks
            processes.append(process)
        for process in processes:
            process.go()
        runs = [process.answer() for process in processes]
    loop = sum(run["loop_seconds"] for run in runs)
    fixed = sum(run["seconds"] for run in runs) - loop
    return {
        "seconds": max(scaled(run, search, part) for run in runs),
        "scaled": part != search,
        "measured_seconds": max(run["seconds"] for run in runs),
        "measured_trials": part.trials,
        "measured_meta_iterations": part.meta_iterations,
        "fixed_seconds_per_trial": fixed / part.trials,
        "ms_per_meta_iteration": 1e3 * loop / (part.trials * (part.meta_iterations - 1)),
        "others_share": machine["others_share"],
        "best_validation_score": min(run["best"] for run in runs),
        "versions": versions,
    }


def scaled(run: Json, search: Search, part: Search) -> float:
    """Return how long a process would take with its share of `search`, having run that of `part`.

    Args:
        run: `seconds` in all, of which `loop_seconds` in the training loops without the first
            meta-iteration of each trial.
    """
    loop = run["loop_seconds"] * (search.meta_iterations - 1) / (part.meta_iterations - 1)
    fixed = run["seconds"] - run["loop_seconds"]
    return float((fixed + loop) * search.trials / part.trials)


class PeerProcess:
    """A `peer_main`: it answers when it is ready, and once more when it was told to go."""

    def __init__(self, python: Path, order: Json) -> None:
        from service.executors.process import KEEP_MEMORY

        self._log: IO[str] = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            _tethered(python, "benchmarks.end_to_end", "peer", json.dumps(order)),
            cwd=ROOT,
            env={**os.environ, **environment_of("cpu", KEEP_MEMORY), "CUDA_VISIBLE_DEVICES": ""},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True,
        )  # fmt: skip

    def __enter__(self) -> "PeerProcess":
        """Return the process."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.communicate()
        self._log.close()

    def answer(self) -> Json:
        """Return its next answer, however long it takes.

        Raises:
            Refused: It died.
        """
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise Refused(f"a process of the peer ended: {_last_line(self._log.read())}")
        answer: Json = json.loads(line)
        return answer

    def go(self) -> None:
        """Let it search."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()


# ---- the peer, in a process of its own


def peer_main(order: Mapping[str, Any]) -> None:
    """Search with Optuna: say the versions when ready, wait for a line, say the figures."""
    import higher  # noqa: F401  # on no clock
    import optuna

    from benchmarks.suite.contenders.higher import versions

    search = Search(order["trials"], order["meta_iterations"], order["inner_steps"], 1)
    study = optuna.create_study(
        study_name="end to end",
        storage=order["storage"],
        sampler=optuna.samplers.TPESampler(seed=order["number"]),
        load_if_exists=True,
    )
    learner = Learner(search, inner_lr=0.01, outer_lr=1e-3, seed=WARM_UP_SEED)
    learner.train(WARM_UP)
    bank = learner.bank()
    loops: list[float] = []

    def objective(trial: "optuna.Trial") -> float:
        learner = Learner(
            search,
            inner_lr=trial.suggest_float("inner_lr", **INNER_LR),
            outer_lr=trial.suggest_float("outer_lr", **OUTER_LR),
            seed=trial.number,
        )
        learner.train(1)  # makes Adam's state
        begun = time.perf_counter()
        learner.train(search.meta_iterations - 1)
        loops.append(time.perf_counter() - begun)
        return learner.validation_loss(bank)

    print(json.dumps({**versions(), "optuna": optuna.__version__}), flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    study.optimize(objective, n_trials=search.trials)
    seconds = time.perf_counter() - begun
    figures = {"seconds": seconds, "loop_seconds": sum(loops), "best": study.best_value}
    print(json.dumps(figures), flush=True)


class Learner:
    """MAML with `higher`, as in its authors' example: `innerloop_ctx` for one task after another.

    Training is that of `suite/contenders/higher.py`.
    """

    def __init__(self, search: Search, *, inner_lr: float, outer_lr: float, seed: int) -> None:
        import torch

        from benchmarks.suite import networks
        from benchmarks.suite.tasks import Draw

        torch.manual_seed(seed)
        self._work = search.work
        self._network = networks.network(self._work)
        self._inner = torch.optim.SGD(self._network.parameters(), lr=inner_lr)
        self._outer = torch.optim.Adam(self._network.parameters(), lr=outer_lr)
        self._draw = Draw(self._work, Path(), seed)

    def train(self, meta_iterations: int) -> None:
        """Draw tasks, adapt to each, take the outer step; again and again."""
        import higher

        from benchmarks.suite.networks import loss, tensors

        for _ in range(meta_iterations):
            self._outer.zero_grad()
            tasks = tensors(self._draw(), "cpu")
            for x_s, y_s, x_q, y_q in zip(*tasks, strict=True):
                with higher.innerloop_ctx(
                    self._network, self._inner, copy_initial_weights=False
                ) as (fast, steps):
                    for _ in range(self._work.steps):
                        steps.step(loss(fast(x_s), y_s))
                    (loss(fast(x_q), y_q) / self._work.meta_batch).backward()
            self._outer.step()

    def bank(self) -> list[Any]:
        """Return the validation tasks, the same for every trial and process."""
        from benchmarks.suite.networks import tensors
        from benchmarks.suite.tasks import Draw

        params = {**self._work.params, "meta_batch": VALIDATION_TASKS}
        return tensors(Draw(replace(self._work, params=params), Path(), VALIDATION_SEED)(), "cpu")

    def validation_loss(self, bank: list[Any]) -> float:
        """Return the mean query loss after adapting to each task of the bank."""
        import higher

        from benchmarks.suite.networks import loss

        losses = []
        for x_s, y_s, x_q, y_q in zip(*bank, strict=True):
            with higher.innerloop_ctx(
                self._network, self._inner, track_higher_grads=False
            ) as (fast, steps):  # fmt: skip
                for _ in range(self._work.steps):
                    steps.step(loss(fast(x_s), y_s))
                losses.append(loss(fast(x_q), y_q).item())
        return sum(losses) / len(losses)


# ---- the table and the machine


def table(results: Json) -> str:
    """Return the figures as text."""
    told = results["about"]
    lines = [
        "End to end: TPE searches inner_lr and outer_lr, nothing is pruned; second-order MAML on",
        "sinusoids (25 tasks of 10 + 10 points, MLP 1-40-40-1); one thread a process, no GPU",
        f"{told['machine']}; python {told['python']}",
        _versions(results),
        "metaopt: from POST /studies until its verdict was read, on a server with its defaults;",
        "  finalists are trained afresh and scored on sealed tasks besides.  Nothing is compiled",
        "  before; warm is the same study once more, on a new server with the first one's data",
        "optuna + higher: study.optimize in each process, imports and warm-up not counted; its",
        "  score is the best of the search on the tasks it searched by: it has no verdict",
        "busy: share of the workers' time in segments; others: share of the cores others used",
    ]
    for name, figures in results.items():
        if name != "about":
            lines += ["", *_rows(name, figures)]
    return "\n".join(lines) + "\n"


def _rows(name: str, figures: Json) -> list[str]:
    steps = name.removeprefix("inner_steps_")
    title = f"{figures['trials']} trials × {figures['meta_iterations']:,} meta-iterations"
    rows = [
        f"{title}, inner steps: {steps}; {figures['processes']} processes",
        f"  {'':18}{'seconds':>10}{'peer/this':>11}{'busy':>7}{'others':>8}  score (mse)",
    ]
    for key, ratio in (("ours", "ratio"), ("ours_warm", "ratio_warm")):
        if key in figures:
            rows += _our_rows(_label(key), figures[key], figures[ratio])
    one = figures["peer"]
    rows.append(
        f"  {'optuna + higher':18}{one['seconds']:10.1f}{'*' if one['scaled'] else ' '}{'':10}"
        f"{'':7}{_percent(one['others_share']):>8}  validation {one['best_validation_score']:.3f}"
        f" after {one['measured_meta_iterations']:,} meta-iterations"
    )
    rows.append(
        f"    a trial: {one['fixed_seconds_per_trial']:.2f} s + meta-iterations × "
        f"{one['ms_per_meta_iteration']:.2f} ms"
    )
    if one["scaled"]:
        rows += [
            f"  * SCALED, not measured whole: {one['measured_trials']} trials × "
            f"{one['measured_meta_iterations']} meta-iterations took "
            f"{one['measured_seconds']:.1f} s, and their training",
            "    loops are counted for as many as ours has (--full-peer measures all of it)",
        ]
    parts = [figures[key] for key in ("ours", "ours_warm", "peer") if key in figures]
    if max(part["others_share"] or 0.0 for part in parts) > QUIET:
        rows.append(f"  NOISY: others used more than {QUIET:.0%} of the cores; measure again")
    return rows


def _our_rows(label: str, one: Json, ratio: float) -> list[str]:
    low, high = one["best_sealed_interval"]
    counts = ", ".join(f"{n} {status}" for status, n in one["search_trials"].items())
    return [
        f"  {label:18}{one['seconds']:10.1f}{ratio:10.1f}×{_percent(one['busy_share']):>7}"
        f"{_percent(one['others_share']):>8}  sealed {one['best_sealed_score']:.3f} "
        f"({low:.3f} to {high:.3f}), validation {one['best_search_score']:.3f}",
        f"    search trials: {counts}; besides, {one['verdict_lanes']} trainings for the verdict",
    ]


def _label(name: str) -> str:
    return {"ours": "metaopt", "ours_warm": "metaopt, warm"}[name]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _versions(results: Json) -> str:
    peers = next(part["peer"]["versions"] for name, part in results.items() if name != "about")
    both = {**results["about"]["versions"], **{f"{n} (peer)": v for n, v in peers.items()}}
    return ", ".join(f"{name} {version}" for name, version in both.items())


def about() -> Json:
    """Return what the results must say of where they come from."""
    from importlib.metadata import version

    return {
        "machine": f"{platform.machine()}, {_processor()}, {cores()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("metaopt", "torch", "optuna")},
    }


def cores() -> int:
    """Return how many cores this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown processor")


@contextmanager
def watched() -> Iterator[Json]:
    """Yield what gets `others_share`: the share of all cores that other processes used meanwhile.

    Processes that were started meanwhile must have ended.  None where /proc does not tell.
    """
    machine: Json = {"others_share": None}
    began, busy, own = time.monotonic(), _busy_seconds(), _own_seconds()
    yield machine
    seconds, after = time.monotonic() - began, _busy_seconds()
    if busy is not None and after is not None:
        others = (after - busy) - (_own_seconds() - own)
        machine["others_share"] = max(0.0, others) / seconds / (os.cpu_count() or 1)


def _busy_seconds() -> float | None:
    """Return CPU seconds of the machine so far: user, nice, system, interrupts, stolen."""
    try:
        ticks = [int(field) for field in Path("/proc/stat").read_text().split()[1:9]]
    except OSError:
        return None
    return sum(ticks[i] for i in (0, 1, 2, 5, 6, 7)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """Return CPU seconds of this process and of all it started that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _tethered(python: Path, *command: str) -> list[str]:
    """Return the command that runs a module as a process that ends with this one."""
    return [str(python), "-m", "service.cli.tethered", str(os.getpid()), *command]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][:200]


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inner-steps", type=int, nargs="+", default=[1], metavar="K")
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--meta-iterations", type=int, default=2000)
    parser.add_argument("--peer-meta-iterations", type=int, default=60, help="of each trial")
    parser.add_argument("--full-peer", action="store_true", help="scale nothing; takes an hour")
    parser.add_argument("--warm", action="store_true", help="ours once more, programs compiled")
    parser.add_argument("--quick", action="store_true", help="4 trials × 10; the peer 2 × 2")
    parser.add_argument("--results", type=Path, metavar="DIR", help="where to write the files")
    parser.add_argument("--peers", type=Path, default=PEERS, help="the peers' environment")
    options = parser.parse_args(arguments)
    options.peer_trials = options.trials
    if options.quick:
        options.trials, options.meta_iterations = 4, 10
        options.peer_trials, options.peer_meta_iterations = 2, 2
    if options.full_peer:
        options.peer_trials, options.peer_meta_iterations = options.trials, options.meta_iterations
    if options.peer_meta_iterations < 2:
        parser.error(f"--peer-meta-iterations must be >= 2, got {options.peer_meta_iterations}")
    if options.trials < 1 or options.meta_iterations < 2:
        parser.error("--trials must be >= 1 and --meta-iterations >= 2")
    return options


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["peer"]:
        peer_main(json.loads(sys.argv[2]))
    else:
        try:
            main()
        except Refused as refusal:
            sys.exit(f"nothing measured: {refusal}")
