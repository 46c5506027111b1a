"""Texts with classes, from a table: each text becomes hashed n-grams (`metaopt.data.ngrams`)."""

from pathlib import Path

from metaopt.data.groups import Meaning, grouped
from metaopt.data.limits import check_bytes
from metaopt.data.ngrams import LENGTHS, vectors
from metaopt.data.pack import Packed
from metaopt.data.packing import FEATURES, Packing
from metaopt.data.readers import csv_file, parquet
from metaopt.data.table import Table


def read_csv(path: Path, packing: Packing) -> Packed:
    """Pack a CSV file with a column of texts.

    Raises:
        InvalidData: It is none, or has too few classes.
    """
    return packed(csv_file.read(path, packing, texts=True), packing)


def read_parquet(path: Path, packing: Packing) -> Packed:
    """Pack a Parquet file with a column of texts.

    Raises:
        InvalidData: It is none, or has too few classes.
    """
    return packed(parquet.read(path, packing, texts=True), packing)


def packed(table: Table, packing: Packing) -> Packed:
    """Pack texts.

    Raises:
        InvalidData: Too few classes, or too many texts.
    """
    features = packing.features or FEATURES
    assert table.roles.text is not None
    texts = table.words(table.roles.text)
    codes = texts.codes()
    check_bytes(4 * features * len(codes), "fewer features, or fewer texts, make them smaller")
    x = vectors(texts.words, features)[codes]
    said = {
        "class": table.roles.group,
        "text": table.roles.text,
        "features": features,
        "ngrams": list(LENGTHS),
    }
    if table.roles.split is not None:
        said["split"] = table.roles.split
    meaning = Meaning("text", "class", said, packing.licence)
    return grouped(meaning, x, table.of, table.keys, named=table.named)
