"""The timeline of a study: what each slot did with its time, `GET /studies/{id}/timeline`."""

from typing import Literal, get_args

from service.wire.views.studies import View

Activity = Literal[
    "start", "compiling", "sampling", "eager", "compiled", "evaluation", "other", "between"
]
"""What a slot does for a study.

    start       from the study's start to its first segment there: the worker starts, or trains
                for another study
    compiling   lanes wait for their program, and the slot's core compiles it
    sampling    tasks are drawn
    eager       lanes train, each operation by itself
    compiled    lanes train by their program
    evaluation  lanes are scored
    other       the rest of a segment: measuring lanes, loading programs, checkpoints
    between     from one segment to the next: reports, orders, waiting for them, other studies
"""

ACTIVITIES: tuple[Activity, ...] = get_args(Activity)


class Span(View):
    """What a slot did for a while, in seconds after the study was submitted.

    Of several segments together, the role and branch are those that took longest.
    """

    activity: Activity
    role: str
    branch: str
    begin: float
    end: float


class SlotTimeline(View):
    """A slot's spans one after the other, and the seconds of each activity in all."""

    slot: str
    seconds: dict[Activity, float]
    spans: list[Span]


class Timeline(View):
    """What the slots did for a study from its submission to its end, or till now.

    `queued_seconds` passed before it was started, `verdict_seconds` before its first fresh training
    was ordered (null before that).  Spans of long studies are of several segments together.
    """

    queued_seconds: float
    verdict_seconds: float | None
    wall_seconds: float
    slots: list[SlotTimeline]
