"""Names are refused in words: which character, where, and what may stand there."""

from typing import Any

import pytest

from service.errors import InvalidRequest, InvalidSpec
from service.wire.names import BASELINE_NAME, KEY_NAME, SCHEDULE_NAME, STUDY_NAME, WEBHOOK_NAME
from service.wire.spec.gates import parse_label
from service.wire.spec.refusals import parse_spec
from service.wire.spec.study import StudySpec
from service.wire.views.schedules import parse_schedule
from tests.fakes.specs import LEAST

RULES = [STUDY_NAME, SCHEDULE_NAME, BASELINE_NAME, WEBHOOK_NAME, KEY_NAME]
NOT_SHOWN = ["a\u202eb", "a\u2066b", "a\nb", "a\x1b[31mb", "a\u200bb", "\ufeffab", "a\u2028b"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
@pytest.mark.parametrize("name", ["", "  ", "\u3000\t", " a", "a ", "a" * 201, *NOT_SHOWN])
def test_what_no_name_may_be(rule: Any, name: str) -> None:
    with pytest.raises(ValueError) as refused:
        rule.check(name)
    assert str(refused.value).isprintable() and "[" not in str(refused.value).replace("u001b[", "")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.example)
def test_the_example_of_a_rule_is_a_name(rule: Any) -> None:
    assert rule.check(rule.example) == rule.example


@pytest.mark.parametrize(
    ("rule", "name", "words"),
    [
        (SCHEDULE_NAME, "my nightly", "may not have a space, character 3 of 'my nightly': take"),
        (SCHEDULE_NAME, "-a", "may not begin with '-': take letters A-Z and a-z, digits"),
        (SCHEDULE_NAME, "Größe", r"may not have U\+00F6 \(LATIN SMALL LETTER O WITH DIAERESIS\)"),
        (WEBHOOK_NAME, "Ci", "may not have 'C', character 1 of 'Ci': take a-z, digits, _ and -"),
        (KEY_NAME, "a:b", "may not have ':', character 2 of 'a:b': take letters, digits, spaces"),
        (STUDY_NAME, "a\u202eb", r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\), character 2 of 'a\\u202eb'"),
        (BASELINE_NAME, "a" * 65, "must have at most 64 characters, got 65"),
    ],
)
def test_a_refusal_names_the_character_its_place_and_the_way_out(
    rule: Any, name: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        rule.check(name)


def test_the_same_letters_are_the_same_name() -> None:
    assert parse_spec({**LEAST, "name": "e\u0301tude"}).name == "\u00e9tude"
    assert parse_spec({**LEAST, "name": "学習率 👩🏽‍🔬"}).name == "学習率 👩🏽‍🔬"


@pytest.mark.parametrize("name", ["  ", " a", "a\u202eb"])
def test_a_stored_study_keeps_the_name_it_was_accepted_with(name: str) -> None:
    with pytest.raises(InvalidSpec, match="name: m"):
        parse_spec({**LEAST, "name": name})
    assert parse_spec({**LEAST, "name": name}, stored=True).name == name
    assert StudySpec.model_validate({**LEAST, "name": name}).name == name


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"name": "my nightly"}, "name", "may not have a space"),
        ({"cron": "0 0 * * \u202e*"}, "cron", "must have five fields"),
        ({"time_zone": "Europe/ Berlin"}, "time_zone", "must be a name of the IANA time zones"),
        ({"time_zone": "../../etc/passwd"}, "time_zone", "must be a name of the IANA time zones"),
        ({"crn": "0 0 * * *"}, "crn", "is not a known field, did you mean cron? it has name, cron"),
        ({"spec": {**LEAST, "name": " "}}, "spec.name", "must not be of spaces only"),
    ],
)
def test_a_schedule_is_refused_in_words(change: dict[str, Any], field: str, words: str) -> None:
    good = {"name": "nightly", "cron": "0 0 * * *", "spec": LEAST}
    with pytest.raises(InvalidRequest) as refused:
        parse_schedule({**good, **change})
    messages = dict(refused.value.errors)
    assert words in messages[field] and "pattern" not in str(messages)


@pytest.mark.parametrize("label", ["a b", "@1", "main@", "main@0", "main@x", "main@1@2"])
def test_what_is_no_label_of_a_baseline_is_refused_in_words(label: str) -> None:
    with pytest.raises(ValueError, match="may not|must") as refused:
        parse_label(label)
    assert "[" not in str(refused.value)
