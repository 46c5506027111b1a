"""`metaopt task` against a real server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import Engine

from metaopt.evaluation.bank_task import bank_tasks
from metaopt.tasks.registry import TASKS
from service.db.engine import transaction
from service.planning.signatures import task_bank
from service.wire.spec.study import StudySpec
from tests.fakes.rows import add_study, finish_study, result
from tests.fakes.specs import SPEC
from tests.service.cli.conftest import Command

SINUSOIDS, CHARACTERS, WIDE = ("a" * 32, "b" * 32, "c" * 32)
OMNIGLOT = {
    **SPEC,
    "tasks": {"kind": "omniglot", "n_way": 3, "k_shot": 2, "q_query": 4, "rotations": "task"},
    "model": {"kind": "conv4"},
}
COST = {
    "search_device_seconds": 0.0,
    "fresh_device_seconds": 8.0,
    "search_meta_iterations": 0,
    "fresh_meta_iterations": 180,
}
LINEAR = {**SPEC, "tasks": {"kind": "linear", "features": 9}}


@pytest.fixture
def studies(api: Engine) -> Engine:
    with transaction(api) as session:
        add_study(session)
        add_study(session, CHARACTERS, spec=OMNIGLOT)
        add_study(session, WIDE, spec=LINEAR)
    return api


def drawn(spec: dict[str, Any], number: int, bank: str = "sealed") -> Any:
    whole = StudySpec.model_validate(spec)
    return bank_tasks(whole.tasks.chosen(), task_bank(whole, bank, 0), [number])[0]


def pixels(lines: list[str]) -> np.ndarray:
    """Return the dots of lines of Braille (4 · lines, 2 · characters)."""
    rows = []
    for line in lines:
        codes = np.array([ord(character) - 0x2800 for character in line])
        for left, right in ((0, 3), (1, 4), (2, 5), (6, 7)):
            rows.append(np.stack([codes >> left & 1, codes >> right & 1], -1).ravel())
    return np.array(rows, dtype=bool)


def test_a_sinusoid_is_a_sentence_and_a_table(metaopt: Command, studies: Engine) -> None:
    said = metaopt("task", SINUSOIDS, "17", "3")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    assert [line for line in lines if line.startswith("task")] == [
        f"task {n} of the sealed bank: {drawn(SPEC, n).sentence}" for n in (17, 3)
    ]
    task = drawn(SPEC, 17)
    x, y = task.support.x[0, 0], task.support.y[0, 0]
    assert lines[1].split() == ["x", "y"]
    assert lines[2].split() == ["support", f"{x:.4g}", f"{y:.4g}"]
    assert sum(line.startswith("query") for line in lines) == 20


def test_a_character_is_seen_in_the_terminal_and_named(metaopt: Command, studies: Engine) -> None:
    said = metaopt("task", CHARACTERS, "5", "--bank", "validation")
    assert said.code == 0
    task = drawn(OMNIGLOT, 5, "validation")
    first, *lines = said.out.splitlines()
    assert first == f"task 5 of the validation bank: {task.sentence}"
    blocks = [lines[start : start + 9] for start in range(0, 27, 9)]
    for label, (name, *rows, more) in enumerate(blocks):
        assert name == f"class {label}: {task.classes[label]}"
        assert max(map(len, rows)) <= 80
        support, query = zip(*(row.split(" | ") for row in rows), strict=True)
        for lot, part, fit in ((support, task.support, 2), (query, task.query, 3)):
            images = part.images[part.y == label][:fit]
            seen = zip(*(line.split() for line in lot), strict=True)
            for lines_of_one, image in zip(seen, images, strict=True):
                assert np.array_equal(pixels(list(lines_of_one)), image >= 0.35)
        assert more == "(1 more in a picture: --out F.png)"


def test_a_picture_has_every_image(metaopt: Command, studies: Engine, tmp_path: Path) -> None:
    file = tmp_path / "tasks.png"
    said = metaopt("task", CHARACTERS, "5", "6", "--out", str(file))
    assert (said.code, said.err.split()) == (0, ["wrote", str(file)])
    assert len(said.out.splitlines()) == 8  # what they are, and no dots
    with Image.open(file) as picture:
        sheet = np.array(picture)
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (84, 84))[::, 16:]
    small = windows[:, :, 1::3, 1::3]
    for number in (5, 6):
        task = drawn(OMNIGLOT, number)
        for image in task.support.images:
            grey = (255 * (1 - image)).round().astype(np.uint8)
            middle = small[..., 14, :] == grey[14]
            places = np.argwhere(middle.all(-1))
            assert any(np.array_equal(small[y, x], grey) for y, x in places)


def test_points_are_a_picture_too(metaopt: Command, studies: Engine, tmp_path: Path) -> None:
    file = tmp_path / "tasks.png"
    said = metaopt("task", SINUSOIDS, "5", "--out", str(file))
    assert (said.code, len(said.out.splitlines())) == (0, 1)
    with Image.open(file) as picture:
        assert (np.array(picture) == 0).sum() > 10 * 50  # ten discs


def test_heavy_tasks_are_named_by_the_verdict_and_shown_with_their_scores(
    metaopt: Command, studies: Engine
) -> None:
    heavy = {"count": 2, "share_of_variance": 0.75, "beyond": 9.0, "without": 0.5}
    worst = [{"task": 17, "score": 46030.0}, {"task": 3, "score": 9.0}]
    with transaction(studies) as session:
        study = add_study(session, "d" * 32)
        finish_study(session, study, 0, 1)
        verdict = result(0, 1)
        best, second = verdict["finalists"]
        best["sealed"]["heavy_tasks"] = {**heavy, "tasks": worst}
        second["sealed"]["heavy_tasks"] = {**heavy, "tasks": worst[:1]}
        reference = {**second, "compared_with": "default"}
        verdict["comparison"] = {**reference, "difference": None, "cost": COST}
        study.result = verdict
    advice = f"see them: metaopt task {'d' * 32} 17 3"
    assert advice in metaopt("result", "d" * 32).out.splitlines()
    said = metaopt(*advice.removeprefix("see them: metaopt ").split())
    assert said.code == 0
    scores = [line for line in said.out.splitlines() if line.startswith("score")]
    assert scores == [
        "score, mean over fresh trainings: trial 0 46,030, trial 1 46,030, the defaults of maml "
        "46,030",
        "score, mean over fresh trainings: trial 0 9",
    ]
    assert "score" not in metaopt("task", "d" * 32, "17", "--bank", "validation").out


def test_a_verdict_without_heavy_tasks_names_no_command(metaopt: Command, api: Engine) -> None:
    with transaction(api) as session:
        finish_study(session, add_study(session), 0)
    assert "metaopt task" not in metaopt("result", SINUSOIDS).out


def test_what_cannot_be_shown_is_refused(metaopt: Command, studies: Engine) -> None:
    for arguments, sentence in (
        ([SINUSOIDS, "0", "400"], "task 400 is not in the sealed bank: its 400 tasks are 0 to 399"),
        ([SINUSOIDS, "4", "--bank", "gates"], "the study has no gates: take --bank sealed"),
        ([SINUSOIDS, "4", "--out", "task.jpg"], "F must end in .png, got task.jpg"),
        ([SINUSOIDS, "4", "--out", "no/where.png"], "no/where.png cannot be written"),
        ([SINUSOIDS, "four"], "'TASK': Input should be a valid integer"),
        ([SINUSOIDS], "Missing argument"),
        (["e" * 32, "4"], "there is no study of this id"),
    ):
        said = metaopt("task", *arguments)
        assert (said.code, said.out) == (2, "")
        assert sentence in said.err


def test_what_is_no_image_and_no_point_has_a_table_only(
    metaopt: Command, studies: Engine, tmp_path: Path
) -> None:
    file = tmp_path / "task.png"
    said = metaopt("task", WIDE, "2", "--out", str(file))
    assert (said.code, said.out, file.exists()) == (2, "", False)
    assert "task 2 has no picture" in said.err and "leave out --out" in said.err
    table = metaopt("task", WIDE, "2").out.splitlines()
    assert table[1].split() == [*(f"x{i}" for i in range(6)), "…", "y"]


def test_data_that_cannot_be_loaded_here_are_refused(metaopt: Command, api: Engine) -> None:
    def missing(*_: object) -> None:
        raise ImportError("No module named 'wide_world'")

    kind = replace(TASKS.get("sinusoid"), name="elsewhere", make=missing)
    with TASKS.including(kind):
        with transaction(api) as session:
            add_study(session, spec={**SPEC, "tasks": {"kind": "elsewhere"}})
        here = metaopt("task", SINUSOIDS, "4")
    assert (here.code, here.out) == (2, "")
    assert here.err == (
        "tasks of kind elsewhere cannot be drawn on this machine: No module named 'wide_world'\n"
    )
