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


@pytest.mark.parametrize(
    ("space", "told"),
    [
        ({"tail_shots": 20}, "tail_shots must be at most the 20 drawings of a character beside "),
        (
            {"train_shots": 15, "tail_shots": {"low": 1, "high": 6}},
            "train_shots must be at most the 20 drawings of a character beside tail_shots = 6, ",
        ),
    ],
)
def test_a_tail_must_fit_a_character_too(space: dict[str, Any], told: str) -> None:
    data = {
        **LEAST,
        "tasks": {"kind": "omniglot", "k_shot": 1},
        "model": {"kind": "conv4"},
        "branches": [{"algorithm": "foml", "space": space}],
    }
    with pytest.raises(ValidationError, match=told):
        StudySpec.model_validate(data)
    fits = {"train_shots": 15, "tail_shots": 5}
    branch = {"algorithm": "foml", "space": fits}
    assert StudySpec.model_validate({**data, "branches": [branch]}).branches[0].space == fits


@pytest.mark.parametrize(
    ("algorithm", "times"),
    [("meta_sgd", 1.5), ("meta_curvature", 2.0), ("learned_optimizer", 20.0)],
)
def test_what_an_algorithm_has_beside_the_model_counts(algorithm: str, times: float) -> None:
    def needed(name: str) -> float:
        space = {"meta_batch": 4, "inner_steps": 5}
        model = {"kind": "mlp", "widths": [512, 512]}
        branch = {"algorithm": name, "space": space}
        return StudySpec.model_validate(
            {**LEAST, "model": model, "branches": [branch]}
        ).lane_bytes()

    assert needed(algorithm) > times * needed("maml")
