"""The notifier: takes in events that a webhook wants, and delivers what is due.

    mo_events ──take in──▶ mo_deliveries (pending) ──send──▶ receiver
                                 ▲                               │
                                 └────────────record─────────────┘

What is to be delivered is a row before it is sent, so a restart loses nothing; the row's constraint
keeps two notifiers from making two.  What was sent and not recorded is sent again: a delivery
arrives at least once, always under the same `delivery_id`.  No transaction is open while
something is sent.
"""

import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from service.db import deliveries
from service.db.dispatcher import hold_off
from service.db.engine import reading, transaction
from service.db.states import DeliveryStatus
from service.db.studies import find_study
from service.db.tables import Delivery, Notified
from service.notifications.config import Webhook
from service.notifications.formats import FORMATS
from service.notifications.message import message_of
from service.notifications.retries import LONGEST_PAUSE, Outcome, Step, step_after
from service.wire.views.notifications import Notification, WebhookBody, notification

MOST_TOGETHER = 100  # events in a transaction
MOST_IN_A_ROW = 20  # deliveries before events are looked at again
FAR_BEHIND = 500  # events; a place that is less far behind is not worth a write

Send = Callable[[Webhook, str, bytes, datetime], Outcome]

log = structlog.get_logger("webhooks")


def new_delivery(
    webhook: str,
    content: Notification,
    delivery_id: str,
    now: datetime,
    *,
    event_id: int | None = None,
) -> Delivery:
    """A row that tells the webhook this, as soon as it can."""
    body = WebhookBody(**content.model_dump(), delivery_id=delivery_id)
    return Delivery(
        delivery_id=delivery_id,
        webhook=webhook,
        event=content.event,
        event_id=event_id,
        study_id=content.study_id,
        body=body.model_dump_json(),
        status=DeliveryStatus.PENDING,
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def new_delivery_id() -> str:
    """A fresh id, unlike that of any delivery anywhere."""
    return uuid.uuid4().hex


@dataclass
class Notifier:
    """Tells one webhook of the events that it wants.

    Args:
        engine: The database.
        webhook: Whom to tell.
        epoch: Of the dispatcher beside which this runs.
        send: Makes one attempt.
        now: The time, UTC-aware.
        new_id: Makes ids of deliveries.
        stop: When set, a step ends after the attempt under way.
    """

    engine: Engine
    webhook: Webhook
    epoch: int
    send: Send
    now: Callable[[], datetime] = utc_now
    new_id: Callable[[], str] = new_delivery_id
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def name(self) -> str:
        """The webhook's name."""
        return self.webhook.name

    def step(self) -> None:
        """Take in new events, and send what is due.

        Raises:
            EpochLost: Another dispatcher is live, and so are its notifiers.
        """
        while self._has_news():
            with transaction(self.engine) as session:
                hold_off(session, self.epoch)
                self._take_in(session)
        for delivery in self._due():
            if self.stop.is_set():
                return
            self._deliver(delivery)

    def _has_news(self) -> bool:
        with reading(self.engine) as session:
            place = deliveries.find_place(session, self.name)
            if place is None:
                return True
            newest = deliveries.newest_event(session)
            news = self._news(session, place, newest, limit=1)
            return bool(news) or newest - place.last_event_id >= FAR_BEHIND

    def _take_in(self, session: Session) -> None:
        newest = deliveries.newest_event(session)
        place = deliveries.find_place(session, self.name)
        if place is None:  # only what happens from now on: nobody wants the past at once
            deliveries.add_place(session, self.name, newest)
            return
        news = self._news(session, place, newest, limit=MOST_TOGETHER)
        for event in news:
            content, now = notification(event, event), self.now()
            row = new_delivery(self.name, content, self.new_id(), now, event_id=event.event_id)
            row.project = self.webhook.project
            deliveries.add(session, row)
        reached = news[-1].event_id if len(news) == MOST_TOGETHER else newest
        place.last_event_id = max(place.last_event_id, reached)

    def _news(
        self, session: Session, place: Notified, newest: int, *, limit: int
    ) -> list[deliveries.NewEvent]:
        return deliveries.new_events(
            session,
            place,
            self.webhook.events,
            project=self.webhook.project,
            newest=newest,
            limit=limit,
        )

    def _due(self) -> Sequence[Delivery]:
        with reading(self.engine) as session:
            now = self.now()
            pending = deliveries.due(
                session, self.name, now, latest=now + LONGEST_PAUSE, limit=MOST_IN_A_ROW
            )
            session.expunge_all()
            return pending

    def _deliver(self, delivery: Delivery) -> None:
        body = self._body(delivery)
        outcome = self.send(self.webhook, delivery.delivery_id, body, self.now())
        now = self.now()
        step = step_after(outcome, delivery.delivery_id, delivery.attempts + 1, now)
        with transaction(self.engine) as session:
            hold_off(session, self.epoch)
            deliveries.record(
                session,
                delivery,
                status=step.status,
                next_attempt_at=step.next_attempt_at,
                last_status_code=outcome.status_code,
                last_error=step.error,
                delivered_at=now if step.status == DeliveryStatus.DELIVERED else None,
            )
        self._log(delivery, outcome, step)

    def _body(self, delivery: Delivery) -> bytes:
        chosen = FORMATS[self.webhook.format]
        if chosen is None:
            return delivery.body.encode()
        told = WebhookBody.model_validate_json(delivery.body)
        with reading(self.engine) as session:
            study = find_study(session, told.study_id) if told.study_id else None
            return chosen.body(message_of(told, study, self.webhook.server_url))

    def _log(self, delivery: Delivery, outcome: Outcome, step: Step) -> None:
        log.info(
            "webhook_attempted",
            webhook=self.name,
            delivery_id=delivery.delivery_id,
            study_id=delivery.study_id,
            epoch=self.epoch,
            attempts=delivery.attempts + 1,
            status=step.status,
            status_code=outcome.status_code,
            error=step.error,
        )
