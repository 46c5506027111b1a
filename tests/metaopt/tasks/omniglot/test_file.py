import json
import lzma

import numpy as np
import pytest

from metaopt.errors import InvalidTasks
from metaopt.tasks.omniglot.file import Drawings, decode, encode, pack, unpack


def test_packing_is_lossless_and_puts_the_highest_bit_first() -> None:
    ink = np.random.default_rng(0).random((3, 2, 105, 105)) < 0.1
    bits = pack(ink)
    assert bits.shape == (3, 2, 14, 105)
    assert np.array_equal(unpack(bits), ink)
    corner = np.zeros((105, 105), dtype=np.bool_)
    corner[7, 9] = True  # row 7, pixel 9: second byte column, second bit
    assert pack(corner)[1, 7] == 0b01000000 and pack(corner).sum() == 0b01000000


def test_file_of_few_drawings_reads_back_equal_and_is_the_same_each_time(few: Drawings) -> None:
    data = encode(few)
    back = decode(data)
    assert (back.characters, back.drawers) == (few.characters, few.drawers)
    assert np.array_equal(back.bits, few.bits)
    assert encode(few) == data


def test_names_are_alphabet_and_character(few: Drawings) -> None:
    assert few.characters[0] == "images_background/Alphabet_of_the_Magi/character01/0709"
    assert few.names()[0] == "Alphabet_of_the_Magi/character01"


def test_a_flipped_bit_is_noticed(few: Drawings) -> None:
    data = bytearray(encode(few))
    data[len(data) // 2] ^= 1
    with pytest.raises(InvalidTasks, match="not a packaged Omniglot file, or damaged"):
        decode(bytes(data))


@pytest.mark.parametrize(
    "content",
    [
        b"PK",
        b'{"format": "omniglot-bits", "version": 2}\n',
        b"[]\n",
        json.dumps(
            {"format": "omniglot-bits", "version": 1, "characters": ["a"], "drawers": ["01"]}
        ).encode()
        + b"\ntoo short",
    ],
)
def test_other_content_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidTasks, match="not a packaged Omniglot file"):
        decode(lzma.compress(content))


def test_a_file_cut_short_is_refused(few: Drawings) -> None:
    with pytest.raises(InvalidTasks, match="not a packaged Omniglot file"):
        decode(encode(few)[:-100])
