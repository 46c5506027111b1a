import pytest

from metaopt.errors import InvalidTasks
from metaopt.tasks.omniglot.file import Drawings
from metaopt.tasks.omniglot.splits import split_members


@pytest.mark.parametrize(
    ("split", "sizes"),
    [("vinyals", [1028, 172, 423]), ("random:0", [1100, 100, 423]), ("random:7", [1100, 100, 423])],
)
def test_a_split_divides_all_characters(drawings: Drawings, split: str, sizes: list[int]) -> None:
    members = split_members(split, drawings.names())
    assert list(members) == ["train", "validation", "test"]
    assert [len(part) for part in members.values()] == sizes
    assert sorted(sum(members.values(), [])) == list(range(1623))


def test_the_seed_names_the_random_split(drawings: Drawings) -> None:
    names = drawings.names()
    assert split_members("random:3", names) == split_members("random:3", names)
    one, other = (split_members(f"random:{seed}", names)["test"] for seed in (3, 4))
    assert 60 < len(set(one) & set(other)) < 160, "423²/1623 = 110 in common by chance"


def test_a_random_split_stays_what_it_was(drawings: Drawings) -> None:
    test = split_members("random:0", drawings.names())["test"]
    assert test[:8] == [11, 18, 28, 31, 32, 36, 38, 39]


def test_the_vinyals_split_keeps_its_alphabets(drawings: Drawings) -> None:
    members = split_members("vinyals", drawings.names())
    alphabets = {p: {drawings.names()[i].split("/")[0] for i in m} for p, m in members.items()}
    assert [len(alphabets[part]) for part in members] == [33, 5, 13]
    assert {"Hebrew", "Bengali"} <= alphabets["validation"]
    assert alphabets["train"] & alphabets["test"] == {"Gurmukhi"}, "one alphabet is cut in two"


def test_other_names_are_refused(drawings: Drawings) -> None:
    with pytest.raises(InvalidTasks, match="1 are missing, the first is Angelic/character01"):
        split_members("vinyals", tuple(n for n in drawings.names() if n != "Angelic/character01"))
