"""`metaopt preview` against a real server."""

import io
import json
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, select

from service.db.dispatcher import acquire, tell_slots_of
from service.db.engine import reading, transaction
from service.db.tables import Study
from tests.fakes.specs import SPEC
from tests.service.cli.conftest import Command


def test_a_preview_is_a_page_or_json_and_submits_nothing(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "warm_start": {"presets": ["paper:maml-sinusoid"]}}))
    said = metaopt("preview", str(path))
    assert said.code == 0
    assert "judged after 10, 30, 90 meta-iterations" in said.out
    assert "search: 8 trials, about 187 meta-iterations, at most 720" in said.out
    assert "seconds of devices: unknown (no study with such programs has run here yet)" in said.out
    assert "inner_lr     float   0.001          1   log" in said.out
    assert "begins with: inner_lr=0.01 inner_steps=1 order=second  (preset paper" in said.out
    document = json.loads(metaopt("preview", str(path), "--json", "-").out)
    assert document["branches"][1]["trials"] == 4
    with reading(api) as session:
        assert session.scalars(select(Study.study_id)).all() == []
    assert "the best counts" not in said.out and document["keep"] == "last"
    kept = metaopt("preview", str(path), "--set", "evaluation.keep=best").out
    assert "judged after 10, 30, 90 meta-iterations; of a trial's models there the best" in kept
    path.write_text(yaml.safe_dump({**SPEC, "seed": -1}))
    said = metaopt("preview", str(path))
    assert said.code == 2 and "seed: must be" in said.err


def test_a_preview_says_on_which_slots_it_would_train(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    assert "it waits for a dispatcher: none has ever run" in metaopt("preview", str(path)).out
    core = {"name": "cpu:0", "place": "CPU", "device": "cpu", "memory_bytes": 2**31}
    with transaction(api) as session:
        assert acquire(session, "test", lambda _: True) is not None
        tell_slots_of(session, {"slots": [core, {**core, "name": "cpu:1", "cause": "it hung"}]})
    assert "trains on 1 slot on CPU cores\n" in metaopt("preview", str(path)).out
    needs = ("--set", "requires.memory=2 GiB", "--set", "requires.labels={pool: night}")
    said = metaopt("preview", str(path), *needs)
    assert "it waits for a slot with label pool=night, which none has: start one" in said.out
    said = metaopt("preview", str(path), "--set", "requires.memory=20")
    assert said.code == 0 and json.loads(
        metaopt("preview", str(path), "--set", "requires.memory=20", "--json", "-").out
    )["slots"] == ["cpu:0"]
    said = metaopt("preview", str(path), "--set", "requires.memory=much")
    assert said.code == 2 and "requires.memory: must be a number of bytes, or a text" in said.err


@pytest.mark.parametrize("name", ["spec.json", "spec.yaml", "spec.yml", "spec", "-"])
def test_a_spec_is_read_by_its_content(
    metaopt: Command, api: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    tasks, *rest = yaml.safe_dump({"tasks": SPEC["tasks"]}).splitlines()
    merged = "\n".join(["tasks:", "  <<:", *(f"  {line}" for line in rest)])
    others = yaml.safe_dump({field: value for field, value in SPEC.items() if field != "tasks"})
    for text in (json.dumps(SPEC, indent="\t"), yaml.safe_dump(SPEC), f"{merged}\n{others}"):
        content = f"\ufeff{text}".encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        path = Path("-") if name == "-" else tmp_path / name
        if name != "-":
            path.write_bytes(content)
        said = metaopt("preview", str(path))
        assert (said.code, said.err) == (0, ""), text
        assert "search: 8 trials" in said.out


def test_a_preview_counts_the_trials_that_are_kept_to_train_the_best_again(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump({**SPEC, "search": {"replicates": 2}}))
    said = metaopt("preview", str(path))
    assert "search: 8 trials, about 320 meta-iterations, at most 720" in said.out
    assert "at most 2 of these trials train its best again" in said.out
    assert "branch maml: 3 trials" in said.out
    path.write_text(yaml.safe_dump({**SPEC, "search": {"replicates": 8}}))
    said = metaopt("preview", str(path))
    assert said.code == 2
    assert "search.replicates must be below budget.trials = 8" in said.err


def test_the_seconds_that_a_branch_may_take_are_shown_before_and_after(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    first, *others = SPEC["branches"]
    path = tmp_path / "spec.yaml"
    path.write_text(
        yaml.safe_dump({**SPEC, "branches": [{**first, "device_seconds": 90}, *others]})
    )
    said = metaopt("preview", str(path))
    assert "branch maml: 4 trials, in at most 1 min 30 s of devices" in said.out
    assert "branch reptile: 4 trials\n" in said.out
    study_id = metaopt("submit", str(path)).out.split()[0]
    assert "devices of maml: 0.0 s of 1 min 30 s" in metaopt("show", study_id).out


def test_a_preview_takes_the_changes_that_submit_takes(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(SPEC))
    said = metaopt("preview", str(path), "--set", "budget.trials=6", "--gate", "at-least:0.5")
    assert said.code == 0, said.err
    assert "search: 6 trials" in said.out and "gates, on top: " in said.out
