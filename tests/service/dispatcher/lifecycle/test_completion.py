"""A study's last transaction: result, weights, a promoted baseline."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from service.db.baselines import find_baseline
from service.db.engine import reading, transaction
from service.db.weights import find_weights
from service.executors.base import SegmentFailed, SegmentOrder
from service.operations.baselines import roll_back
from tests.fakes.gated import Gated, completed, gated, of_role, submitted
from tests.fakes.running import Run, kinds, rows


def test_the_first_study_becomes_the_first_version(engine: Engine, run: Run) -> None:
    study_id = submitted(engine, gated())
    told = completed(engine, run, Gated(), study_id)
    best, gates = told.finalists[0], told.gates
    assert gates is not None and gates.passed and str(gates.promoted) == "main@1"
    assert (gates.trial_number, gates.tasks, gates.looks) == (best.trial_number, 40, 1)
    assert (gates.baseline, gates.baseline_name) == (None, None)
    candidates = of_role(engine, study_id, "candidate")
    assert [t["params"] for t in candidates] == [best.params] * 2
    assert {t["source_trial_number"] for t in candidates} == {best.trial_number}
    others = {t["seed"] for t in rows(engine, study_id) if t["role"] != "candidate"}
    assert len({t["seed"] for t in candidates} - others) == 2
    with reading(engine) as session:
        row = find_baseline(session, "main")
        assert row is not None and row.study_id == study_id
        assert [len(scores) for scores in row.scores] == [40, 40]
        assert row.data["params"] == best.params and row.data["judged_by"] == "gates"
        assert row.data["weights_sha256"] == told.weights_sha256
    assert kinds(engine, study_id, "baseline_promoted") == [{"name": "main", "version": 1}]
    assert kinds(engine, study_id, "gates_passed") == [{"answers": {"no-worse:0.05": "pass"}}]


def test_the_weights_of_the_winner_are_kept(engine: Engine, run: Run) -> None:
    study_id = submitted(engine, gated(gates={"rules": [], "baseline": None, "promote": "never"}))
    told = completed(engine, run, Gated(), study_id)
    assert told.gates is None and told.weights_sha256 is not None
    with reading(engine) as session:
        kept = find_weights(session, told.weights_sha256)
    assert kept is not None and hashlib.sha256(kept.content).hexdigest() == told.weights_sha256
    assert told.versions["code"] and told.device == "CPU"


def test_a_candidate_that_was_compared_with_an_older_version_is_not_promoted(
    promoted: Engine, run: Run
) -> None:
    study_id = submitted(promoted, gated(), 2)
    with transaction(promoted) as session:
        roll_back(session, "main", 1, now=datetime.now(UTC))
    told = completed(promoted, run, Gated(), study_id)
    assert told.gates is not None and told.gates.passed and told.gates.promoted is None
    assert told.gates.not_promoted == (
        "main is at version 2 by now, and the candidate was compared with version 1"
    )


def test_a_model_file_that_is_gone_or_damaged_is_no_reason_to_fail(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    study_id = submitted(engine, gated())
    files = tmp_path / "checkpoints" / study_id
    executor = Gated()

    def spoil(slot: str, order: SegmentOrder) -> Exception | None:
        if order.at_end == "checkpoint":  # the verdict's trainings have left their models
            first, *others = sorted(rows(engine, study_id), key=lambda t: t["trial_number"])
            kept = [t["checkpoint"] for t in [first, *others] if t["role"] == "verdict"]
            (files.parent / kept[0]).unlink(missing_ok=True)
            for name in kept[1:]:
                if (files.parent / name).exists():
                    (files.parent / name).write_text("damaged")
        return None

    executor._script = spoil
    told = completed(engine, run, executor, study_id)
    assert told.weights_sha256 is None and told.gates is not None and told.gates.passed


def test_nothing_is_promoted_that_did_not_train(engine: Engine, run: Run) -> None:
    executor = Gated()

    def fails(slot: str, order: SegmentOrder) -> Exception | None:
        lost = SegmentFailed("no room", kind="OutOfMemory", invalid=True)
        return lost if order.at_end == "checkpoint" else None

    executor._script = fails
    told = completed(engine, run, executor, submitted(engine, gated(gates={"undecided": "pass"})))
    gates = told.gates
    assert gates is not None and gates.passed and gates.promoted is None
    assert gates.not_promoted == "2 of its 2 fresh trainings did not reach their end"
    assert gates.candidate.score is None
