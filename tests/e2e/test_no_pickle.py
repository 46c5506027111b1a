"""Nothing that another process or user wrote is unpickled: not by API, dispatcher or workers."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Engine

from service.wire.spec.study import StudySpec
from tests.e2e.conftest import Start
from tests.e2e.test_kills import kinds, progress, status
from tests.e2e.test_login_browser import SERVE, is_up
from tests.fakes.processes import kill
from tests.fakes.specs import TINY
from tests.fakes.studies import submit
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

# An audit hook in every Python process that starts: says that it is there, and each unpickling.
WATCH = """
import os, sys, traceback

def say(text):
    with open({log!r}, "a") as file:
        file.write(text + "\\n")

def watch(event, arguments):
    if event == "pickle.find_class":
        stack = [f"{{f.filename}}:{{f.lineno}}" for f in traceback.extract_stack()[-6:-1]]
        say(f"UNPICKLED {{arguments}} {{stack}}")

sys.addaudithook(watch)
say(f"WATCHED {{sys.orig_argv!r}}")
"""


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_process_unpickles_anything(
    engine: Engine, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, hooks = tmp_path / "pickles", tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(WATCH.format(log=str(log)))
    root = str(Path(__file__).parents[2])
    monkeypatch.setenv("PYTHONPATH", f"{hooks}{os.pathsep}{root}")
    spec = {name: part for name, part in TINY.items() if name != "gates"}
    study_id = submit(engine, StudySpec.model_validate(spec))
    dispatcher = start(METAOPT_COMPILE="never", METAOPT_SLOTS="1")
    wait_until(lambda: progress(engine, study_id) > 0, 60, what="a first checkpoint")
    for victim in dispatcher.worker_pids():
        kill(victim)
    wait_until(lambda: "worker_lost" in kinds(engine, study_id), 20, what="a lost worker")
    wait_until(lambda: status(engine, study_id) == "completed", 120, what="the study")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url, data = f"http://127.0.0.1:{port}", tmp_path / "database"
    environment = {**os.environ, "METAOPT_DATABASE_URL": str(engine.url)}
    server = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port), str(data)], env=environment, cwd=root
    )
    try:
        wait_until(lambda: is_up(url), 90, what="the server")
        study = f"{url}/api/v1/studies/{study_id}"
        pages = ["", "/trials", "/result", "/report", "/page", "/export", "/weights", "/events"]
        for page in [*(study + page for page in pages), f"{url}/api/studies", f"{url}/metrics"]:
            assert httpx2.get(page, timeout=30).status_code == 200, page
    finally:
        server.terminate()
        server.wait(timeout=30)
    lines = log.read_text().splitlines()
    watched = [line for line in lines if line.startswith("WATCHED")]
    for process in ("service.daemon", "service.executors.", "create_app"):
        assert any(process in line for line in watched), (process, watched)
    assert sum("service.executors." in line for line in watched) >= 2  # and again
    assert [line for line in lines if line.startswith("UNPICKLED")] == []
