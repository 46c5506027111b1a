"""How trials are ranked before one asks which parameters mattered."""

from service.report import importances
from service.report.importances import branch_importances, ranked_points
from service.wire.spec.study import StudySpec
from service.wire.views.studies import TrialStatus, TrialView
from tests.fakes.rows import NOON
from tests.fakes.specs import SPEC


def trial(number: int, status: TrialStatus, at: int, score: float | None) -> TrialView:
    return TrialView(
        trial_number=number, role="search", branch="maml", status=status,
        params={"number": number}, seed=0, source_trial_number=None, meta_iteration=at,
        score=score, score_stderr=None, diverged_at=None, cause=None, attempts=1,
        device_seconds=0.0, created_at=NOON, started_at=NOON, finished_at=None,
    )  # fmt: skip


def test_ended_trials_have_the_places_of_their_standing_and_who_diverged_the_last() -> None:
    trials = [
        trial(0, "pruned", 10, 0.1),
        trial(1, "completed", 90, 0.5),
        trial(2, "diverged", 60, 0.01),
        trial(3, "completed", 90, 0.4),
        trial(4, "running", 60, 0.1),
        trial(5, "diverged", 5, None),
        trial(6, "failed", 90, 0.1),
    ]
    points = ranked_points(trials, [3, 1, 4, 0, 6, 2])
    assert [point.value for point in points] == [2.0, 1.0, 3.0, 0.0, 3.0]


def test_importances_of_the_same_trials_are_computed_once() -> None:
    spec = StudySpec.model_validate(SPEC)
    values = [{"inner_lr": 0.006 + i / 1000, "inner_steps": 1 + i % 3, "order": "second"}
              for i in range(20)]  # fmt: skip
    trials = [
        trial(i, "completed", 90, i / 10).model_copy(update={"params": params})
        for i, params in enumerate(values)
    ]
    importances._cached_shares.cache_clear()
    first = branch_importances(spec, trials, range(20))
    assert branch_importances(spec, trials, range(20)) == first and first[0].parameters
    kept = importances._cached_shares.cache_info()
    assert (kept.hits, kept.misses) == (1, 1)
    another = trials[0].model_copy(update={"trial_number": 20})
    branch_importances(spec, [*trials, another], range(21))
    assert importances._cached_shares.cache_info().misses == 2
