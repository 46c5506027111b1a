"""A notification as people read it: the sentence of its event, and the verdict where there is one.

The words are those of the page, the command line and reports.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import ValidationError

from service.db.tables import Study
from service.events import sentence
from service.plugins.stored import spec_of
from service.wire.views.notifications import TEST, Notification
from service.wire.views.result import StudyResult
from service.wire.words import numbers
from service.wire.words.gates import gate_sentences
from service.wire.words.judgement import judgement_sentences


class Message(NamedTuple):
    """Sentences without any markup, the most important first, and where there is more."""

    sentences: tuple[str, ...]
    url: str | None = None


def message_of(told: Notification, study: Study | None, server_url: str | None) -> Message:
    """The message about a notification.

    Args:
        told: What happened.
        study: Its row, from which the verdict is read; None for a test, or where it is gone.
        server_url: By which readers reach the server; without it there is no link.
    """
    if told.event == TEST:
        return Message(("metaopt: this is a test of the webhook, and it has arrived.",), server_url)
    url = f"{server_url}/#/studies/{told.study_id}" if server_url else None
    return Message((f"{told.name}: {_event(told, study)}.", *_judged(told, study)), url)


def _event(told: Notification, study: Study | None) -> str:
    metric = str((study.result or {}).get("metric", "")) if study else ""
    said = sentence(told.event, told.data, lambda score: numbers.score(score, metric))
    return said or told.event.replace("_", " ")


def _judged(told: Notification, study: Study | None) -> Iterator[str]:
    """What the verdict says of the event; nothing where no verdict can be read any more."""
    if study is None or study.result is None:
        return
    try:
        spec = spec_of(study)
        result = StudyResult.model_validate(study.result)
    except ValidationError:  # as of a kind that is registered no more
        return
    if told.event == "study_completed" and result.finalists:
        yield from judgement_sentences(spec, result)
    if told.event in ("study_completed", "gate_failed") and result.gates is not None:
        yield from gate_sentences(result.gates)
