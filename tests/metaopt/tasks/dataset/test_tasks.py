import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metaopt import BankSpec, bank_tasks, evaluate, train
from metaopt.data.pack import Packed
from metaopt.errors import InvalidTasks
from metaopt.tasks.base import SPLITS, Episodes, SelfDescribing
from metaopt.tasks.dataset.tasks import DatasetTasks
from tests.fakes.packed import images, labelled, table

SIZES = [7, 4, 90, 5, 6, 4, 12, 4, 5]
"""Three groups in each split; of 90 examples are more drawn by another rule than of few."""
FEW = [7, 4, 9, 5, 6, 4, 12, 4, 5]

KEYS = torch.arange(200)


def of(packed: Packed, **options: Any) -> DatasetTasks:
    return DatasetTasks.of(packed, normalise="none", **options)


def same(a: Episodes, b: Episodes) -> bool:
    return all(
        torch.equal(p, q) for s, t in zip(a, b, strict=True) for p, q in zip(s, t, strict=True)
    )


@st.composite
def drawn(draw: st.DrawFn, target: str) -> tuple[list[int], int, int, str]:
    """Sizes of groups, shots that all of them have, and a split."""
    k_shot, q_query = draw(st.integers(0, 4)), draw(st.integers(1, 4))
    least = max(k_shot + q_query, 2)
    sizes = draw(st.lists(st.integers(least, least + 80), min_size=9, max_size=15))
    return sizes, k_shot, q_query, draw(st.sampled_from(SPLITS))


@given(drawn("class"), st.integers(0, 2**62))
def test_classes_and_examples_of_a_task_are_distinct_and_of_its_split(
    case: tuple[list[int], int, int, str], key: int
) -> None:
    sizes, k_shot, q_query, split = case
    tasks = of(table(sizes, given=True), n_way=3)
    support, query = tasks.sample(split, torch.arange(4) + key, k_shot, q_query)
    assert support.y[0].tolist() == [c for c in range(3) for _ in range(k_shot)]
    parts = support.x.view(4, 3, k_shot, 3), query.x.view(4, 3, q_query, 3)
    for task in torch.cat(parts, dim=2).long():
        group, example = task[..., 0], task[..., 1]
        assert (group == group[:, :1]).all(), "a class is one group"
        assert len(set(group[:, 0].tolist())) == 3
        assert {SPLITS[g % 3] for g in group[:, 0].tolist()} == {split}
        for g, chosen in zip(group[:, 0].tolist(), example.tolist(), strict=True):
            assert len(set(chosen)) == k_shot + q_query, "support and query share none"
            assert 0 <= min(chosen) and max(chosen) < sizes[g]


@given(drawn("number"), st.integers(0, 2**62))
def test_a_regression_task_is_distinct_examples_of_one_group_with_their_numbers(
    case: tuple[list[int], int, int, str], key: int
) -> None:
    sizes, k_shot, q_query, split = case
    tasks = of(table(sizes, given=True, target="number"))
    support, query = tasks.sample(split, torch.arange(4) + key, k_shot, q_query)
    assert support.y.shape == (4, k_shot, 1) and query.y.shape == (4, q_query, 1)
    x, y = torch.cat([support.x, query.x], 1), torch.cat([support.y, query.y], 1)
    assert torch.equal(100 * x[..., 0] + x[..., 1], y[..., 0])
    for task in x.long():
        (group,) = set(task[:, 0].tolist())
        assert SPLITS[group % 3] == split
        assert len(set(task[:, 1].tolist())) == k_shot + q_query
        assert task[:, 1].max() < sizes[group]


def test_packed_episodes_keep_their_support_and_query_sets() -> None:
    tasks = of(table([6, 8, 7], given=True, target="number", support=[2, 5, 3]), k_shot=2)
    for split, (first, size) in zip(SPLITS, [(2, 6), (5, 8), (3, 7)], strict=True):
        support, query = tasks.sample(split, KEYS, 2, size - first)
        assert support.x[..., 1].unique().tolist() == list(range(first))
        assert (support.x[..., 1].sort(-1).values.diff(dim=-1) > 0).all()
        whole = query.x[..., 1].sort(-1).values
        assert (whole == torch.arange(first, size)).all(), "the whole query set"
        assert same_support(tasks.sample(split, KEYS, 2, 1), support.x)
    with pytest.raises(InvalidTasks, match="'g0' of split train has 2 support examples, k_shot"):
        tasks.sample("train", KEYS, 3, 1)


def same_support(episodes: Episodes, x: torch.Tensor) -> bool:
    return torch.equal(episodes.support.x, x)


@pytest.mark.parametrize("sizes", [SIZES, FEW], ids=["large", "few"])
@pytest.mark.parametrize("target", ["class", "number"])
def test_a_task_is_a_function_of_its_key_alone(target: str, sizes: list[int]) -> None:
    ways = {"n_way": 2} if target == "class" else {}
    tasks = of(table(sizes, target=target, given=True), **ways)
    many = tasks.sample("train", KEYS.view(2, 100), 2, 1)
    alone = tasks.sample("train", torch.tensor(107), 2, 1)
    again = of(table(sizes, target=target, given=True), **ways)
    for part, one in zip(many, alone, strict=True):
        assert torch.equal(part.x[1, 7], one.x) and torch.equal(part.y[1, 7], one.y)
    assert same(again.sample("train", torch.tensor(107), 2, 1), alone)
    assert not same(again.sample("train", torch.tensor(108), 2, 1), alone)


@pytest.mark.parametrize("sizes", [SIZES, FEW], ids=["large", "few"])
def test_support_does_not_depend_on_the_number_of_queries(sizes: list[int]) -> None:
    tasks = of(table(sizes, given=True), n_way=3)
    few, many = tasks.sample("test", KEYS, 2, 1), tasks.sample("test", KEYS, 2, 2)
    assert torch.equal(few.support.x, many.support.x)
    assert tasks.sample("test", KEYS, 2, 0).query.x.shape == (200, 0, 3)


@pytest.mark.parametrize("sizes", [[80, 80, 70], [20, 9, 7]], ids=["large", "few"])
def test_every_example_is_drawn_about_equally_often(sizes: list[int]) -> None:
    tasks = of(table(sizes, given=True, target="number"))
    support, query = tasks.sample("test", torch.arange(20_000), 2, 2)
    for x in (support.x, query.x):
        counts = torch.bincount(x[..., 1].long().flatten(), minlength=sizes[2]).double()
        chi2 = ((counts - counts.mean()) ** 2 / counts.mean()).sum()
        assert abs(chi2 - sizes[2] + 1) < 5 * (2 * sizes[2]) ** 0.5


def test_inputs_and_numbers_are_normalised_by_meta_training_alone() -> None:
    packed = table([50, 60, 70], given=True, target="number")
    tasks = DatasetTasks.of(packed, dtype=torch.float64)
    x, y = (packed.arrays[name].astype(np.float64) for name in "xy")
    part = slice(0, 50)
    moving = x[part, 1:]  # the first feature is the group: constant
    for split, rows in zip(SPLITS, [part, slice(50, 110), slice(110, 180)], strict=True):
        support, _ = tasks.sample(split, torch.tensor(3), len(x[rows]), 0)
        order = np.argsort(support.x[:, 1].numpy())
        got_x, got_y = support.x.numpy()[order], support.y.numpy()[order]
        assert got_x[:, 1:] == pytest.approx((x[rows, 1:] - moving.mean(0)) / moving.std(0))
        assert got_x[:, 0] == pytest.approx(x[rows, 0]), "constant in meta-training"
        assert got_y == pytest.approx((y[rows] - y[part].mean(0)) / y[part].std(0))


def test_images_are_shares_of_white_or_normalised_by_channel() -> None:
    packed = images(FEW, shape=(3, 4, 4), given=True)
    keys = torch.arange(400)
    plain = of(packed, n_way=3).sample("train", keys, 2, 1).support.x
    assert plain.shape == (400, 6, 3, 4, 4) and 0 <= plain.min() and plain.max() <= 1
    values = torch.tensor(packed.arrays["x"]).float() / 255
    assert torch.isin(plain, values).all()
    scaled = DatasetTasks.of(packed, n_way=3).sample("train", keys, 2, 1).support.x
    rows = np.concatenate([np.arange(0, 7), np.arange(20, 25), np.arange(35, 47)])
    chosen = packed.arrays["x"][rows].astype(np.float64) / 255
    mean, deviation = (
        torch.tensor(moment, dtype=torch.float32)[:, None, None]
        for moment in (chosen.mean((0, 2, 3)), chosen.std((0, 2, 3)))
    )
    assert torch.allclose(scaled, (plain - mean) / deviation, atol=1e-5)


def turn_codes(packed: Packed, x: torch.Tensor) -> torch.Tensor:
    """Which row, turn and mirror image each is: (N, 3)."""
    known = {}
    for row, image in enumerate(packed.arrays["x"]):
        for mirrored in (0, 1):
            for turn in range(4):
                turned = np.rot90(image, turn, (1, 2))
                turned = turned[:, :, ::-1] if mirrored else turned
                known[turned.tobytes()] = (row, turn, mirrored)
    greys = (x.double() * 255).round().to(torch.uint8).flatten(0, -4).numpy()
    return torch.tensor([known[grey.tobytes()] for grey in greys])


def test_rotations_turn_each_class_of_a_task_as_a_whole() -> None:
    packed = images(FEW, given=True)
    keys = torch.arange(60)
    tasks = of(packed, n_way=3, rotations="task")
    plain = of(packed, n_way=3).sample("test", keys, 2, 2)
    turned = tasks.sample("test", keys, 2, 2)
    turns = []
    for before, after in zip(plain, turned, strict=True):
        rows, codes = turn_codes(packed, before.x), turn_codes(packed, after.x)
        assert torch.equal(rows[:, 0], codes[:, 0]) and not codes[:, 2].any()
        turns.append(codes[:, 1].view(60, 3, 2))
    both = torch.cat(turns, dim=-1)
    assert (both == both[..., :1]).all(), "one angle for all images of a class"
    assert torch.bincount(both[..., 0].flatten(), minlength=4).min() > 25


def test_rotated_classes_are_the_turned_groups_that_their_names_say() -> None:
    packed = images(FEW, given=True)
    tasks = of(packed, n_way=12, rotations="classes")
    codes = turn_codes(packed, tasks.sample("validation", torch.tensor(0), 1, 1).query.x)
    assert sorted(codes[:, 1].tolist()) == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert tasks.names("validation")[:3] == ["g1/rot000", "g1/rot090", "g1/rot180"]
    with pytest.raises(InvalidTasks, match="at most the 12 classes of split train"):
        of(packed, n_way=13, rotations="classes")


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 3, 5)])
def test_flips_mirror_half_of_the_images_in_meta_training_alone(shape: tuple[int, ...]) -> None:
    packed = images(FEW, shape=shape, given=True)
    tasks, plain = (of(packed, n_way=3, flips=flips) for flips in (True, False))
    ours, theirs = (each.sample("train", KEYS, 2, 1).support.x for each in (tasks, plain))
    mirrored = (ours == theirs.flip(-1)).flatten(2).all(-1)
    assert (mirrored | (ours == theirs).flatten(2).all(-1)).all()
    assert abs(mirrored.double().mean() - 0.5) < 0.06
    for split in ("validation", "test"):
        assert same(tasks.sample(split, KEYS, 2, 1), plain.sample(split, KEYS, 2, 1))


@pytest.mark.parametrize("shape", [(1, 4, 4), (2, 3, 5)])
def test_crops_are_cut_from_images_with_a_border_in_meta_training_alone(
    shape: tuple[int, ...],
) -> None:
    packed = images(FEW, shape=shape, given=True)
    tasks, plain = (of(packed, n_way=3, crops=crops) for crops in (1, 0))
    ours, theirs = (each.sample("train", KEYS, 2, 1).support.x for each in (tasks, plain))
    _, height, width = shape
    bordered = np.pad(theirs.numpy(), [(0, 0)] * 3 + [(1, 1), (1, 1)], mode="edge")
    cuts = [
        (bordered[..., i : i + height, j : j + width] == ours.numpy()).all((-3, -2, -1))
        for i in range(3)
        for j in range(3)
    ]
    assert np.any(cuts, axis=0).all()
    assert min(cut.mean() for cut in cuts) > 1 / 9 - 0.06
    for split in ("validation", "test"):
        assert same(tasks.sample(split, KEYS, 2, 1), plain.sample(split, KEYS, 2, 1))
    both = of(packed, n_way=3, crops=1, flips=True).sample("train", KEYS, 2, 1).support.x
    either = (both == ours) | (both == ours.flip(-1))  # mirrored, and then cut elsewhere
    assert not either.all()


@given(st.lists(st.lists(st.integers(3, 9), min_size=3, max_size=3), min_size=3, max_size=12))
def test_a_task_with_classes_of_its_own_draws_from_each(counts: list[list[int]]) -> None:
    tasks = of(labelled(counts), split="random:0")
    assert (tasks.classification, tasks.outputs, tasks.n_way) == (True, 3, 3)
    for split in SPLITS:
        support, query = tasks.sample(split, KEYS, 1, 2)
        assert support.y.shape == (len(KEYS), 3) and query.y.shape == (len(KEYS), 6)
        for part in (support, query):
            task, label, _ = part.x.unbind(-1)
            assert (task == task[:, :1]).all(), "one task"
            assert torch.equal(label.long(), part.y)
            assert set(task.flatten().long().tolist()) <= set(tasks.members[split])
        rows = torch.cat([support.x.view(-1, 3, 1, 3), query.x.view(-1, 3, 2, 3)], 2)[..., 2]
        assert all(len(set(row)) == 3 for row in rows.flatten(0, 1).tolist())
    said = tasks.describe("test", KEYS[0], 1, 2)
    assert said.sentence.endswith(": 3 classes") and said.classes[1].startswith("c1, examples ")
    with pytest.raises(InvalidTasks, match="n_way is of classes to draw from"):
        of(labelled(counts), n_way=3, split="random:0")
    with pytest.raises(
        InvalidTasks, match=r"examples of 'c\d', k_shot \+ q_query = 1 \+ 9 need 10"
    ):
        of(labelled(counts), split="random:0", k_shot=1, q_query=9)


def test_turned_and_mirrored_images_are_both() -> None:
    packed = images(FEW, given=True)
    tasks = of(packed, n_way=3, rotations="task", flips=True)
    codes = turn_codes(packed, tasks.sample("train", KEYS, 2, 1).support.x)
    assert {(turn, mirror) for _, turn, mirror in codes.tolist()} == {
        (turn, mirror) for turn in range(4) for mirror in range(2)
    }
    said = tasks.describe("train", KEYS[0], 2, 1).classes
    for word, pair in zip(said, codes[:6].view(3, 2, 3).tolist(), strict=True):
        (row, turn, _), _ = pair
        assert (f"turned {90 * turn}°" in word) is bool(turn)
        assert word.split("|")[0].count("*") == sum(mirror for *_, mirror in pair)
        assert row < sum(FEW)


def test_a_task_says_which_examples_of_which_classes_it_has() -> None:
    tasks = of(table(FEW, given=True), n_way=2)
    assert isinstance(tasks, SelfDescribing)
    support, query = tasks.sample("test", torch.tensor(5), 2, 1)
    said = tasks.describe("test", torch.tensor(5), 2, 1)
    rows = torch.cat([support.x.view(2, 2, 3), query.x.view(2, 1, 3)], 1)[..., :2].long()
    assert said.sentence == "2 classes" and said.ink is None
    assert list(said.classes) == [
        f"g{c[0][0]}, examples {c[0][1] + 1} {c[1][1] + 1} | {c[2][1] + 1}" for c in rows.tolist()
    ]


def test_a_regression_task_says_its_name() -> None:
    tasks = of(table([6, 8, 7], given=True, target="number"))
    assert re.fullmatch(
        r"g1, examples \d \d \| \d", tasks.describe("validation", torch.tensor(5), 2, 1).sentence
    )


@pytest.mark.parametrize("normalise", ["train", "none"])
def test_images_are_shown_as_ink_on_paper(normalise: str) -> None:
    packed = images(FEW, shape=(3, 4, 4), given=True)
    packed.arrays["x"][...] //= 3  # dark paper
    tasks = DatasetTasks.of(packed, n_way=3, normalise=normalise)
    bank = BankSpec("test", seed=1, tasks=2, k_shot=1, q_query=1, steps=0)
    (task,) = bank_tasks(tasks, bank, [1])
    plain = of(packed, n_way=3).sample("test", torch.tensor(0), 1, 1)
    assert plain.support.x.mean() < 0.5
    ink = task.support.images
    assert ink is not None and ink.shape == (3, 4, 4) and 0 <= ink.min() <= ink.max() <= 0.34
    greys = packed.arrays["x"].mean(1) / 255
    assert all(np.isclose(greys, image, atol=1e-6).all((1, 2)).any() for image in ink)


@pytest.mark.parametrize(
    ("packed", "options", "message"),
    [
        (table(FEW), {"n_way": 1}, "n_way must be >= 2, got 1"),
        (table(FEW), {}, "n_way must be at most the 1 classes of split validation"),
        (table(FEW, target="number"), {"n_way": 2}, "these data have numbers to predict, got 2"),
        (table(FEW), {"normalise": "trian"}, "must be one of train, none, got 'trian', did you"),
        (table(FEW), {"rotations": "task"}, "square images of classes, these are table of classes"),
        (images(FEW, shape=(1, 3, 4)), {"rotations": "all"}, "rotations must be one of none, task"),
        (images(FEW, shape=(1, 3, 4)), {"rotations": "task"}, "of classes, 1×3×4 an example"),
        (table(FEW), {"flips": True}, "flips are of images of classes"),
        (table(FEW), {"crops": 1}, "crops are of images of classes"),
        (images(FEW), {"crops": 33}, "crops must be in [0, 32], got 33"),
        (
            table(FEW, given=True),
            {"n_way": 3, "k_shot": 3, "q_query": 2},
            "class 'g1' of split validation has 4 examples, k_shot + q_query = 3 + 2 need 5, and 1 "
            "more have too few: lower",
        ),
        (
            table(FEW, given=True, target="number", support=[1, None, 1, 1, 1, 1, 1, 1, 1]),
            {},
            "8 of the tasks have a support set of their own, 'g1' has none",
        ),
    ],
)  # fmt: skip
def test_impossible_tasks_are_refused_with_the_rule(
    packed: Packed, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidTasks, match=re.escape(message)):
        DatasetTasks.of(packed, **options)


def test_a_split_or_shots_that_there_are_not_are_refused_when_sampling() -> None:
    tasks = of(table(FEW, given=True), n_way=3)
    with pytest.raises(InvalidTasks, match="one of train, validation, test, got 'meta-test'"):
        tasks.sample("meta-test", KEYS, 1, 1)
    for _ in range(2):
        with pytest.raises(InvalidTasks, match="'g1' of split validation has 4 examples"):
            tasks.sample("validation", KEYS, 4, 1)


@pytest.mark.parametrize("target", ["class", "number"])
def test_own_data_are_trained_and_judged_on(target: str) -> None:
    ways = {"n_way": 2} if target == "class" else {}
    tasks = DatasetTasks.of(table(SIZES, target=target, given=True), **ways)
    result, untrained = (
        train(
            "maml",
            tasks=tasks,
            model={"kind": "mlp", "widths": [8]},
            params={"inner_lr": 0.3, "outer_lr": 0.02, "meta_batch": 8},
            meta_iterations=length,
            k_shot=2,
            q_query=2,
        )
        for length in (100, 1)
    )
    bank = BankSpec("train", seed=1, tasks=40, k_shot=2, q_query=2, steps=1)
    better, worse = (evaluate(each, bank)[0].curve[1] for each in (result, untrained))
    assert better > worse if target == "class" else better < worse


@pytest.mark.parametrize("rotations", ["none", "task", "classes"])
def test_a_class_has_a_number_among_all_of_its_split(rotations: str) -> None:
    tasks = of(images(SIZES, given=True), n_way=3, rotations=rotations)
    numbers, names = tasks.class_numbers("train", KEYS), tasks.names("train")
    assert tasks.class_count("train") == len(names) and numbers.max() < len(names)
    for key in KEYS[:8]:
        for name, number in zip(
            tasks.describe("train", key, 1, 1).names, numbers[key].tolist(), strict=True
        ):
            group, _, turn = name.partition(" turned ")
            if rotations == "classes":
                group += f"/rot{int(turn[:-1]):03d}" if turn else "/rot000"
            assert names[number] == group


def test_classes_that_all_tasks_share_are_numbered_by_their_labels() -> None:
    tasks = of(labelled([[4, 4, 4]] * 9))
    assert tasks.class_count("train") == 3
    assert tasks.class_numbers("test", KEYS[:2]).tolist() == [[0, 1, 2], [0, 1, 2]]
