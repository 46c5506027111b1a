"""Banks of sealed tasks by digest: the same digest, the same tasks, but for how many."""

import hashlib
import json
from typing import Any

from metaopt.evaluation.bank import BankSpec
from service.wire.spec.study import StudySpec


def sealed_bank(spec: StudySpec) -> str:
    """The SHA-256 of what the sealed tasks follow from, but for how many there are."""
    k_shot, q_query = spec.evaluation_shots()
    named = {
        "tasks": spec.tasks.distribution(),
        "seed": spec.seed,
        "k_shot": k_shot,
        "q_query": q_query,
    }
    return digest_of(named)


def gate_bank(spec: StudySpec, bank: BankSpec) -> str:
    """The SHA-256 of what the scores on a gate bank follow from, but for how many tasks.

    Args:
        spec: Of the study.
        bank: Its gate bank.
    """
    fields = {k: v for k, v in bank.to_json().items() if k not in ("tasks", "steps")}
    return digest_of({"tasks": spec.tasks.distribution(), **fields})


def digest_of(data: Any) -> str:
    """The SHA-256 of plain data, whatever the order of its fields."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
