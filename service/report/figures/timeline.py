"""The timeline: for each slot a bar of what it did, with the verdict's part in a frame."""

from service.report.figures.base import COLOURS, GREY, Figure, Trace, axis, faded, layout
from service.wire.views.report import StudyReport
from service.wire.views.timeline import ACTIVITIES, Activity, SlotTimeline
from service.wire.words import numbers

COLOUR: dict[Activity, str] = {
    "start": "#c2c8d0",
    "compiling": COLOURS[4],
    "sampling": COLOURS[5],
    "eager": COLOURS[1],
    "compiled": COLOURS[0],
    "evaluation": COLOURS[2],
    "other": COLOURS[3],
    "between": faded(GREY, 0.35),
}
SLOT_HEIGHT = 46


def timeline_figures(report: StudyReport) -> list[Figure]:
    """A bar for each slot."""
    shown = report.timeline
    if shown is None or not shown.slots:
        return []
    traces = [_bars(activity, shown.slots) for activity in ACTIVITIES]
    shape = layout(
        130 + SLOT_HEIGHT * len(shown.slots),
        barmode="overlay",
        bargap=0.3,
        xaxis=axis("seconds after the study was submitted", range=[0, shown.wall_seconds]),
        yaxis=axis("", autorange="reversed", showgrid=False),
        shapes=[] if shown.verdict_seconds is None else [_verdict_line(shown.verdict_seconds)],
    )
    return [Figure("timeline", "", [trace for trace in traces if trace["x"]], shape)]


def _bars(activity: Activity, slots: list[SlotTimeline]) -> Trace:
    spans = [(s.slot, span) for s in slots for span in s.spans if span.activity == activity]
    return {
        "type": "bar",
        "orientation": "h",
        "name": activity,
        "y": [slot for slot, _ in spans],
        "base": [span.begin for _, span in spans],
        "x": [span.end - span.begin for _, span in spans],
        "text": [
            f"{activity}, {span.role} of {span.branch}: {numbers.seconds(span.end - span.begin)}"
            for _, span in spans
        ],
        "textposition": "none",
        "marker": {"color": COLOUR[activity], "line": {"width": 0}},
        "hovertemplate": "%{text}<extra></extra>",
    }


def _verdict_line(seconds: float) -> Trace:
    return {
        "type": "line",
        "x0": seconds,
        "x1": seconds,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": GREY, "width": 1.5, "dash": "dot"},
    }
