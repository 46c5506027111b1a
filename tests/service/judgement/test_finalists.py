"""Who is judged again."""

from service.judgement.finalists import (
    best_of_each,
    borderline,
    choose_finalists,
    rank_trials,
    tied,
)

LAST = [1.0, 5.0, 2.0, 8.0]
CLOSE = [3.0, 4.0, 6.0, 6.0]  # worse in the mean, and sometimes better
WORSE = [score + 0.5 + 0.01 * task for task, score in enumerate(LAST)]


def test_the_lowest_losses_rank_first_and_ties_go_by_number() -> None:
    trials = [(0, 0.5), (1, 0.2), (2, 0.9), (3, 0.2)]
    assert rank_trials(trials) == [1, 3, 0, 2]
    assert rank_trials([(n, -loss) for n, loss in trials]) == [2, 0, 1, 3]


def test_without_extras_the_first_are_chosen_and_no_scores_are_needed() -> None:
    assert choose_finalists([4, 7, 2], count=2) == [4, 7]
    assert choose_finalists([4], count=2, extra=3) == [4]
    assert borderline([4, 7, 2], count=2, extra=0) == []
    assert borderline([4, 7], count=2, extra=3) == []


def test_those_that_cannot_be_told_from_the_last_follow_up_to_a_cap() -> None:
    scores = {7: LAST, 2: CLOSE, 5: CLOSE, 9: CLOSE}
    ranked = [4, 7, 2, 5, 9]
    assert borderline(ranked, count=2, extra=2) == [7, 2, 5]
    assert choose_finalists(ranked, count=2, extra=2, scores=scores) == [4, 7, 2, 5]
    assert choose_finalists(ranked, count=2, extra=9, scores=scores) == [4, 7, 2, 5, 9]


def test_the_first_that_can_be_told_apart_ends_the_list() -> None:
    assert tied(CLOSE, LAST) and not tied(WORSE, LAST)
    scores = {7: LAST, 2: CLOSE, 5: WORSE, 9: CLOSE}
    assert choose_finalists([4, 7, 2, 5, 9], count=2, extra=3, scores=scores) == [4, 7, 2]


def test_the_best_of_each_branch_keep_their_places() -> None:
    branch_of = {4: "maml", 7: "protonet", 2: "maml", 9: "protonet", 1: "maml"}
    assert best_of_each([4, 2, 7, 1, 9], branch_of, 1) == [4, 7]
    assert best_of_each([4, 2, 7, 1, 9], branch_of, 2) == [4, 2, 7, 9]
    assert best_of_each([], {}, 1) == []
