"""Names, ids and paths of requests: none leads out of where things are kept."""

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from service.settings import Settings
from tests.fakes.access import THERE, Keys, ask, asked, make_server

SECRET = "only-the-operator-knows"
BROWSER = {"Accept-Encoding": "gzip", "If-Match": "*"}
STEPS = (
    "..", "%2e%2e", "%252e%252e", "..%00", "....", ".%2e", "..;", "\\u002e\\u002e", "..%c0%af",
    "%uff0e%uff0e",
)  # fmt: skip
PARTS = ("/", "\\", "%2f", "%5c", "%252f", "//", "/./")
ENDS = ("secret.txt", "secret.txt%00", "secret.txt%00.safetensors", "secret.json", "secret")


def hostile(target: Path) -> list[str]:
    """Five hundred ways to say a file outside."""
    relative = [
        part.join([step] * depth + [end])
        for step, part, depth, end in itertools.product(STEPS, PARTS, (1, 3, 6), ENDS)
    ]
    absolute = [
        f"{form}{target}" for form in ("", "/", "//", "file://", "sha256:", "\\\\?\\", "~/")
    ]
    every = len(relative) // (500 - len(absolute)) or 1
    chosen = [*absolute, *relative[::every]][:500]
    assert len(set(chosen)) == 500
    return chosen


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # files do not depend on the kind of database


@pytest.fixture
def server(settings: Settings, engine: Engine, tmp_path: Path) -> Iterator[tuple[FastAPI, Keys]]:
    app, keys = make_server(settings, engine, tmp_path / "server")
    yield app, keys
    app.state.dashboard.close()
    app.state.context.engine.dispose()


_touched: list[tuple[str, str]] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _touched is not None and event in ("open", "os.remove", "os.rename", "os.mkdir"):
        _touched.extend((event, str(one)) for one in arguments[:2] if isinstance(one, str | Path))


sys.addaudithook(_watch)  # hooks stay; this one does nothing unless somebody looks


def test_no_name_leads_out_of_where_things_are_kept(
    server: tuple[FastAPI, Keys], settings: Settings, tmp_path: Path
) -> None:
    global _touched
    app, keys = server
    outside = tmp_path / "outside"
    outside.mkdir()
    for end in ("secret.txt", "secret.json", "secret", "secret.safetensors"):
        for folder in (outside, tmp_path, settings.data_directory):
            (folder / end).write_text(SECRET)
    before = files_of(tmp_path, settings)
    said: list[str] = []
    _touched = []
    for method, path in requests(hostile(outside / "secret.txt")):
        answer = ask(app, method, path, key=keys.everywhere, headers=BROWSER)
        if SECRET.encode() in answer.body or answer.status >= 500:
            said.append(f"{answer.status} {method} {path}")
    touched, _touched = _touched, None
    assert said == []
    assert [one for one in touched if "secret" in one[1]] == []
    assert files_of(tmp_path, settings) == before


def test_what_is_asked_here_arrives_as_a_server_decodes_it(server: tuple[FastAPI, Keys]) -> None:
    app, keys = server
    assert ask(app, "GET", "/%75i%2Fstyle.css", key=keys.reader).status == 200


def requests(names: list[str]) -> Iterator[tuple[str, str]]:
    """Each name once in every place that takes one, as it is and quoted, in turn."""
    places = sorted(
        {
            (one.method, one.template)
            for one in asked()
            if one.policy is not None and "{" in one.template and one.method != "HEAD"
        }
    )
    places += [("GET", "/static/{name}"), ("GET", "/dashboard/{name}"), ("GET", "/csv/{name}")]
    places += [("GET", "/api/studies/{name}"), ("GET", "/artifacts/1/{name}")]
    forms: tuple[Callable[[str], str], ...] = (str, lambda name: quote(name, safe=""))
    for number, name in enumerate(names):
        for place, (method, template) in enumerate(places):
            if (place + number) % 8:  # each name in an eighth of the places: all pairs of both
                continue
            values = dict.fromkeys(THERE, forms[number // 8 % 2](name))
            yield method, template.format(**values)
        yield "GET", f"/api/v1/studies:find?ref={quote(name, safe='')}"


def files_of(tmp_path: Path, settings: Settings) -> set[Path]:
    """All files but those that the database writes, and locks."""
    skip = ("metaopt.db", ".lock", ".staying")
    roots = tmp_path, settings.data_directory
    return {
        path
        for root in roots
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith(skip)
    }
