"""Banks by digest: the same digest, the same tasks."""

from dataclasses import replace

from service.planning.banks import digest_of, gate_bank, sealed_bank
from service.planning.signatures import task_bank
from tests.fakes.specs import small_spec


def test_a_sealed_bank_is_the_same_however_many_of_its_tasks_are_used() -> None:
    spec = small_spec()
    more = small_spec(verdict={**spec.verdict.model_dump(), "tasks": 40})
    assert sealed_bank(spec) == sealed_bank(more)
    assert sealed_bank(spec) != sealed_bank(small_spec(seed=4))
    assert sealed_bank(spec) != sealed_bank(small_spec(evaluation={"tasks": 20, "k_shot": 3}))


def test_what_changes_scores_on_a_gate_bank_changes_its_digest() -> None:
    spec = small_spec()
    bank = task_bank(spec, "gates", 0)
    assert gate_bank(spec, bank) == gate_bank(spec, replace(bank, tasks=7, steps=3))
    assert gate_bank(spec, bank) != gate_bank(spec, replace(bank, transductive=False))
    assert gate_bank(spec, bank) != gate_bank(spec, replace(bank, seed=bank.seed + 1))


def test_a_digest_does_not_depend_on_the_order_of_fields() -> None:
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})
    assert digest_of([1, 2]) != digest_of([2, 1])
