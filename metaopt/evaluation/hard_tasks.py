"""The hardest tasks and classes of a trained model, as plain data; no torch."""

from dataclasses import dataclass, field

from metaopt.evaluation.adapted_task import ClassifiedTask, PredictedTask


@dataclass(frozen=True)
class HardTask:
    """A task that is hard for the model.

    Args:
        number: Its place in the bank, as `metaopt task` takes it.
        score: Of the model.
        sentence: What it is; "" where its kind does not say.
        diverged: Whether adaptation diverged; then nothing was predicted.
        classified, predicted: What the model makes of its examples.
    """

    number: int
    score: float
    sentence: str = ""
    diverged: bool = False
    classified: ClassifiedTask | None = None
    predicted: PredictedTask | None = None


@dataclass(frozen=True)
class HardClass:
    """How often query examples of a class were recognised, over all tasks that it was in.

    Args:
        name: As the data call it.
        right, examples: Query examples that were recognised, of how many; one of several tasks
            counts in each.
        tasks: In which it was.
        taken_for: For what it was taken most often; None if it never was.
        taken: How often.
        png: Base64 of one of its pictures; "" where it has none.
    """

    name: str
    right: int
    examples: int
    tasks: int
    taken_for: str | None = None
    taken: int = 0
    png: str = ""


@dataclass(frozen=True)
class Hardest:
    """What is hardest for a model.

    Args:
        judged: How many tasks were looked at: the first ones of the bank.
        tasks: The hardest ones, first the hardest.
        classes: Likewise; [] where there are none, or they have no names.
        known: How many classes were seen.
    """

    judged: int
    tasks: list[HardTask] = field(default_factory=list)
    classes: list[HardClass] = field(default_factory=list)
    known: int = 0
