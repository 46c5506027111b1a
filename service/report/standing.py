"""How far trials came: the order in which curves are told apart before any verdict."""

from service.wire.views.report import LearningCurve
from service.wire.views.studies import StudyView

Standing = tuple[bool, int, float]


def standing(study: StudyView, curve: LearningCurve) -> Standing:
    """Least for the best trial: those alive first, then the furthest, then the best score there.

    Scores at different rungs are not compared: a trial that went further was let go on.
    """
    last = curve.points[-1]
    dead = curve.status in ("diverged", "failed")
    return (dead, -last.meta_iteration, study.spec.goals().loss(last.score))
