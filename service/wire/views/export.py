"""What can be exported, in which formats, under which media types and names."""

import re
from typing import Literal

What = Literal["trials", "reports", "scores"]
Format = Literal["csv", "json", "parquet"]

MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
}


def file_stem(name: str) -> str:
    """The study's name as a file can have it on every system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "study"
