"""Titles and captions of the report's parts, the same in HTML and Markdown."""

from typing import NamedTuple


class Caption(NamedTuple):
    """A part's title, and one sentence that says how to read it."""

    title: str
    sentence: str


CAPTIONS = {
    "verdict": Caption(
        "Search against sealed",
        "The search's own score of each finalist (hollow) beside its score on sealed tasks after "
        "fresh training (filled), with 95 % intervals.",
    ),
    "cost_front": Caption(
        "Score against cost",
        "Sealed score of each finalist, and of what they are compared with, against what an "
        "adaptation with it costs, with 95 % intervals of the score. Filled points and the dotted "
        "line are the front, where nothing that costs no more is better.",
    ),
    "hardest": Caption(
        "Hardest for the winner",
        "The sealed tasks on which the model that is kept scored worst, and what it predicted once "
        "it was adapted to their support sets.",
    ),
    "pareto": Caption(
        "What it costs",
        "Score of each completed trial against what it costs; filled points are the Pareto set, "
        "where nothing is better in one objective without being worse in another, and the dashed "
        "line is a bound.",
    ),
    "learning_curves": Caption(
        "Learning curves",
        "Score on the task bank as meta-training goes on (with keep: best, of the best model so "
        "far); the best trial of each branch is bold, its band a 95 % interval over tasks, and "
        "dotted lines are the rungs.",
    ),
    "adaptation": Caption(
        "Adaptation of the finalists",
        "Mean score after each inner step on a new task: on sealed tasks (solid) and on the "
        "search's bank (dotted).",
    ),
    "importances": Caption(
        "Which parameters mattered",
        "Share of the variation of the trials' places that goes with each parameter: alone, and "
        "half of what goes with a pair (a × b) beyond either alone. Whiskers are 95 % intervals; a "
        "grey bar is no more than chance, which explains shares up to the tick.",
    ),
    "stability": Caption(
        "Stability",
        "Trials that trained (dots) and that diverged (crosses) by inner rate and inner steps; the "
        "dashed line is the rate that separates them best.",
    ),
    "slices": Caption(
        "Each parameter against the score",
        "Every trial's last score by the value of one parameter: completed trials are filled, "
        "pruned ones hollow (they stopped early, so their scores are not final).",
    ),
    "cost": Caption(
        "Cost",
        "Seconds of devices that each branch took, in the search and for the fresh trainings of "
        "its finalists.",
    ),
    "timeline": Caption(
        "Timeline",
        "What each slot did with its time; the dotted line is the first fresh training of the "
        "verdict.",
    ),
}
