"""A study's timeline from the rows of its segments."""

from datetime import timedelta

import plotly.graph_objects as go
import pytest

from service.cli.pages.timeline import timeline_lines
from service.db.segments import SegmentTimes
from service.report.figures.timeline import timeline_figures
from service.report.pages.markdown import markdown_page
from service.report.timeline import MOST_GROUPS, timeline
from service.wire.views.report import StudyReport
from service.wire.views.timeline import Timeline
from tests.fakes.rows import NOON


def segment(begin: float, end: float, seconds: float, **changes: object) -> SegmentTimes:
    """One that was ordered and reported so many seconds after noon."""
    times = {
        "started_at": NOON + timedelta(seconds=begin),
        "ended_at": NOON + timedelta(seconds=end),
    }
    whole = SegmentTimes("cpu:0", "search", "maml", "eager", NOON, NOON, seconds, 0.0, 0.0, None)
    return whole._replace(**times)._replace(**changes)


def of(*segments: SegmentTimes, end: float = 20.0) -> Timeline:
    return timeline(
        segments,
        submitted_at=NOON,
        started_at=NOON + timedelta(seconds=1),
        ended_at=NOON + timedelta(seconds=end),
    )


SEGMENTS = [
    segment(1, 6, 2.0, program="compiling"),
    segment(6, 10, 4.0, train_seconds=3.0, evaluate_seconds=0.5, sample_share=0.2),
    segment(10.5, 15, 4.0, role="verdict", program="compiled", train_seconds=4.0),
    segment(1, 20, 18.0, slot="cpu:1", train_seconds=18.0),
]


def test_every_second_of_a_slot_has_an_activity() -> None:
    found = of(*SEGMENTS)
    assert (found.queued_seconds, found.verdict_seconds, found.wall_seconds) == (1.0, 10.5, 20.0)
    first, second = found.slots
    assert first.seconds == pytest.approx(
        {
            "start": 3.0, "compiling": 2.0, "sampling": 0.6, "eager": 2.4, "compiled": 4.0,
            "evaluation": 0.5, "other": 0.5, "between": 1.0,
        }
    )  # fmt: skip
    assert second.seconds == pytest.approx({"start": 1.0, "eager": 18.0})
    for slot in found.slots:
        edges = [edge for span in slot.spans for edge in (span.begin, span.end)]
        assert edges == sorted(edges) and edges[0] == 1.0
    assert {span.role for span in first.spans if span.begin >= 10} == {"verdict"}


def test_clocks_that_disagree_leave_no_part_of_negative_length() -> None:
    found = of(segment(1, 3, 5.0, train_seconds=5.0), segment(3, 2.9, 1.0, train_seconds=1.0))
    assert all(span.end > span.begin for span in found.slots[0].spans)
    assert max(span.end for span in found.slots[0].spans) <= 3.0


def test_a_long_study_has_no_more_spans_than_a_figure_needs() -> None:
    many = [segment(1 + i, 2 + i, 0.75, train_seconds=0.5) for i in range(5 * MOST_GROUPS)]
    (slot,) = of(*many, end=1 + len(many)).slots
    assert len(slot.spans) <= 4 * (MOST_GROUPS + 1)
    assert slot.seconds["start"] == pytest.approx(0.25)
    assert slot.seconds["eager"] == pytest.approx(0.5 * len(many))
    assert sum(slot.seconds.values()) == pytest.approx(len(many))


def test_branches_that_take_turns_have_no_more_spans_than_a_figure_needs() -> None:
    kinds = [
        {"branch": "maml", "train_seconds": 0.5},
        {"branch": "reptile", "program": "compiling"},
        {"branch": "reptile", "program": "compiled", "train_seconds": 0.25, "sample_share": 0.5},
    ]
    turns = 20 * MOST_GROUPS
    many = [segment(1 + i, 2 + i, 0.75, **kinds[i % 3]) for i in range(3 * turns)]
    whole = segment(1 + 3 * turns, 1 + 6 * turns, 2.5 * turns, role="verdict", branch="reptile")
    (slot,) = of(*many, whole, end=1 + 6 * turns).slots
    assert len(slot.spans) <= 7 * (MOST_GROUPS + 2)
    assert slot.seconds == pytest.approx(
        {
            "start": 0.25, "compiling": 0.75 * turns, "sampling": 0.125 * turns,
            "eager": 0.5 * turns, "compiled": 0.125 * turns,
            "other": (0.25 + 0.5 + 2.5) * turns, "between": 1.25 * turns - 0.25,
        }
    )  # fmt: skip
    edges = [edge for span in slot.spans for edge in (span.begin, span.end)]
    assert edges == sorted(edges) and edges[0] == 1.0 and edges[-1] == 1 + 6 * turns
    assert {span.role for span in slot.spans if span.begin >= 1 + 3 * turns} == {"verdict"}


def test_a_study_that_waits_has_no_slots() -> None:
    found = timeline([], submitted_at=NOON, started_at=None, ended_at=NOON + timedelta(seconds=9))
    assert (found.queued_seconds, found.slots, found.verdict_seconds) == (9.0, [], None)
    assert "queued 9.0 s" in next(timeline_lines(found))


def test_the_command_line_has_a_strip_and_the_seconds_of_each_slot() -> None:
    lines = list(timeline_lines(of(*SEGMENTS)))
    first = next(line for line in lines if line.startswith("cpu:0"))
    strip = first.removeprefix("cpu:0  ")
    assert strip.startswith("   ss") and strip.index("c") < strip.index("e") < strip.index("=")
    below = lines[lines.index(first) + 1].removeprefix("       ")
    assert set(below) == {" ", "V"} and abs(below.index("V") - strip.index("=")) <= 1
    assert next(line for line in lines if line.startswith("seconds")).split()[1:] == [
        "start", "compiling", "sampling", "eager", "compiled", "evaluation", "other", "between",
    ]  # fmt: skip


def test_the_markdown_page_has_the_seconds_of_each_slot(completed: StudyReport) -> None:
    assert "## Timeline" not in markdown_page(completed)
    page = markdown_page(completed.model_copy(update={"timeline": of(*SEGMENTS)}))
    assert "| slot | start | compiling | sampling | eager | compiled |" in page
    assert "| cpu:0 | 3.0 s | 2.0 s | 0.6 s | 2.4 s | 4.0 s |" in page


def test_the_figure_has_a_bar_for_each_slot_and_a_line_at_the_verdict(
    completed: StudyReport,
) -> None:
    assert timeline_figures(completed) == []
    report = completed.model_copy(update={"timeline": of(*SEGMENTS)})
    (figure,) = timeline_figures(report)
    assert len(go.Figure({"data": figure.data, "layout": figure.layout}).data) == 8
    eager = next(trace for trace in figure.data if trace["name"] == "eager")
    assert eager["y"] == ["cpu:0", "cpu:1"] and eager["x"][1] == pytest.approx(18.0)
    assert [shape["x0"] for shape in figure.layout["shapes"]] == [10.5]
