"""A manifest that came from elsewhere keeps the rules of packing, or the field is named."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaopt.data.incoming.rules import broken_rules, check_manifest, layouts, least_bytes
from metaopt.data.manifest import Group, Manifest
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.fakes.pictures import animals, write_files

SHA = "0" * 64
IMAGES = Manifest("images", "class", (1, 4, 3), 0, (Group("cat", 3), Group("dog", 2)), SHA)
TABLE = Manifest("table", "number", (2,), 1, IMAGES.groups, SHA, ("a", "b"), ("y",))
EPISODES = Manifest(
    "episodes", "number", (2,), 1, (Group("0", 3, None, 1), Group("1", 4, None, 2)), SHA
)
LABELLED = Manifest(
    "episodes", "label", (2,), 2,
    (Group("0", 5, counts=(2, 3), supports=(1, 1)), Group("1", 4, counts=(4, 0), supports=(2, 0))),
    SHA, (), ("no", "yes"),
)  # fmt: skip


def packed(folder: Path) -> list[Packed]:
    """What each reader gives."""
    (folder / "t.csv").write_text("task,x,colour,target\na,1,red,3\na,2,red,4\nb,1,blue,3\n")
    (folder / "s.csv").write_text("class,text\na,one two\nb,three\na,four\n")
    x = np.ones((2, 3, 1, 2, 2), np.uint8)
    sides = {f"{side}_x": x for side in ("support", "query")}
    sides |= {f"{side}_y": np.ones((2, 3), np.float32) for side in ("support", "query")}
    np.savez(folder / "e.npz", **sides)  # type: ignore[arg-type]
    labels = {f"{side}_y": np.array([[0, 1, 1], [1, 0, 0]]) for side in ("support", "query")}
    np.savez(folder / "l.npz", **{**sides, **labels})  # type: ignore[arg-type]
    (folder / "l.csv").write_text("task,ill,x\na,yes,1\na,no,2\nb,no,1\nb,yes,3\n")
    pictures = write_files(folder / "animals", animals())
    return [
        read(pictures, Packing(licence="MIT", channels=3))[1],
        read(folder / "t.csv")[1],
        read(folder / "s.csv", Packing(kind="text", features=16))[1],
        read(folder / "e.npz")[1],
        read(folder / "l.npz")[1],
        read(folder / "l.csv", Packing(task="task", class_column="ill"))[1],
    ]


def test_what_is_packed_here_keeps_them(tmp_path: Path) -> None:
    for one in packed(tmp_path):
        check_manifest(one.manifest)
        found = {name: array.shape for name, array in one.arrays.items()}
        layout = layouts(one.manifest)[0]
        assert {name: shape for name, (_, shape) in layout.items()} == found
        assert least_bytes(one.manifest) == sum(array.nbytes for array in one.arrays.values())


def changed(**fields: Any) -> Callable[[Manifest], Manifest]:
    return lambda manifest: replace(manifest, **fields)


def with_group(**fields: Any) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        first, *others = manifest.groups
        return replace(manifest, groups=(replace(first, **fields), *others))

    return change


@pytest.mark.parametrize(
    ("manifest", "change", "field", "rule"),
    [
        (IMAGES, changed(version=2), "version", "must be 1"),
        (IMAGES, changed(kind="video"), "kind", "must be one of images, table"),
        (IMAGES, changed(target=None), "target", "must be one of class, number, label"),
        (IMAGES, changed(target="number", outputs=1), "target", "must be class for images"),
        (IMAGES, changed(target="label", outputs=2), "target", "must be class for images"),
        (LABELLED, changed(outputs=1), "outputs", "must be 2 to 64 classes of each task, got 1"),
        (LABELLED, changed(targets=()), "targets", "must be the names of the 2 classes, got 0"),
        (LABELLED, with_group(counts=None), "groups[0].counts", "is required"),
        (LABELLED, with_group(supports=None), "groups[0].supports", "is required"),
        (LABELLED, with_group(support=1), "groups[0].support", "must be null for episodes of"),
        (LABELLED, with_group(counts=(5,)), "groups[0].counts", "must be 2 numbers, one for each"),
        (LABELLED, with_group(counts=(2, 2)), "groups[0].counts", "must be 5 together"),
        (LABELLED, with_group(counts=(6, -1)), "groups[0].counts", "a list of whole numbers"),
        (LABELLED, with_group(counts="23"), "groups[0].counts", "a list of whole numbers"),
        (LABELLED, with_group(counts=(True, 4)), "groups[0].counts", "a list of whole numbers"),
        (LABELLED, with_group(supports=(3, 0)), "groups[0].supports", "at most counts, got 3 of 2"),
        (TABLE, with_group(counts=(3,)), "groups[0].counts", "must be left out"),
        (IMAGES, changed(arrays="../../../etc/passwd"), "arrays", "must be a SHA-256"),
        (IMAGES, changed(arrays=7), "arrays", "must be a SHA-256"),
        (IMAGES, changed(arrays=SHA.replace("0", "A")), "arrays", "must be a SHA-256"),
        (IMAGES, changed(input_shape=(4, 3)), "input_shape", "must have 3 axes for images"),
        (IMAGES, changed(input_shape=(2, 4, 3)), "input_shape", "1 or 3 channels, got 2"),
        (IMAGES, changed(input_shape=(1, -4, 3)), "input_shape", "whole numbers from 1 on"),
        (IMAGES, changed(input_shape=(1, True, 3)), "input_shape", "whole numbers from 1 on"),
        (IMAGES, changed(input_shape=(1, 2.0, 3)), "input_shape", "whole numbers from 1 on"),
        (IMAGES, changed(input_shape=(1, 10**40, 3)), "input_shape", "whole numbers from 1 on"),
        (IMAGES, changed(input_shape=(1, 2**20, 2**20)), "groups", "take at most 2.0 GiB"),
        (IMAGES, changed(outputs=2), "outputs", "must be 0 where groups are classes"),
        (IMAGES, changed(groups=()), "groups", "must be 2 to 100,000"),
        (IMAGES, changed(groups=IMAGES.groups[:1]), "groups", "must be 2 to 100,000"),
        (IMAGES, changed(groups=(*IMAGES.groups, Group("cat", 1))), "groups", "'cat' is there tw"),
        (IMAGES, changed(features=("a",)), "features", "must be as many as there are, 0"),
        (IMAGES, changed(notices=(7,)), "notices", "must be texts"),
        (IMAGES, changed(licence="do what you like"), "licence", "an SPDX identifier"),
        (IMAGES, changed(licence="\ud800"), "licence", "must be text or null"),
        (IMAGES, changed(packing={"size": {"a": 1}}), "packing", "must be names with a text"),
        (IMAGES, changed(packing={"size": float("nan")}), "packing", "must be names with a text"),
        (IMAGES, changed(packing=[1]), "packing", "must be names with a text"),
        (IMAGES, with_group(name=""), "groups[0].name", "1 to 200 characters"),
        (IMAGES, with_group(name="x" * 201), "groups[0].name", "1 to 200 characters"),
        (IMAGES, with_group(name="\udfff"), "groups[0].name", "1 to 200 characters"),
        (IMAGES, with_group(name=7), "groups[0].name", "1 to 200 characters"),
        (IMAGES, with_group(examples=0), "groups[0].examples", "whole number from 1 on"),
        (IMAGES, with_group(examples="3"), "groups[0].examples", "whole number from 1 on"),
        (IMAGES, with_group(split="dev"), "groups[0].split", "train, validation, test or null"),
        (IMAGES, with_group(support=1), "groups[0].support", "must be null for images"),
        (TABLE, changed(outputs=0), "outputs", "1 or more where they are tasks"),
        (TABLE, changed(outputs=-1), "outputs", "must be a whole number"),
        (TABLE, changed(targets=("y", "z")), "targets", "must be as many as there are, 1"),
        (TABLE, changed(features=("a",)), "features", "must be as many as there are, 2"),
        (TABLE, changed(features=("a", "a")), "features", "must be different ones"),
        (TABLE, changed(groups=(Group("a", 1, "train"), Group("a", 1, "test"), Group("b", 1))),
         "groups", "'a' is there twice"),
        (EPISODES, with_group(support=None), "groups[0].support", "below its 3 examples"),
        (EPISODES, with_group(support=3), "groups[0].support", "below its 3 examples"),
    ],
)  # fmt: skip
def test_each_rule_names_its_field(
    manifest: Manifest, change: Callable[[Manifest], Manifest], field: str, rule: str
) -> None:
    check_manifest(manifest)
    broken = list(broken_rules(change(manifest)))
    assert any(one.field == field and rule in one.rule for one in broken), broken
    with pytest.raises(InvalidData, match="no manifest of a data set: "):
        check_manifest(change(manifest))


def test_images_in_episodes_may_be_bytes_or_numbers() -> None:
    one, other = layouts(replace(EPISODES, input_shape=(3, 2, 2)))
    assert one == {"x": ("U8", (7, 3, 2, 2)), "y": ("F32", (7, 1))}
    assert other == {**one, "x": ("F32", (7, 3, 2, 2))}
