"""What the doctor finds on this machine: it tries what it says that works."""

from pathlib import Path

import pytest

from service.cli.findings.finding import Level
from service.cli.findings.machine import compiler, describe_slots, slots
from service.executors.base import Slot
from service.executors.devices import Broken
from service.executors.slots import Found, device_slots
from tests.service.executors.test_devices import LISTED


def test_a_missing_compiler_is_worth_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    (finding,) = compiler()
    assert finding.level == Level.WARN
    assert "no-such-compiler" in finding.text and "CXX" in finding.remedy


def test_a_compiler_that_is_there_and_compiles_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\necho 'fatal error: omp.h: No such file' >&2; exit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    (finding,) = compiler()
    assert finding.level == Level.WARN
    assert "compiles nothing: fatal error: omp.h: No such file" in finding.text
    broken.chmod(0o644)
    (finding,) = compiler()
    assert finding.level == Level.WARN and "Permission denied" in finding.text


def test_devices_are_named_and_what_does_not_work_is_a_warning_with_a_remedy() -> None:
    found = Found(device_slots(LISTED, 8), [Broken("GPU 2 (A)", "it is worn out")])
    works, broken = describe_slots(found)
    assert (works.level, broken.level) == (Level.OK, Level.WARN)
    assert "2 slots on GPU 0 (NVIDIA H200), GPU 1 (NVIDIA H200)" in works.text
    assert broken.text == "GPU 2 (A) does not work: it is worn out"
    assert "METAOPT_DEVICES" in broken.remedy


def test_devices_that_were_asked_for_and_do_not_work_are_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("METAOPT_DEVICES", "cuda")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")
    (finding,) = slots()
    assert finding.level == Level.FAIL
    assert "NoDevFiles" in finding.text and "METAOPT_DEVICES=auto" in finding.text


def test_a_torch_that_does_not_load_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    path = f"{Path(__file__).parents[4]}:{tmp_path}"
    (finding,) = describe_slots(Found([Slot("cpu:0", "cpu", {"PYTHONPATH": path})]))
    assert finding.level == Level.FAIL and "libgomp.so.1" in finding.text
