"""A damaged program is told from one that cannot be loaded for another cause."""

import zipfile
from pathlib import Path

import pytest

from metaopt.errors import CorruptProgram
from metaopt.population.compiled import load_step

LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


@pytest.mark.parametrize(
    ("record", "offset", "value", "said"),
    [
        (CENTRAL, 8, 0x01, "encrypted"),
        (CENTRAL, 10, 0xFF, "compression method"),
        (CENTRAL, 9, 0x08, "utf-8"),
        (CENTRAL, 45, 0xFF, "program"),  # where its content is
        (LOCAL, 40, 0xFF, "program"),  # its content
    ],
)
def test_damage_of_any_kind_is_a_corrupt_program(
    tmp_path: Path, record: bytes, offset: int, value: int, said: str
) -> None:
    path = tmp_path / "program.pt2"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.so", "".join(map(chr, range(32, 127))))
    content = bytearray(path.read_bytes())
    if said == "utf-8":  # its name is marked as such
        content[content.index(CENTRAL) + 46] = 0xFF
    content[content.index(record) + offset] = value
    path.write_bytes(content)
    with pytest.raises(CorruptProgram, match=said):
        load_step(path)


def test_a_program_that_is_not_there_is_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_step(tmp_path / "program.pt2")
