"""Options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from metaopt.gates.registry import forms

SpecFile = Annotated[Path, typer.Argument(metavar="SPEC.yaml", help="The spec, YAML or JSON.")]
StudyId = Annotated[str, typer.Argument(metavar="STUDY_ID", help="Id of the study.")]
Json = Annotated[
    Path | None,
    typer.Option("--json", metavar="F", help="Also write JSON to this file; - is stdout."),
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="S", min=0, help="Stop waiting after this many seconds; exit code 4."),
]
Junit = Annotated[
    Path | None, typer.Option(metavar="F", help="Write JUnit to this file, a case for each gate.")
]
Summary = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        help="Write a Markdown summary to this file; $GITHUB_STEP_SUMMARY is added to.",
    ),
]
Events = Annotated[
    bool,
    typer.Option(
        "--events",
        help="Print on stdout only what webhooks are told of the study, a line of JSON each.",
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="PATH=VALUE", help="Change a field of the spec, as budget.trials=20."
    ),
]
GateRules = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="RULE",
        help=f"What the best finalist must be able to do: {', '.join(forms())}. "
        "May be given several times.",
    ),
]
BaselineName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Baseline to compare with: NAME or NAME@VERSION."),
]
PromoteOn = Annotated[
    Literal["never", "pass"] | None,
    typer.Option(metavar="never|pass", help="Make it the baseline's next version if gates pass."),
]
Undecided = Annotated[
    Literal["fail", "pass"] | None,
    typer.Option(metavar="fail|pass", help="What an undecided gate counts as in the end."),
]
