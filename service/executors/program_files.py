"""Files of compiled programs: written whole or not at all; the record of what compiling took."""

import json
import os
from pathlib import Path


def write_whole(path: Path, data: dict[str, object]) -> None:
    """Write JSON so that a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    partial.write_text(json.dumps(data))
    partial.replace(path)


def compile_record(directory: Path, model: str) -> Path:
    """Where the latest compilation of a kind of model is recorded."""
    return directory / f"compiled-{model}.json"
