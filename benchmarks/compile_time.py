"""What compiling a program takes, in seconds of one core, by the compiler's options: cold.

    python -m benchmarks.compile_time

Each time in a process and a temporary directory of its own, so that nothing is found that an
earlier one has left.  The program is that of MAML in `examples/sinusoid.yaml`.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

VARIANTS = {
    "as it is": {},
    "with precompiled headers": {"aot_inductor.precompile_headers": True},
    "calls not optimised": {"aot_inductor.compile_wrapper_opt_level": "O0"},
}


def main() -> None:
    """Print a line for each variant."""
    for name, options in VARIANTS.items():
        with tempfile.TemporaryDirectory() as directory:
            environment = {
                **os.environ,
                "OMP_NUM_THREADS": "1",
                "TMPDIR": directory,
                "TORCHINDUCTOR_CACHE_DIR": f"{directory}/workshop",
                "TORCHINDUCTOR_COMPILE_THREADS": "1",
                "TORCHINDUCTOR_VEC_ISA_OK": "1",
            }
            command = [sys.executable, "-m", "benchmarks.compile_time", json.dumps(options)]
            said = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
        print(f"{name:28} {said.stdout.decode().splitlines()[-1]}", flush=True)


def one(options: dict[str, object]) -> None:
    """Compile with `options`, and print what that took and what the program takes."""
    import torch
    import yaml

    from metaopt.population import compiled
    from metaopt.population.population import Population
    from service.executors.compiling.probe import CALLS, fill, least_seconds
    from service.planning.signatures import trial_signature
    from service.wire.spec.study import StudySpec

    torch.set_num_threads(1)
    compiled.INDUCTOR = {**compiled.INDUCTOR, **options}
    spec = StudySpec.model_validate(yaml.safe_load(Path("examples/sinusoid.yaml").read_text()))
    population = Population(trial_signature(spec, spec.branches[0], spec.branches[0].defaults()))
    directory = Path(tempfile.mkdtemp())
    population.compile(directory)
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ours, theirs = (usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, whose))
    population.use_compiled(directory)
    fill(population, population.program_lanes)
    lane = 1e3 * least_seconds(population, CALLS) / CALLS / population.program_lanes
    print(f"{ours + theirs:5.1f} s ({theirs:4.1f} of g++); {lane:.3f} ms a lane's meta-iteration")


if __name__ == "__main__":
    one(json.loads(sys.argv[1])) if len(sys.argv) > 1 else main()
