"""Metrics: numbers computed from SQL at each scrape, in Prometheus' text format."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from service.db import deliveries
from service.db.dispatcher import sign_of_life, slots_told
from service.db.schema import revisions
from service.db.states import DeliveryStatus, RunStatus, StudyStatus, TrialStatus
from service.db.studies import count_by_status, first_queued
from service.db.tables import Delivery, ScheduleRun, Study, Trial
from service.versions import versions
from service.wire.views.slots import SlotsView


def render_metrics(session: Session, now: datetime, *beside: Collector) -> bytes:
    """The metrics of this moment.

    Args:
        beside: What the process that is asked has counted itself.
    """
    registry = CollectorRegistry(auto_describe=False)
    for collector in (_Snapshot(session, now), *beside):
        registry.register(collector)
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(self, session: Session, now: datetime) -> None:
        self._session, self._now = session, now

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        by_status = count_by_status(self._session, Study)
        yield _labelled("metaopt_studies", "Studies by status.", by_status, StudyStatus)
        trials = count_by_status(self._session, Trial)
        yield _labelled("metaopt_trials", "Trials by status.", trials, TrialStatus)
        yield GaugeMetricFamily(
            "metaopt_queue_depth",
            "Studies that wait for the dispatcher.",
            value=by_status.get(StudyStatus.QUEUED, 0),
        )
        waiting = first_queued(self._session, limit=1)
        yield GaugeMetricFamily(
            "metaopt_queue_wait_seconds",
            "How long ago the study was submitted that is queued for the longest time.",
            value=max(0.0, (self._now - waiting[0].created_at).total_seconds()) if waiting else 0.0,
        )
        build = GaugeMetricFamily(
            "metaopt_build_info",
            "Which version answers, and of which tables; always 1.",
            labels=["version", "code", "python", "revision"],
        )
        told = versions()
        build.add_metric([told["metaopt"], told["code"][:12], told["python"], revisions.head()], 1)
        yield build
        live = sign_of_life(self._session).is_live
        yield GaugeMetricFamily(
            "metaopt_dispatcher_live", "Whether a dispatcher is live.", value=int(live)
        )
        yield _slots(slots_told(self._session) if live else None)
        runs = count_by_status(self._session, ScheduleRun)
        yield _labelled("metaopt_schedule_runs", "Runs of schedules by status.", runs, RunStatus)
        delivery_counts = count_by_status(self._session, Delivery)
        yield _labelled(
            "metaopt_deliveries",
            "Deliveries to webhooks by status.",
            delivery_counts,
            DeliveryStatus,
        )
        since = deliveries.oldest_pending(self._session)
        yield GaugeMetricFamily(
            "metaopt_oldest_pending_delivery_seconds",
            "How long the oldest delivery waits that has not arrived.",
            value=0.0 if since is None else max(0.0, (self._now - since).total_seconds()),
        )

    def describe(self) -> Iterator[Metric]:
        """Name nothing in advance: registering must not ask the database."""
        return iter(())


def _slots(told: dict[str, Any] | None) -> GaugeMetricFamily:
    view = SlotsView.model_validate(told or {"slots": []})
    working = len(view.working())
    family = GaugeMetricFamily(
        "metaopt_slots",
        "Slots that work; devices and slots that do not.",
        labels=["state"],
    )
    family.add_metric(["working"], working)
    family.add_metric(["broken"], len(view.broken) + len(view.slots) - working)
    return family


def _labelled(
    name: str, text: str, counts: dict[str, int], statuses: type[StrEnum]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=["status"])
    for status in statuses:
        family.add_metric([status], counts.get(status, 0))
    return family
