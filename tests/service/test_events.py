"""Kinds of events: sentences, data, and one that is added."""

import pytest

from metaopt.errors import MetaoptError
from service.events import EVENTS, notifying, sentence
from service.wire.views.notifications import Notification
from tests.fakes.rows import NOON
from tests.fakes.toy_cost import DEVICE_HOT


def words(score: float | None) -> str:
    return f"{score} points"


def test_every_kind_has_a_sentence_or_none_whatever_an_older_server_left_out() -> None:
    silent = [kind.name for kind in EVENTS if sentence(kind.name, {}, words) is None]
    assert silent == ["trial_started"]


def test_scores_are_in_the_words_of_the_study() -> None:
    data = {"branch": "maml", "trial_number": 3, "score": 0.5, "meta_iteration": 60}
    said = sentence("trial_reported", data, words)
    assert said == "maml trial 3: 0.5 points after 60 meta-iterations"


def test_names_fit_their_column() -> None:
    assert max(len(kind.name) for kind in EVENTS) <= 32


def test_data_of_a_kind_have_its_names_and_types() -> None:
    kind = EVENTS.get("trial_finished")
    kind.check({"trial_number": 1, "status": "completed", "cause": None})
    with pytest.raises(MetaoptError, match="event trial_finished says .*, got 'score'"):
        kind.check({"score": 1.0})
    with pytest.raises(MetaoptError, match="trial_number of event trial_finished must be int"):
        kind.check({"trial_number": "1"})


def test_an_event_of_somebody_else_is_told_wherever_ours_are() -> None:
    with EVENTS.including(DEVICE_HOT):
        assert sentence("device_hot", {"slot": "cuda:0", "celsius": 91.0}, words) == (
            "cuda:0 has 91.0 °C"
        )
        assert notifying()[-1] == "device_hot"
        body = {"event": "device_hot", "study_id": None, "name": None, "status": None}
        assert Notification(**body, created_at=NOON).event == "device_hot"
    assert sentence("device_hot", {}, words) == "device hot"
