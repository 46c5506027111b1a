import hashlib
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from metaopt.errors import InvalidTasks
from metaopt.tasks.base import Episodes
from metaopt.tasks.omniglot.file import Drawings
from metaopt.tasks.omniglot.tasks import Omniglot, read_drawings

SPLITS = ("train", "validation", "test")
DATA = resources.files("metaopt.tasks").joinpath("data")


def load(**spec: object) -> Omniglot:
    return Omniglot.load({"kind": "omniglot", "n_way": 5, **spec})


def places(tasks: Omniglot, x: torch.Tensor) -> torch.Tensor:
    """Return (character, drawing) of each upright image; of the twins, the first."""
    where: dict[bytes, tuple[int, int]] = {}
    for character, drawings in enumerate(tasks.greys.numpy()):
        for drawing, grey in enumerate(drawings):
            where.setdefault(grey.tobytes(), (character, drawing))
    greys = (x.double() * 255).round().to(torch.uint8).reshape(-1, 784).numpy()
    return torch.tensor([where[grey.tobytes()] for grey in greys])


def turns(straight: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
    """Return which quarter turns make `straight` images `turned`: (N, 4) bool."""
    straight, turned = straight.reshape(-1, 28, 28), turned.reshape(-1, 28, 28)
    options = torch.stack([straight.rot90(k, (-2, -1)) for k in range(4)], dim=1)
    return (options == turned[:, None]).flatten(2).all(-1)


def same(a: Episodes, b: Episodes) -> bool:
    return all(
        torch.equal(p, q) for s, t in zip(a, b, strict=True) for p, q in zip(s, t, strict=True)
    )


@pytest.mark.parametrize("name", ["omniglot.xz", "vinyals.json"])
def test_packaged_file_is_the_one_its_provenance_names(name: str) -> None:
    row = re.search(rf"^\| `{re.escape(name)}` \| ([\d,]+) \| `(\w+)`", _readme(), re.MULTILINE)
    assert row is not None
    data = DATA.joinpath(name).read_bytes()
    assert len(data) == int(row[1].replace(",", "")) <= 5_000_000
    assert hashlib.sha256(data).hexdigest() == row[2]


def _readme() -> str:
    return DATA.joinpath("README.md").read_text("utf-8")


def test_both_licences_ship_with_the_data() -> None:
    assert "Brenden Lake" in DATA.joinpath("LICENSE-omniglot").read_text("utf-8")
    assert "Jake Snell" in DATA.joinpath("LICENSE-prototypical-networks").read_text("utf-8")


def test_the_data_set_is_complete(drawings: Drawings) -> None:
    numbers = sorted(int(path.split("/")[-1]) for path in drawings.characters)
    parts = [path.split("/")[0] for path in drawings.characters]
    assert numbers == list(range(1, 1624))
    assert parts.count("images_background") == 964
    assert len({name.split("/")[0] for name in drawings.names()}) == 50
    assert drawings.drawers == tuple(f"{i:02d}" for i in range(1, 21))
    assert drawings.bits.shape == (1623, 20, 14, 105)
    assert drawings.bits.any(axis=(-1, -2)).all(), "no drawing is blank"


def test_packaged_drawings_hold_the_one_known_pair_of_twins(drawings: Drawings) -> None:
    flat = drawings.bits.reshape(1623 * 20, -1)
    prints = [image.tobytes() for image in flat]
    assert len(set(prints)) == len(prints) - 1
    braille = drawings.names().index("Braille/character01")
    assert np.array_equal(drawings.bits[braille, 2], drawings.bits[braille, 18])


@pytest.mark.parametrize(
    ("rotations", "sizes"), [("none", (1028, 172, 423)), ("classes", (4112, 688, 1692))]
)
def test_classes_of_the_vinyals_split_are_as_published(
    rotations: str, sizes: tuple[int, ...]
) -> None:
    tasks = load(rotations=rotations)
    classes = [tasks.classes(split) for split in SPLITS]
    assert tuple(map(len, classes)) == sizes
    assert len(set().union(*classes)) == sum(sizes)
    turn = "" if rotations == "none" else "/rot270"
    assert f"Gurmukhi/character42{turn}" in classes[2]


def test_input_shape_and_outputs_are_those_of_the_images() -> None:
    tasks = load(n_way=7)
    assert (tasks.input_shape, tasks.outputs, tasks.classification) == ((1, 28, 28), 7, True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_episodes_have_the_shapes_labels_and_range_of_n_way_tasks(dtype: torch.dtype) -> None:
    tasks = Omniglot.load({"n_way": 4}, dtype=dtype)
    support, query = tasks.sample("train", torch.arange(6).view(2, 3), 3, 2)
    assert support.x.shape == (2, 3, 12, 1, 28, 28) and query.x.shape == (2, 3, 8, 1, 28, 28)
    assert support.x.dtype == query.x.dtype == dtype
    assert support.y.dtype == torch.int64
    assert support.y[1, 2].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert query.y[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert 0 <= support.x.min() and support.x.max() == 1
    assert support.x.mean() < 0.2, "paper is 0, ink is high"


@pytest.mark.parametrize("split", SPLITS)
def test_classes_and_drawings_of_a_task_are_distinct(split: str) -> None:
    tasks = load(n_way=20)
    keys = torch.arange(40)
    support, query = tasks.sample(split, keys, 2, 3)
    s = places(tasks, support.x).view(40, 20, 2, 2)
    q = places(tasks, query.x).view(40, 20, 3, 2)
    both = torch.cat([s, q], dim=2)
    allowed = set(tasks.members[split].tolist())
    for task in both:
        characters = task[..., 0]
        assert (characters == characters[:, :1]).all(), "a class is one character"
        assert len(set(characters[:, 0].tolist())) == 20
        assert set(characters[:, 0].tolist()) <= allowed
        for drawings in task[..., 1].tolist():
            assert len(set(drawings)) == 5, "support and query share no drawing"


def test_all_drawings_of_a_character_can_be_drawn_at_once() -> None:
    tasks = load(n_way=2)
    support, query = tasks.sample("test", torch.tensor(3), 13, 7)
    s, q = (places(tasks, part.x) for part in (support, query))
    assert sorted(s[:13, 1].tolist() + q[:7, 1].tolist()) == list(range(20))


def test_every_class_and_every_drawing_is_drawn_about_equally_often() -> None:
    tasks = load()
    chosen, _ = tasks._draw_classes(tasks.members["validation"], torch.arange(20_000))
    counts = torch.bincount(chosen.flatten(), minlength=1623)[tasks.members["validation"]].double()
    drawn = torch.bincount(tasks._draw_drawings(torch.arange(4000), 2).flatten()).double()
    for observed in (counts, drawn):
        expected = observed.mean()
        chi2 = ((observed - expected) ** 2 / expected).sum()
        freedom = len(observed) - 1
        assert abs(chi2 - freedom) < 5 * (2 * freedom) ** 0.5


@pytest.mark.parametrize("rotations", ["none", "task", "classes"])
def test_a_task_depends_on_its_key_alone(rotations: str) -> None:
    tasks = load(rotations=rotations)
    many = tasks.sample("train", torch.arange(8).view(2, 4) + 100, 2, 1)
    alone = tasks.sample("train", torch.tensor(107), 2, 1)
    again = Omniglot.load({"n_way": 5, "rotations": rotations}).sample(
        "train", torch.tensor([107]), 2, 1
    )
    for part, one, reloaded in zip(many, alone, again, strict=True):
        assert torch.equal(part.x[1, 3], one.x) and torch.equal(part.y[1, 3], one.y)
        assert torch.equal(reloaded.x[0], one.x)


def test_other_keys_and_other_splits_give_other_tasks() -> None:
    tasks = load()
    support = tasks.sample("train", torch.arange(50), 1, 0).support.x.flatten(1)
    assert len(torch.unique(support, dim=0)) == 50
    validation, test = (
        places(tasks, tasks.sample(split, torch.arange(50), 1, 0).support.x)[:, 1]
        for split in ("validation", "test")
    )
    assert (validation == test).float().mean() < 0.2, "not even the drawers are those of the other"


def test_support_does_not_depend_on_the_number_of_queries() -> None:
    tasks = load(rotations="task")
    keys = torch.arange(3)
    few, many = tasks.sample("test", keys, 2, 1), tasks.sample("test", keys, 2, 9)
    assert torch.equal(few.support.x, many.support.x)
    assert tasks.sample("test", keys, 2, 0).query.x.shape == (3, 0, 1, 28, 28)


def test_rotations_turn_each_class_of_a_task_as_a_whole() -> None:
    keys = torch.arange(60)
    plain = load().sample("train", keys, 2, 1)
    turned = load(rotations="task").sample("train", keys, 2, 1)
    support = turns(plain.support.x, turned.support.x).view(300, 2, 4)
    query = turns(plain.query.x, turned.query.x).view(300, 1, 4)
    angles = torch.cat([support, query], dim=1).all(1)
    assert angles.any(-1).all(), "some one angle explains all drawings of a class"
    assert (angles.sum(-1) == 1).sum() > 280, "hardly any character is its own rotation"
    assert (angles.sum(0) > 45).all(), "all four angles are drawn"


def test_rotated_classes_are_the_turned_characters_their_names_say() -> None:
    tasks = load(n_way=688, rotations="classes")
    x = tasks.sample("validation", torch.tensor(0), 1, 0).support.x.view(688, 28, 28)
    upright = torch.stack([x.rot90(-k, (-2, -1)) for k in range(4)], dim=1)
    known = {
        grey.tobytes() for grey in tasks.greys[tasks.members["validation"]].view(-1, 784).numpy()
    }
    greys = (upright * 255).round().to(torch.uint8).view(688, 4, 784).numpy()
    hits = torch.tensor([[grey.tobytes() in known for grey in image] for image in greys])
    assert hits.any(-1).all(), "every image is some turn of a drawing of the split"
    assert (hits.sum(0) >= 172).all(), "all classes at once: each angle 172 times"
    assert tasks.classes("validation")[:2] == [
        "Armenian/character01/rot000",
        "Armenian/character01/rot090",
    ]


def test_a_copy_of_the_packaged_file_elsewhere_gives_the_same_tasks(tmp_path: Path) -> None:
    copy = tmp_path / "omniglot.xz"
    copy.write_bytes(DATA.joinpath("omniglot.xz").read_bytes())
    theirs = Omniglot.load({"n_way": 5}, path=copy)
    key = torch.tensor([5])
    assert same(theirs.sample("test", key, 1, 1), load().sample("test", key, 1, 1))


def test_an_incomplete_own_copy_is_refused_by_name(folders: Path) -> None:
    with pytest.raises(InvalidTasks, match="needs all 1623 characters, 1618 are missing"):
        Omniglot.load({"n_way": 5}, path=folders)
    with pytest.raises(InvalidTasks, match="needs all 1623 characters, got 5"):
        Omniglot.load({"n_way": 5, "split": "random:1"}, path=folders)


def test_a_path_that_holds_no_omniglot_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTasks, match=r"must hold images_background\.zip or the folder"):
        read_drawings(tmp_path)
    with pytest.raises(InvalidTasks, match="no Omniglot at"):
        read_drawings(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"n_way": 173}, "between 2 and the 172 classes of split validation, got 173"),
        ({"n_way": 689, "rotations": "classes"}, "688 classes of split validation"),
        ({"n_way": 1}, "n_way must be between 2"),
        ({"rotations": "all"}, "rotations must be one of none, task, classes, got 'all'"),
        ({"split": "lake"}, "split must be 'vinyals' or 'random:SEED', got 'lake'"),
        ({"split": "random:x"}, "got 'random:x'"),
    ],
)
def test_impossible_tasks_are_refused_with_the_rule(spec: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTasks, match=re.escape(message)):
        load(**spec)


@pytest.mark.parametrize(("k_shot", "q_query"), [(11, 10), (-1, 1), (1, -1)])
def test_more_drawings_than_there_are_is_refused(k_shot: int, q_query: int) -> None:
    with pytest.raises(InvalidTasks, match=f"20 drawings of a character, got {k_shot} "):
        load().sample("train", torch.tensor(0), k_shot, q_query)


def test_an_unknown_split_is_refused_when_sampling() -> None:
    with pytest.raises(InvalidTasks, match="one of train, validation, test, got 'meta-test'"):
        load().sample("meta-test", torch.tensor(0), 1, 1)


@pytest.mark.parametrize("rotations", ["none", "task", "classes"])
@pytest.mark.parametrize("split", ["train", "test"])
def test_a_class_has_a_number_among_all_of_its_split(split: str, rotations: str) -> None:
    tasks, keys = load(rotations=rotations), torch.arange(12).reshape(3, 4)
    numbers, names = tasks.class_numbers(split, keys), tasks.classes(split)
    assert tasks.class_count(split) == len(names)
    assert numbers.shape == (3, 4, 5) and 0 <= numbers.min() and numbers.max() < len(names)
    called = tasks.describe(split, keys[1, 2], 1, 1).names
    for name, number in zip(called, numbers[1, 2].tolist(), strict=True):
        character, _, turn = name.partition(" turned ")
        if rotations == "classes":
            character += f"/rot{int(turn[:-1] or 0):03d}" if turn else "/rot000"
        assert names[number] == character
