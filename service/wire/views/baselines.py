"""Baselines: named, versioned results that later studies are compared with; never changed."""

from typing import Annotated, Literal

from pydantic import Field

from metaopt.metaparams import Value
from service.wire.base import BranchAlgorithm, Instant, Wire
from service.wire.spec.model import Model
from service.wire.spec.tasks import Tasks
from service.wire.views.gate_report import BaselineName
from service.wire.views.judged import Estimate
from service.wire.views.studies import View


class Promotion(Wire):
    """Which study's winner to make the next version of a baseline; its id, or its name."""

    study_id: Annotated[str, Field(min_length=1, max_length=200)]


class Rollback(Wire):
    """Which version to repeat as the next one; null is the one before the present."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class BaselineView(View):
    """One version of a baseline: a configuration, how it was judged, and where it comes from.

    `score` is its mean over `tasks` tasks of the bank named `bank` and over fresh trainings, of
    which `scores` (one list of scores by task for each) are given only where one version is asked
    for.  `selected_at` has the meta-iterations among whose models its study kept the best; it is
    empty where the last counts.  `judged_by` says which bank that is: that of the gates, or the
    sealed tasks of the verdict.  `branch` is that of its study, `algorithm` and `model` are what it
    trains.  `versions` and `device` are those it was judged with; `weights_sha256` names the
    weights of one of its fresh trainings.
    """

    name: str
    version: int
    created_at: Instant
    origin: str
    study_id: str
    study_name: str
    trial_number: int
    spec_sha256: str
    branch: str
    algorithm: BranchAlgorithm
    params: dict[str, Value]
    task_distribution: Tasks
    model: Model
    meta_iterations: int
    first_order_until: int | None
    transductive: bool
    metric: str
    maximize: bool
    judged_by: Literal["gates", "verdict"]
    bank: str
    tasks: int
    score: Estimate
    metrics: dict[str, float]
    weights_sha256: str | None
    versions: dict[str, str]
    device: str
    scores: list[list[float]] | None = None
    selected_at: list[int] = []

    def label(self) -> BaselineName:
        """Return its name and version."""
        return BaselineName(name=self.name, version=self.version)


class BaselinePage(View):
    """Versions of baselines, newest first."""

    items: list[BaselineView]
