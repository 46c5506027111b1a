"""Absurd sizes are refused with a sentence, sensible ones are not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from service.wire.spec.study import StudySpec
from tests.fakes.specs import LEAST

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_no_absurd_studies(path: Path) -> None:
    assert StudySpec.model_validate(yaml.safe_load(path.read_text())).name


@pytest.mark.parametrize(
    "change",
    [
        {
            "model": {"kind": "mlp", "widths": [4096] * 8},
            "branches": [{"algorithm": "maml", "space": {"meta_batch": 4096}}],
        },
        {
            "tasks": {"kind": "sinusoid", "k_shot": 10_000, "q_query": 10_000},
            "branches": [
                {
                    "algorithm": "maml",
                    "space": {"inner_steps": {"low": 1, "high": 50}, "meta_batch": 1024},
                }
            ],
        },
        {
            "model": {"kind": "mlp", "widths": [4096] * 8},
            "evaluation": {"k_shot": 10_000, "q_query": 10_000},
        },
    ],
)
def test_a_study_that_fits_no_device_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(
        ValidationError, match=r"one trial would need about \d+ GiB, the most is 64"
    ):
        StudySpec.model_validate({**LEAST, **change})


def test_ranges_beyond_a_million_are_refused() -> None:
    tasks = {"kind": "sinusoid", "amplitude": [-1e308, 1e308]}
    with pytest.raises(ValidationError, match="within ±1e6"):
        StudySpec.model_validate({**LEAST, "tasks": tasks})


def test_every_choice_of_train_shots_must_fit_a_character() -> None:
    space = {"train_shots": {"choices": [5, 40]}}
    with pytest.raises(ValidationError, match="train_shots must be at most the 20 drawings"):
        StudySpec.model_validate(
            {
                **LEAST,
                "tasks": {"kind": "omniglot"},
                "model": {"kind": "conv4"},
                "branches": [{"algorithm": "reptile", "space": space}],
            }
        )
