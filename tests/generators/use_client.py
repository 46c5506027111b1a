"""What somebody writes with a client that openapi-python-client made: submit, wait, read.

    use_client.py URL

It knows nothing of metaopt but the generated package; mypy checks each field that it reads.
"""

import sys
from typing import TypeVar

from httpx import Timeout
from metaopt_client import Client
from metaopt_client.api.report import get_report
from metaopt_client.api.studies import (
    change_study,
    get_result,
    get_study,
    pause_study,
    resume_study,
    submit_study,
)
from metaopt_client.models import (
    Branch,
    BranchAlgorithm,
    BranchSpace,
    Budget,
    BudgetChange,
    ChoiceList,
    MlpModel,
    Problem,
    Range,
    SinusoidTasks,
    StudyChange,
    StudySpec,
    Verdict,
)

T = TypeVar("T")


def answer(parsed: T | Problem | None) -> T:
    """The answer itself; a problem ends the program in its words."""
    if isinstance(parsed, Problem):
        sys.exit(f"{parsed.status} {parsed.code}: {parsed.detail}")
    if parsed is None:
        sys.exit("the answer is none that the document names")
    return parsed


def spec() -> StudySpec:
    """A small study."""
    space = BranchSpace()
    space["inner_lr"] = Range(low=0.01, high=0.5, log=True)
    space["inner_steps"] = ChoiceList(choices=[1, 2])
    return StudySpec(
        name="by a generated client",
        tasks=SinusoidTasks(kind="sinusoid", amplitude=[0.5, 2.0]),
        model=MlpModel(kind="mlp", widths=[8]),
        branches=[Branch(algorithm=BranchAlgorithm.REPTILE, space=space)],
        budget=Budget(trials=3, meta_iterations=40),
        verdict=Verdict(finalists=2, seeds=2, tasks=20),
    )


def main(url: str) -> None:
    """Submit a study, let it have one trial less, and print what came of it."""
    with Client(base_url=url, timeout=Timeout(60)) as client:
        refused = get_study.sync(study_id="nowhere", client=client)
        assert isinstance(refused, Problem)
        print(f"refused: {refused.code}")
        study = answer(submit_study.sync(client=client, body=spec()))
        study = answer(pause_study.sync(study.study_id, client=client))  # so that it stands still
        change = StudyChange(budget=BudgetChange(target_score=0.0))
        study = answer(
            change_study.sync(
                study.study_id, client=client, body=change, if_match=f'"{study.version}"'
            )
        )
        answer(resume_study.sync(study.study_id, client=client))
        while study.status not in ("completed", "failed", "cancelled"):
            study = answer(get_study.sync(study.study_id, client=client, wait=30.0))
        result = answer(get_result.sync(study.study_id, client=client))
        best = result.finalists[0]
        assert best.sealed is not None
        print(f"best: {best.branch} {best.params['inner_lr']}, sealed {best.sealed.score:.3f}")
        report = answer(get_report.sync(study.study_id, client=client))
        assert report.cost and result.comparison
        print(f"compared with {result.comparison.compared_with}")
        print(f"device seconds: {report.cost.device_seconds:.1f}")


if __name__ == "__main__":
    main(sys.argv[1])
