"""What was hardest for the winner: from its model file to data, page and Markdown."""

import base64
import json
import re
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from safetensors.torch import save
from sqlalchemy import Engine

from metaopt.data.raw.png import png
from metaopt.evaluation.adapted_task import (
    ClassifiedTask,
    Curve,
    PredictedTask,
    ShownExample,
    ShownPoint,
)
from metaopt.evaluation.hard_tasks import HardClass, Hardest, HardTask
from service.db.engine import reading, transaction
from service.db.tables import Study
from service.operations.report import read_hardest, read_rows
from service.report.data import study_report
from service.report.pages.html import html_page
from service.report.pages.markdown import markdown_page
from service.wire.views.report import StudyReport
from tests.fakes.rows import NOON, add_winner
from tests.fakes.seen import EVIL, STUDY, add_seen_study, complete

PICTURE = base64.b64encode(png(torch.zeros(3, 3, dtype=torch.uint8).numpy())).decode()
CLASSES = ["cat", EVIL]
FOUND = Hardest(
    judged=20,
    tasks=[
        HardTask(
            7,
            0.25,
            f"2 classes {EVIL}",
            classified=ClassifiedTask(
                CLASSES,
                [ShownExample(0, PICTURE), ShownExample(1, PICTURE)],
                [
                    ShownExample(0, PICTURE, "", 1, 0.9),
                    ShownExample(1, PICTURE, "", 1, 0.6),
                ],
                hidden=2,
            ),
        ),
        HardTask(3, 0.5, diverged=True),
        HardTask(
            4,
            0.5,
            "a line",
            predicted=PredictedTask(
                [ShownPoint([0.0], [1.0])],
                [ShownPoint([1.0], [2.0], [0.0], [1.5])],
                Curve([0.0, 1.0], [0.0, 0.0], [1.0, 1.5]),
            ),
        ),
    ],
    classes=[HardClass(EVIL, 3, 12, 4, "cat", 5, PICTURE)],
    known=9,
)


def report_of(engine: Engine, texts: dict[str, str] | None) -> StudyReport:
    with transaction(engine) as session:
        if session.get(Study, STUDY) is None:
            complete(session, add_seen_study(session))
        if texts is not None:
            content = save({"w0": torch.zeros(3)}, texts)
            add_winner(session, session.get_one(Study, STUDY), content)
    with reading(engine) as session:
        rows = read_rows(session, STUDY)
        rows = replace(rows, hardest=read_hardest(session, rows.result))
    return study_report(rows, now=NOON)


def test_the_page_shows_what_is_wrong_beside_what_was_learned_from(engine: Engine) -> None:
    report = report_of(engine, {"metaopt_hardest": json.dumps(asdict(FOUND))})
    assert report.hardest is not None and "hardest" not in report.absent
    assert StudyReport.model_validate_json(report.model_dump_json()) == report
    page = re.sub(r"<script>.*?</script>", "", html_page(report), flags=re.DOTALL)
    part = page[page.index('id="hardest"') :]
    assert part.count("✗") == 1 and part.count("✓") == 1
    assert part.count(f'src="data:image/png;base64,{PICTURE}"') == 5
    assert "looked at 20 tasks with 9 classes; these were recognised least often. Below 30" in part
    assert "25.0 %: 3 of 12 right, few" in part and "taken for cat (5)" in part
    assert "adaptation diverged, so" in part and "2 of the query examples not shown" in part
    assert "mean squared error 4 before adaptation, 0.25 after" in part
    assert part.count("<svg") == 1 and f"metaopt task {STUDY[:8]} 7" in part
    assert "<img src=x" not in page and "&lt;img src=x" in part
    assert 'alt="wrong: taken for' in part
    text = markdown_page(report)
    assert "## Hardest for the winner" in text and "| task 3 | " in text
    assert "3 of 12 right, few" in text and "<img" not in text.replace("\\<img", "")


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (None, "no model of a winner is kept"),
        ({"metaopt": "{}"}, "of a version that did not say"),
        ({"metaopt_hardest": '{"failed": "ValueError: no"}'}, "found out (ValueError: no)"),
        ({"metaopt_hardest": '{"judged": 3}'}, "the model file is of another version"),
        ({"metaopt_hardest": "nothing"}, "the model file is of another version"),
    ],
)
def test_a_report_without_it_says_why(engine: Engine, texts: Any, why: str) -> None:
    report = report_of(engine, texts)
    assert report.hardest is None and why in report.absent["hardest"]
    assert why in html_page(report)


def test_before_a_verdict_it_is_waited_for(running: StudyReport) -> None:
    assert running.absent["hardest"] == running.absent["verdict"]
