"""A spec on the command line: what it says beyond defaults, or with every default."""

from typing import Any

import yaml

from service.cli import console
from service.wire.spec.beyond_defaults import beyond_defaults
from service.wire.spec.study import StudySpec
from service.wire.words import numbers
from service.wire.words.branches import trained_by, with_trained


def spec_page(spec: StudySpec, *, full: bool) -> None:
    """Print a spec as YAML that can be submitted again, and what its branches do not search."""
    if full:
        console.data(f"spec:\n{_yaml(spec.model_dump(mode='json'), flow=False)}")
    else:
        text = _yaml(beyond_defaults(spec), flow=None)
        console.data(f"spec, without what is at its default (--full shows it):\n{text}")
    for branch in spec.branches:
        name = with_trained(branch.name, trained_by(spec, branch.name))
        console.data(f"not searched in {name}: {numbers.params(branch.fixed())}")


def _yaml(data: dict[str, Any], *, flow: bool | None) -> str:
    text = yaml.safe_dump(
        data, sort_keys=False, allow_unicode=True, width=100, default_flow_style=flow
    )
    return "\n".join(f"  {line}" for line in text.splitlines())
