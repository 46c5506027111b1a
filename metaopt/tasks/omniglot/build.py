"""Build the packaged Omniglot file from the two official zips, and prove it pixel for pixel.

    python -m metaopt.tasks.omniglot.build BACKGROUND.zip EVALUATION.zip OUTPUT
        [--vinyals DIRECTORY]

The same drawings give the same bytes, whatever the zip's container, order or dates.  The proof
reads the written file back and compares every pixel with Pillow's reading of every PNG.
`--vinyals` also writes OUTPUT's neighbour `vinyals.json` from the lists train.txt, val.txt and
test.txt of Prototypical Networks.
"""

import argparse
import hashlib
import io
import json
import sys
from itertools import chain
from pathlib import Path

import numpy as np
from PIL import Image

from metaopt.errors import MetaoptError
from metaopt.tasks.omniglot.archives import png_drawings, read_archives
from metaopt.tasks.omniglot.file import SIDE, Drawings, content_digest, decode, encode, unpack

_USED = {  # SHA-256 of the archives that the packaged file was built from
    "5e40902b4b72dcec6d87732eb8e8c0862f2c92b579cf264e65fc7a0954e80d47",
    "bcc0b44a73cc146a6739d98c0004e3fc70173968e567278fb429b3dd55342400",
}
_OFFICIAL = {  # MD5 of the official downloads, as torchvision checks them
    "68d2efa1b9178cc56df9314c21c6e718",
    "6b91aef0f799c5bb55b94e3f2daec811",
}


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="metaopt.tasks.omniglot.build", description=__doc__)
    parser.add_argument("background", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--vinyals", type=Path, metavar="DIRECTORY")
    args = parser.parse_args(argv)
    try:
        build([args.background, args.evaluation], args.output)
        if args.vinyals:
            lists = args.output.with_name("vinyals.json")
            lists.write_text(vinyals_json(args.vinyals), "utf-8")
    except (MetaoptError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def build(archives: list[Path], output: Path) -> Drawings:
    """Write `output` from two official zips and prove it; return what was written.

    Raises:
        InvalidTasks: an archive cannot be read or is incomplete in itself.
    """
    for archive in archives:
        print(f"{archive.name}: {_identity(archive.read_bytes())}")
    drawings = read_archives(archives)
    data = encode(drawings)
    output.write_bytes(data)
    characters, drawers = len(drawings.characters), len(drawings.drawers)
    print(f"{output}: {characters} characters x {drawers} drawings, {len(data)} bytes")
    print(f"SHA-256 of the file:    {hashlib.sha256(data).hexdigest()}")
    print(f"SHA-256 of the content: {content_digest(drawings)}")
    print(f"proved: {prove(archives, output)} drawings equal their PNG, pixel for pixel")
    return drawings


def prove(archives: list[Path], packaged: Path) -> int:
    """Compare every pixel of a packaged file with Pillow's reading of every PNG; return how many.

    Raises:
        MetaoptError: a drawing is missing, not among the official ones, or not equal.
    """
    packed = decode(packaged.read_bytes())
    row = {character: i for i, character in enumerate(packed.characters)}
    column = {drawer: j for j, drawer in enumerate(packed.drawers)}
    seen = set()
    for character, drawer, png in chain.from_iterable(map(png_drawings, archives)):
        if character not in row or drawer not in column:
            raise MetaoptError(f"{packaged} lacks {character}_{drawer}")
        with Image.open(io.BytesIO(png)) as image:
            grey = np.frombuffer(image.convert("L").tobytes(), np.uint8).reshape(SIDE, SIDE)
        if not np.array_equal(unpack(packed.bits[row[character], column[drawer]]), grey == 0):
            raise MetaoptError(f"{character}_{drawer} in {packaged} differs from its PNG")
        seen.add((character, drawer))
    if len(seen) != len(row) * len(column):
        raise MetaoptError(f"{packaged} holds {len(row) * len(column)} drawings, not {len(seen)}")
    return len(seen)


def vinyals_json(directory: Path) -> str:
    """The three lists of `directory` as {split: {alphabet: [character numbers]}}.

    Raises:
        MetaoptError: a character's four rotations are not in one split.
    """
    lists: dict[str, dict[str, list[int]]] = {}
    for part, file in (("train", "train"), ("validation", "val"), ("test", "test")):
        lines = (directory / f"{file}.txt").read_text("utf-8").split()
        names = sorted({line.rpartition("/")[0] for line in lines})
        if set(lines) != {f"{name}/rot{turn:03d}" for name in names for turn in (0, 90, 180, 270)}:
            raise MetaoptError(f"{file}.txt must list every character in four rotations")
        for name in names:
            alphabet, _, character = name.partition("/character")
            lists.setdefault(part, {}).setdefault(alphabet, []).append(int(character))
    return _one_line_per_alphabet(lists)


def _one_line_per_alphabet(lists: dict[str, dict[str, list[int]]]) -> str:
    parts = []
    for part, alphabets in lists.items():
        rows = [f"    {json.dumps(name)}: {json.dumps(ns)}" for name, ns in alphabets.items()]
        parts.append(f"  {json.dumps(part)}: {{\n" + ",\n".join(rows) + "\n  }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _identity(archive: bytes) -> str:
    sha256 = hashlib.sha256(archive).hexdigest()
    if sha256 in _USED:
        return f"SHA-256 {sha256}, the archive that the packaged file was built from"
    if hashlib.md5(archive, usedforsecurity=False).hexdigest() in _OFFICIAL:
        return f"SHA-256 {sha256}, the official download"
    return f"warning: SHA-256 {sha256} is not known; compare the SHA-256 of the content instead"


if __name__ == "__main__":
    sys.exit(main())
