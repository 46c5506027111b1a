"""Plug-ins as workers describe them, by real processes: one at fault is refused, and no other."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from metaopt.plugins.allowed import Allowed
from metaopt.plugins.described import Described, Needed
from metaopt.plugins.sources import Sources
from service.executors.base import Plugin, SegmentFailed, SegmentOrder, Slot
from service.executors.local import LocalExecutor
from service.executors.plugins import Plugins, describe_plugins
from tests.fakes.plugins import importable, install, install_toys
from tests.service.executors.test_local import order, report_of

SLOT = Slot("cpu:0", "cpu")
TOYS = Allowed("metaopt-toys", "1.0")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    directory = tmp_path / "packages"
    directory.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(directory), prepend=os.pathsep)
    with importable(directory):
        yield directory


def describe(*packages: Allowed, files: tuple[str, ...] = (), seconds: float = 120.0) -> Plugins:
    return describe_plugins(Sources(packages, files), [SLOT], os.environ, seconds=seconds)


def by_name(plugins: Plugins) -> dict[str, Described]:
    return {one.name: one for one in plugins.described()}


def bad(directory: Path, name: str, code: str) -> Allowed:
    """Install a package whose import runs `code`."""
    files = {f"{name}/tasks.py": code}
    install(directory, name, "1.0", files, {"metaopt.tasks": {name: f"{name}.tasks:KIND"}})
    return Allowed(name, "1.0")


def test_what_is_not_allowed_is_told_without_a_process(packages: Path) -> None:
    install_toys(packages)
    plugins = describe(seconds=0.0)
    assert plugins.on(SLOT) == frozenset()
    told = by_name(plugins)["parabola"]
    assert told.record is None and "METAOPT_PLUGINS" in str(told.refused)


def test_one_that_kills_its_process_is_refused_and_no_other(packages: Path) -> None:
    install_toys(packages)
    noise = "import os, sys\nprint('{\"described\": []}', flush=True)\n"
    deadly = bad(packages, "deadly", f"{noise}print('so long', file=sys.stderr)\nos._exit(3)\n")
    raising = bad(packages, "raising", "raise ValueError('no \\x00 \\ud800 ' + 9999 * '.')")
    plugins = describe(TOYS, deadly, raising)
    described = by_name(plugins)
    assert described["parabola"].record is not None
    assert {one.name for one in plugins.on(SLOT)} >= {"parabola", "pulled"}
    why = str(described["raising"].refused)  # as every database takes it
    assert r"no \u0000 \ud800" in why and len(why) <= 2000
    refused = str(described["deadly"].refused)
    assert refused == "the process that imported it ended with exit code 3: so long"


def test_one_that_hangs_is_refused_and_killed_with_what_it_started(packages: Path) -> None:
    started = packages / "started"
    file = packages / "hanging.py"
    file.write_text(
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"open({str(started)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(1000)\n"
    )
    (refused,) = describe(files=(str(file),), seconds=5.0).described()
    assert refused.refused == "importing it took longer than 5 s"
    assert not Path(f"/proc/{started.read_text()}/cmdline").exists() or not _runs(started)


def _runs(pid_file: Path) -> bool:
    state = Path(f"/proc/{pid_file.read_text()}/stat").read_text().rpartition(")")[2].split()[0]
    return state not in "ZX"


def test_a_worker_trains_what_it_was_provided_with_and_nothing_else_after_it(
    packages: Path, tmp_path: Path
) -> None:
    install_toys(packages)
    plugins = describe(TOYS)
    executor = LocalExecutor([SLOT], tmp_path / "logs", plugins=plugins)
    try:
        ours = order(study_id="ours", admit=order().admit[:1])
        report_of(executor.submit("cpu:0", ours))
        before = executor.worker_pids()
        report = report_of(executor.submit("cpu:0", with_pulled(plugins)))
        assert report.lanes[0].scores is not None
        assert executor.worker_pids() == before
        report_of(executor.submit("cpu:0", replace(ours, study_id="after")))
        assert executor.worker_pids() != before  # in which somebody's code has run
        other = with_pulled(plugins, digest="0" * 64)
        with pytest.raises(SegmentFailed, match="the study needs") as failed:
            report_of(executor.submit("cpu:0", other))
        assert failed.value.invalid
    finally:
        executor.close()


def with_pulled(plugins: Plugins, **changes: str) -> SegmentOrder:
    pulled = by_name(plugins)["pulled"]
    assert Plugin("algorithms", "pulled", pulled.digest) in plugins.on(SLOT)
    needed = Needed("algorithms", "pulled", pulled.package, pulled.version, pulled.digest)
    whole = order(study_id="theirs")
    lane = replace(whole.admit[0], params={**whole.admit[0].params, "pull": 0.1, "test_steps": 0})
    signature = {**whole.signature, "algorithm": "pulled", "structure": {"meta_batch": 4}}
    data = {**needed.to_json(), **changes}
    return replace(whole, signature=signature, admit=[lane], plugins=[data])
