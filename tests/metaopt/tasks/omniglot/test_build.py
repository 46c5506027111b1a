import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from metaopt.errors import MetaoptError
from metaopt.tasks.omniglot.build import main, prove, vinyals_json
from metaopt.tasks.omniglot.file import Drawings, content_digest, encode
from metaopt.tasks.omniglot.splits import vinyals_lists
from metaopt.tasks.omniglot.tasks import read_drawings


def archives(zips: Path) -> list[Path]:
    return [zips / "images_background.zip", zips / "images_evaluation.zip"]


def test_building_from_zips_gives_the_packaged_bytes_and_proves_them(
    zips: Path, few: Drawings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "omniglot.xz"
    assert main([*map(str, archives(zips)), str(output)]) == 0
    said = capsys.readouterr().out
    assert output.read_bytes() == encode(few)
    assert "5 characters x 20 drawings" in said
    assert f"SHA-256 of the content: {content_digest(few)}" in said
    assert "proved: 100 drawings equal their PNG, pixel for pixel" in said
    assert said.count("warning: SHA-256") == 2, "these zips are not the official ones"


def test_the_content_digest_is_the_one_the_provenance_names(drawings: Drawings) -> None:
    readme = resources.files("metaopt.tasks").joinpath("data/README.md").read_text("utf-8")
    assert content_digest(drawings) in readme


def test_the_proof_fails_for_one_wrong_pixel(zips: Path, few: Drawings, tmp_path: Path) -> None:
    bits = few.bits.copy()
    bits[3, 4, 5, 50] ^= 0b100
    wrong = tmp_path / "wrong.xz"
    wrong.write_bytes(encode(few._replace(bits=bits)))
    with pytest.raises(MetaoptError, match=rf"{few.characters[3]}_05 in .* differs from its PNG"):
        prove(archives(zips), wrong)


def test_the_proof_fails_for_a_drawing_too_few_or_too_many(
    zips: Path, few: Drawings, tmp_path: Path
) -> None:
    packaged = tmp_path / "packaged.xz"
    packaged.write_bytes(encode(Drawings(few.characters[1:], few.drawers, few.bits[1:])))
    with pytest.raises(MetaoptError, match=f"lacks {few.characters[0]}"):
        prove(archives(zips), packaged)
    twice = np.concatenate([few.bits, few.bits[:1]])
    packaged.write_bytes(encode(Drawings((*few.characters, "another"), few.drawers, twice)))
    with pytest.raises(MetaoptError, match="holds 120 drawings, not 100"):
        prove(archives(zips), packaged)


def test_a_missing_zip_is_an_error_message_and_exit_code(
    zips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "missing.zip")
    assert main([missing, str(archives(zips)[1]), str(tmp_path / "omniglot.xz")]) == 1
    assert "missing.zip" in capsys.readouterr().err
    assert not (tmp_path / "omniglot.xz").exists()


def test_the_packaged_split_is_rebuilt_from_its_lists(tmp_path: Path) -> None:
    for part, file in (("train", "train"), ("validation", "val"), ("test", "test")):
        rotated = [
            f"{name}/rot{t:03d}" for name in vinyals_lists()[part] for t in (0, 90, 180, 270)
        ]
        (tmp_path / f"{file}.txt").write_text("\n".join(reversed(rotated)))
    packaged = resources.files("metaopt.tasks").joinpath("data/vinyals.json")
    assert vinyals_json(tmp_path) == packaged.read_text("utf-8")


def test_a_character_without_all_its_rotations_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("Greek/character01/rot000\nGreek/character01/rot090\n")
    with pytest.raises(MetaoptError, match=r"train\.txt must list every character in four"):
        vinyals_json(tmp_path)


def test_the_drawings_of_the_package_are_what_the_lists_divide() -> None:
    listed = [name for part in vinyals_lists().values() for name in part]
    assert sorted(listed) == sorted(read_drawings().names())
    assert json.loads(
        resources.files("metaopt.tasks").joinpath("data/vinyals.json").read_text("utf-8")
    ).keys() == {"train", "validation", "test"}
