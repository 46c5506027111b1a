import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.data.manifest import Group, Manifest
from metaopt.errors import InvalidTasks
from metaopt.tasks.dataset.splits import check_shots, check_ways, default_split, split_members
from tests.fakes.packed import table
from tests.properties import examples  # noqa: F401  registers the profile

SPLITS = ("train", "validation", "test")


def manifest(sizes: list[int], **more: object) -> Manifest:
    return table(sizes, **more).manifest


@given(st.integers(3, 300), st.integers(0, 999_999_999))
def test_random_splits_are_disjoint_and_have_everything(count: int, seed: int) -> None:
    members = split_members(manifest([2] * count), f"random:{seed}")
    train, validation, test = (members[part] for part in SPLITS)
    assert sorted([*train, *validation, *test]) == list(range(count))
    assert all(list(part) == sorted(part) for part in (train, validation, test))
    assert len(validation) == max(1, int(0.16 * count + 0.5))
    assert len(test) == max(1, int(0.20 * count + 0.5))
    assert len(train) >= 1


def test_groups_of_one_name_are_in_one_random_split() -> None:
    parts = [Group(f"c{i}", 2, split=part) for i in range(20) for part in ("train", "test")]
    twice = replace(manifest([2] * 40), groups=tuple(parts))
    for seed in range(20):
        members = split_members(twice, f"random:{seed}")
        names = [{twice.groups[i].name for i in members[part]} for part in SPLITS]
        assert sum(map(len, names)) == 20 == len(set.union(*names))
        assert sum(map(len, members.values())) == 40


def test_a_seed_names_the_split_and_another_class_hardly_moves_it() -> None:
    few, more = manifest([2] * 100), manifest([2] * 101)
    assert split_members(few, "random:1") == split_members(few, "random:1")
    assert split_members(few, "random:1") != split_members(few, "random:2")
    before, after = split_members(few, "random:3"), split_members(more, "random:3")
    assert len(set(before["test"]) & set(after["test"])) >= 19


def test_given_splits_are_those_of_the_manifest_and_the_default_where_there_are_some() -> None:
    data = manifest([2] * 7, given=True)
    assert split_members(data, "given") == {
        "train": (0, 3, 6), "validation": (1, 4), "test": (2, 5),
    }  # fmt: skip
    assert default_split(data) == "given"
    assert default_split(manifest([2] * 7)) == "random:0"


@pytest.mark.parametrize(
    ("data", "split", "message"),
    [
        (manifest([2] * 5), "given", "5 have none, the first is 'g0': take split random:0"),
        (manifest([2, 2], given=True), "given", "has nothing in test: put some classes there"),
        (
            manifest([2, 2], target="number"),
            "random:1",
            "needs at least 3 tasks, one for each of train, validation, test, the data have 2",
        ),
        (manifest([2] * 5), "random:x", "got 'random:x'"),
        (manifest([2] * 5), "random:١", "or random: and a number of up to 9 digits"),
        (manifest([2] * 5), "vinyals", "split must be given, or random:"),
        (manifest([2] * 5), 3, "got 3"),
    ],
)  # fmt: skip
def test_a_split_that_the_data_cannot_give_is_refused(
    data: Manifest, split: str, message: str
) -> None:
    with pytest.raises(InvalidTasks, match=re.escape(message)):
        split_members(data, split)


def test_a_split_of_another_name_is_none() -> None:
    data = manifest([2] * 6, given=True)
    odd = replace(data, groups=(*data.groups, Group("odd", 2, "valid")))
    with pytest.raises(InvalidTasks, match="1 have none, the first is 'odd'"):
        split_members(odd, "given")


def test_more_ways_than_classes_are_refused_with_the_split_and_its_classes() -> None:
    data = manifest([2] * 9, given=True)
    members = split_members(data, "given")
    check_ways(data, members, 3, 1)
    check_ways(data, members, 12, 4)
    with pytest.raises(InvalidTasks, match=r"the 3 classes of split train \('g0', 'g3', 'g6'\), g"):
        check_ways(data, members, 4, 1)


@pytest.mark.parametrize(
    ("data", "shots", "message"),
    [
        (
            manifest([9, 9, 3], given=True),
            (2, 2),
            "class 'g2' of split test has 3 examples, k_shot + q_query = 2 + 2 need 4: lower k_shot"
            " or q_query, or pack the data without it",
        ),
        (
            manifest([9, 2, 9, 9, 3, 9], given=True, target="number"),
            (2, 2),
            "task 'g1' of split validation has 2 examples, k_shot + q_query = 2 + 2 need 4, and 1 "
            "more have too few: lower k_shot or q_query, or pack the data without them",
        ),
        (
            manifest([9, 9, 9], given=True, target="number", support=[4, 4, 4]),
            (5, 1),
            "task 'g0' of split train has 4 support examples, k_shot needs 5",
        ),
        (
            manifest([9, 9, 9], given=True, target="number", support=[4, 4, 4]),
            (4, 6),
            "task 'g0' of split train has 5 query examples, q_query needs 6",
        ),
        (manifest([9, 9, 9], given=True), (-1, 2), "must be >= 0, got -1 and 2"),
    ],
)  # fmt: skip
def test_too_few_examples_are_refused_by_the_name_of_who_has_them(
    data: Manifest, shots: tuple[int, int], message: str
) -> None:
    members = split_members(data, "given")
    check_shots(data, members, 1, 1)
    with pytest.raises(InvalidTasks, match=re.escape(message)):
        check_shots(data, members, *shots)
