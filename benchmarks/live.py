"""A live study: from a wide space to a sealed verdict, and what mattered.

    python -m benchmarks.live [--spec examples/sinusoid-wide.yaml] [--slots 2] [--results DIR]

Starts a server with an empty data directory, submits the spec and prints what it came to: seconds
from submission to verdict, sealed scores, and the importances of the report.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from benchmarks.end_to_end.ours import server
from benchmarks.suite.machine import watched
from benchmarks.suite.process import ROOT, Refused, say
from service.client.client import Client
from service.output_file import write_output
from service.wire.views.report import StudyReport
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView
from service.wire.words.importances import answer, rows

SPEC = ROOT / "examples" / "sinusoid-wide.yaml"
WAIT_SECONDS = 20.0


def main() -> None:
    """Run the study, print what it came to, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spec", type=Path, default=SPEC)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--results", type=Path, help="write live.txt there")
    options = parser.parse_args()
    spec = yaml.safe_load(options.spec.read_text())
    with tempfile.TemporaryDirectory() as data, watched() as machine:
        with server(Path(data), options.slots) as url, Client(url) as client:
            begun = time.perf_counter()
            study_id = client.submit(spec).study_id
            study = ended(client, study_id)
            seconds = time.perf_counter() - begun
            told = text(study, client.result(study_id), client.report(study_id), seconds)
    told += f"other processes used {machine['others_share']:.0%} of the cores meanwhile\n"
    print(told, end="")
    if options.results:
        write_output(options.results / "live.txt", told)


def ended(client: Client, study_id: str) -> StudyView:
    """Return the study once it has completed."""
    while True:
        study = client.study(study_id, wait_seconds=WAIT_SECONDS)
        if study.status == "completed":
            return study
        if study.status in ("failed", "cancelled"):
            raise Refused(f"the study {study.status}: {study.error}")
        say(json.dumps(study.trials))


def text(study: StudyView, verdict: StudyResult, report: StudyReport, seconds: float) -> str:
    """Return what came out."""
    lines = [
        f"{study.spec.name}: {seconds:.0f} s from submission to verdict, "
        f"at most {study.spec.budget.meta_iterations} meta-iterations per trial",
        f"trials: {_counts(study.trials)}; busy {study.busy_share or 0:.0%}",
    ]
    if verdict.search:
        lines.append(
            f"search: {verdict.search.meta_iterations} meta-iterations in "
            f"{verdict.search.wall_seconds:.0f} s, ended by {verdict.search.ended_by}"
        )
    for one in verdict.finalists:
        lines.append(f"  {one.rank}. trial {one.trial_number}: search {one.search.score:.3f}, ")
        if one.sealed:
            lines[-1] += (
                f"sealed {one.sealed.mean:.3f} [{one.sealed.low:.3f}, {one.sealed.high:.3f}]"
            )
        lines.append("     " + _params(one.params))
    if verdict.comparison and verdict.comparison.sealed:
        lines.append(f"  defaults: sealed {verdict.comparison.sealed.mean:.3f}")
    for branch in report.importances or []:
        lines.append(f"what mattered ({branch.branch}, {branch.trials} trials):")
        lines += [
            f"  {row.label:25} {row.share:4.0%}  [{row.low:.0%}, {row.high:.0%}]  {answer(row)}"
            for row in rows(branch)
        ]
    return "\n".join(lines) + "\n"


def _counts(trials: dict[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in trials.items() if count)


def _params(params: dict[str, Any]) -> str:
    shown = ("inner_lr", "outer_lr", "inner_steps", "order")
    return ", ".join(
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in params.items()
        if name in shown
    )


if __name__ == "__main__":
    main()
