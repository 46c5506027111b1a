"""Options of the commands that are given a spec."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from metaopt.gates.registry import forms

SpecFile = Annotated[
    Path, typer.Argument(metavar="SPEC.yaml", help="The spec, YAML or JSON; - is stdin.")
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
