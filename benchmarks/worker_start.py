"""What a worker takes from its start to the end of its first segment, beside torch's own import.

    python benchmarks/worker_start.py [--repeats 5] [--results DIR]

In turn: a process that only imports torch; then a worker that starts and trains one meta-iteration
of two lanes, an MLP on sinusoids, and scores one of them.  Seconds on the clock; medians.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.suite.machine import processor, watched  # noqa: E402
from metaopt.evaluation.bank import BankSpec  # noqa: E402
from metaopt.keys import key  # noqa: E402
from metaopt.population.signature import signature_of  # noqa: E402
from service.executors.base import Admit, SegmentOrder, Slot  # noqa: E402
from service.executors.local import LocalExecutor  # noqa: E402
from service.output_file import write_output  # noqa: E402

PARAMS = {"inner_lr": 0.01, "inner_steps": 1, "outer_lr": 0.001, "meta_batch": 4}


def main() -> None:
    """Measure, print, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--results", type=Path, help="write worker_start.txt there")
    options = parser.parse_args()
    imports, starts = [], []
    with watched() as machine:
        for _ in range(options.repeats + 1):  # the first fills the file cache
            imports.append(importing())
            starts.append(first_segment())
    torch, worker = median(imports[1:]), median(starts[1:])
    told = (
        f"{processor()}; others used {machine['others_share']:.0%} of it\n"
        f"torch's import             {torch:.2f} s\n"
        f"a worker's first segment   {worker:.2f} s\n"
        f"beyond torch               {worker - torch:.2f} s\n"
    )
    print(told, end="")
    if options.results:
        write_output(options.results / "worker_start.txt", told)


def importing() -> float:
    """Return the seconds of a process that imports torch."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - began


def first_segment() -> float:
    """Return the seconds from a worker's start to the report of its first segment."""
    with tempfile.TemporaryDirectory() as logs:
        executor = LocalExecutor([Slot("cpu:0", "cpu")], Path(logs), compiling="never")
        try:
            began = time.perf_counter()
            executor.submit("cpu:0", order()).result()
            return time.perf_counter() - began
        finally:
            executor.close()


def order() -> SegmentOrder:
    """Return the order of a study's first segment."""
    signature = signature_of(
        tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
        model={"kind": "mlp"},
        algorithm="maml",
        params=PARAMS,
        step_cap=1,
        test_cap=2,
    )
    bank = BankSpec("validation", seed=1, tasks=20, k_shot=5, q_query=5, steps=2)
    return SegmentOrder(
        signature=signature.to_json(),
        study_id="s",
        evict=[],
        admit=[Admit(name, PARAMS, key(name), horizon=100) for name in ("a", "b")],
        iterations=1,
        evaluate=["a"],
        bank=bank.to_json(),
        checkpoint_directory=None,
    )


if __name__ == "__main__":
    main()
