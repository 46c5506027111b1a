"""Gates in families of noise: the page, and a candidate that is far better or far worse."""

import numpy as np
import pytest

from benchmarks import gates_families
from benchmarks.noise_families import FAMILIES
from service.wire.spec.gates import Gates

NORMAL = (FAMILIES[0], FAMILIES[0])
SPEC = Gates.model_validate({"rules": ["better"], "baseline": "main", "most_tasks": 400})


@pytest.mark.parametrize(("shift", "answer"), [(-0.9, "pass"), (0.9, "fail")])
def test_a_candidate_that_is_far_away_is_told_so(shift: float, answer: str) -> None:
    luck = np.random.default_rng(0)
    answers = [gates_families.last_answer(NORMAL, SPEC, "better", shift, luck) for _ in range(3)]
    assert answers == [answer] * 3


def test_the_page_has_a_line_for_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"exponential seeds{gates_families.ALONE}"
    assert name in gates_families.SETTINGS
    page = gates_families.text({name: gates_families.simulate(name, 2)}, 2)
    assert name in page and "equal: better passes" in page
