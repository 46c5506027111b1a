"""What is said beside the scores of a verdict."""

from service.wire.views.judged import HeavyTasks
from service.wire.words.verdict import heavy_sentence


def test_of_several_heavy_tasks_the_worst_three_are_named_with_their_scores() -> None:
    tasks = [
        {"task": task, "score": score} for task, score in ((17, 46030), (3, 9), (8, 7), (1, 6))
    ]
    heavy = HeavyTasks.model_validate(
        {"count": 4, "share_of_variance": 0.6, "beyond": 6.0, "without": 0.5, "tasks": tasks}
    )
    assert heavy_sentence(heavy, 1000, "mse") == (
        "4 of 1,000 tasks score at least 6 and make 60 % of the score's variance over tasks; "
        "without them the score is 0.5 (worst: 46,030 on task 17, 9 on task 3, 7 on task 8)"
    )
