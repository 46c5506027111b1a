"""The benchmark compares modules with built-in models of the same layers."""

import pytest
import torch

from benchmarks.lifted import WORKS, population
from metaopt.models.lift import lift


@pytest.mark.parametrize("name", WORKS)
def test_the_twins_compute_what_the_built_in_models_do(name: str) -> None:
    work = WORKS[name]
    kind = lift(work.twin)
    built_in = population(work, None).program.learner.model
    module = population(work, kind).program.learner.model
    keys = torch.tensor([1, 2])
    theirs = built_in.init(keys, torch.float64)
    own = {
        theirs_name: p.mT if p.dim() == 3 else p
        for theirs_name, p in zip(module.shapes, theirs.values(), strict=True)
    }
    x = torch.rand(2, 5, *built_in.input_shape, dtype=torch.float64)
    for reference in (None, 3):
        expected = built_in.apply(theirs, x, reference=reference)
        assert torch.allclose(module.apply(own, x, reference=reference), expected, atol=1e-10)
