"""What the tests of gates and of completion share."""

import pytest
from sqlalchemy import Engine

from tests.fakes.gated import Gated, completed, gated, submitted
from tests.fakes.running import Run


@pytest.fixture
def promoted(engine: Engine, run: Run) -> Engine:
    """Return a database in which a study with another model and length has become main@1."""
    first = gated(
        model={"kind": "mlp", "widths": [8]},
        seed=1,
        pruning={"kind": "none", "rungs": [60]},
        budget={"trials": 2, "meta_iterations": 120},
    )
    told = completed(engine, run, Gated(), submitted(engine, first, 1))
    assert told.gates is not None and str(told.gates.promoted) == "main@1"
    return engine
