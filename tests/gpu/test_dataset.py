"""Tasks on a packed data set, drawn on a GPU."""

import pytest
import torch

from metaopt import BankSpec
from metaopt.evaluation.trivial import scores_of
from metaopt.tasks.dataset.tasks import DatasetTasks
from tests.fakes.packed import images, table

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]

SIZES = [7, 4, 90, 5, 6, 4, 12, 4, 5]
CASES = {
    "images": (images(SIZES, given=True), {"n_way": 3, "rotations": "task", "flips": True}),
    "rows": (table(SIZES, given=True), {"n_way": 3}),
    "numbers": (table(SIZES, given=True, target="number"), {}),
    "episodes": (table(SIZES, given=True, target="number", support=[2] * 9), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_gpu_draws_the_tasks_of_a_cpu_and_does_not_wait(case: str) -> None:
    packed, options = CASES[case]
    keys = torch.arange(200).view(2, 100)
    here, there = (
        DatasetTasks.of(packed, **options, device=device, dtype=torch.float64)
        for device in ("cpu", "cuda")
    )
    on_device = keys.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        drawn = there.sample("train", on_device, 2, 2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for ours, theirs in zip(here.sample("train", keys, 2, 2), drawn, strict=True):
        assert torch.allclose(ours.x, theirs.x.cpu()) and torch.equal(ours.y, theirs.y.cpu())


@pytest.mark.parametrize("case", CASES)
def test_a_gpu_scores_trivial_predictors_as_a_cpu_does(case: str) -> None:
    packed, options = CASES[case]
    bank = BankSpec("train", seed=1, tasks=50, k_shot=2, q_query=2, steps=0)
    here, there = (
        scores_of(DatasetTasks.of(packed, **options, device=device), bank, None, device=device)
        for device in ("cpu", "cuda")
    )
    assert set(here) == set(there)
    for name, scores in here.items():
        assert there[name] == pytest.approx(scores, rel=1e-4)
