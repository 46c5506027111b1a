"""A command's answer: a page for people on stdout, and as JSON where `--json F` asks for it.

A listing is an array of the API's objects, one thing is the API's object, and a study is a
`StudyDocument` with whatever the command knows of it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from service.cli.console import write_json


def answer(json: Path | None, document: Any, page: Callable[[], None]) -> None:
    """Write `document` to the file `json`, if one is given, and print `page` unless that is stdout.

    Args:
        json: What `--json` names; `-` is stdout.
        document: Messages of the API, alone or in lists and mappings, or plain data.
        page: Prints it for people.
    """
    write_json(json, _plain(document))
    if str(json) != "-":
        page()


def _plain(document: Any) -> Any:
    if isinstance(document, BaseModel):
        return document.model_dump(mode="json")
    if isinstance(document, Mapping):
        return {name: _plain(value) for name, value in document.items()}
    return [_plain(one) for one in document] if isinstance(document, list) else document
