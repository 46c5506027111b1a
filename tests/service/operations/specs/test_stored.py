"""Stored specs are kept, but no long ones."""

from service.operations.specs.stored import stored_warnings
from service.wire.spec.stored import stored_spec
from tests.fakes.specs import SPEC


def test_a_spec_is_read_once_unless_it_is_long() -> None:
    trial = {"branch": "maml", "params": {"inner_lr": 0.01, "inner_steps": 2, "order": "second"}}
    for trials, kept in ((1, True), (1000, False)):
        spec = SPEC | {"warm_start": {"trials": [trial] * trials}}
        first, second = stored_spec(spec), stored_spec(dict(spec))
        assert first == second and (first is second) == kept
        assert stored_warnings(spec, None) == stored_warnings(spec, None)
