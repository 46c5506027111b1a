"""A segment whose lanes keep their best: selected on its own tasks, judged on others, stopped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.selection import Selection
from metaopt.population.population import Population
from metaopt.population.signature import Signature
from service.executors.base import Admit, LaneReport, SegmentOrder
from service.executors.progress import Progress
from service.executors.segment import Segments
from service.planning.signatures import task_bank, trial_signature
from tests.fakes.specs import small_spec

RUNGS = {20: 6, 40: 20, 60: 20}
SPACE = {"inner_lr": 0.02, "outer_lr": 0.2, "meta_batch": 4}
SPEC = small_spec(branches=[{"algorithm": "maml", "space": SPACE}])
PARAMS = SPEC.branches[0].defaults()
SIGNATURE = trial_signature(SPEC, SPEC.branches[0], PARAMS)
VALIDATION = task_bank(SPEC, "validation", SIGNATURE.test_cap)
SEALED = task_bank(SPEC, "sealed", SIGNATURE.test_cap)
ADMIT = Admit("a", PARAMS, seed=1, horizon=60)


def order(directory: Path, iterations: int, **changes: Any) -> SegmentOrder:
    fields: dict[str, Any] = {
        "signature": SIGNATURE.to_json(),
        "study_id": "s",
        "evict": [],
        "admit": [],
        "iterations": iterations,
        "evaluate": [],
        "bank": SEALED.to_json(),
        "checkpoint_directory": str(directory),
        "selection": Selection(VALIDATION, RUNGS).to_json(),
        **changes,
    }
    return SegmentOrder(**fields)


def lane(segments: Segments, asked: SegmentOrder) -> LaneReport:
    (one,) = segments.run(SegmentOrder.from_json(asked.to_json())).lanes
    return one


def by_hand() -> dict[int, tuple[list[float], list[float]]]:
    """Scores by rung on both banks of the model that was trained so far."""
    made, scores = Population(Signature.from_json(SIGNATURE.to_json())), {}
    made.admit("a", PARAMS, seed=1, horizon=60)
    for rung in RUNGS:
        made.advance(20)
        on = [made.evaluate(["a"], bank)["a"].scores for bank in (VALIDATION, SEALED)]
        scores[rung] = (on[0], on[1])
    return scores


@pytest.fixture(scope="module")
def models() -> dict[int, tuple[list[float], list[float]]]:
    return by_hand()


def best_at(models: dict[int, tuple[list[float], list[float]]], rung: int) -> int:
    """The rule, said again: each time on the tasks of the rung that is reached."""
    best = 20
    for reached, tasks in RUNGS.items():
        if reached <= rung:
            mean = {age: sum(models[age][0][:tasks]) for age in (best, reached)}
            best = min(sorted(mean), key=mean.__getitem__)
    return best


def test_a_fresh_training_is_judged_with_what_meta_validation_chose(
    tmp_path: Path, models: dict[int, tuple[list[float], list[float]]]
) -> None:
    segments = Segments("cpu")
    for number, rung in enumerate(RUNGS):
        admit = [ADMIT] if number == 0 else []
        ended = {"evaluate": ["a"], "at_end": "model"} if rung == 60 else {}
        told = lane(segments, order(tmp_path, 20, admit=admit, **ended))
    kept = best_at(models, 60)
    assert kept < 60, "the curve was to turn"
    assert told.kept_at == kept and told.scores == pytest.approx(models[kept][1], rel=1e-6)
    assert told.latest_score == pytest.approx(sum(models[60][0]) / 20, rel=1e-6)


def test_a_trial_of_the_search_is_scored_at_each_rung_with_its_best_so_far(
    tmp_path: Path, models: dict[int, tuple[list[float], list[float]]]
) -> None:
    segments = Segments("cpu")
    for rung, tasks in RUNGS.items():
        admit = [ADMIT] if rung == 20 else []
        fewer = {"a": tasks} if tasks < 20 else {}
        asked = order(
            tmp_path, 20, admit=admit, bank=VALIDATION.to_json(), evaluate=["a"], fewer_tasks=fewer
        )
        told, kept = lane(segments, asked), best_at(models, rung)
        assert told.kept_at == kept
        assert told.scores == pytest.approx(models[kept][0][:tasks], rel=1e-6)


def test_a_segment_that_is_stopped_before_it_selects_changes_nothing(tmp_path: Path) -> None:
    def run(stops: bool) -> LaneReport:
        progress = Progress()
        segments, doing, done = Segments("cpu", progress=progress), progress.doing, []

        def watched(what: str, **more: Any) -> None:
            """Stop it, as a dispatcher that drains does, just as training has ended."""
            if stops and what == "evaluating" and "training" in done:
                progress.stop(1)
            done.append(what)
            doing(what, **more)

        progress.begin(0)
        lane(segments, order(tmp_path, 20, admit=[ADMIT]))
        progress.begin(1)
        done.clear()
        progress.doing = watched  # type: ignore[method-assign]
        told = lane(segments, order(tmp_path, 20))
        assert told.meta_iteration == 40 and progress.stopped == stops
        # Another worker takes it up, from its checkpoint.
        admit = replace(ADMIT, checkpoint=told.checkpoint, digest=told.digest)
        return lane(Segments("cpu"), order(tmp_path, 20, admit=[admit], evaluate=["a"]))

    plain, stopped = run(stops=False), run(stops=True)
    assert plain.scores is not None and plain.kept_at is not None
    assert (stopped.scores, stopped.kept_at) == (plain.scores, plain.kept_at)
    assert stopped.latest_score == plain.latest_score


def test_without_a_selection_the_last_model_counts(
    tmp_path: Path, models: dict[int, tuple[list[float], list[float]]]
) -> None:
    asked = order(tmp_path, 60, admit=[ADMIT], evaluate=["a"], selection=None)
    told = lane(Segments("cpu"), asked)
    assert (told.kept_at, told.latest_score) == (None, None)
    assert told.scores == pytest.approx(models[60][1], rel=1e-6)
    assert BankSpec.from_json(asked.bank).split == "test"
