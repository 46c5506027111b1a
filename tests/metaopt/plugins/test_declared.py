"""What installed packages declare, without an import of theirs."""

import shutil
import subprocess
import sys
from pathlib import Path

from metaopt.plugins.allowed import Allowed, parse_allowed
from metaopt.plugins.declared import Declaration, declared
from metaopt.plugins.sources import Sources
from tests.fakes.plugins import install, install_toys

TOYS = {"metaopt.tasks": {"parabola": "toys.tasks:KIND"}}


def of(allowed: str) -> tuple[Declaration, ...]:
    return declared(Sources(parse_allowed(allowed)))


def test_all_entry_points_are_told_in_order_with_one_digest(site: Path) -> None:
    install_toys(site)
    found = of("Metaopt_Toys==1.0")
    assert [(one.family, one.name, one.value) for one in found] == [
        ("algorithms", "pulled", "metaopt_toys.algorithms:KIND"),
        ("models", "net", "metaopt_toys.nets:Net"),
        ("tasks", "parabola", "metaopt_toys.tasks:KIND"),
    ]
    assert {(one.package, one.version, one.refused) for one in found} == {
        ("metaopt-toys", "1.0", None)
    }
    assert len({one.digest for one in found}) == 1 and len(found[0].digest) == 64


def test_nothing_is_imported_and_torch_is_not_loaded(site: Path) -> None:
    install(site, "toys", "1.0", {"toys/tasks.py": "raise SystemExit('imported')\n"}, TOYS)
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r})\n"
        "from metaopt.plugins.allowed import parse_allowed\n"
        "from metaopt.plugins.declared import declared\n"
        "from metaopt.plugins.sources import Sources\n"
        "(one,) = declared(Sources(parse_allowed('toys==1.0')))\n"
        "assert one.refused is None and one.digest\n"
        "assert not {'torch', 'toys', 'toys.tasks'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_is_not_allowed_is_told_with_the_way_out(site: Path) -> None:
    install_toys(site)
    (one, *_) = of("")
    assert one.digest == ""
    assert one.refused == (
        "the package metaopt-toys 1.0 is installed and not allowed: add metaopt-toys==1.0 to "
        "METAOPT_PLUGINS"
    )
    (one, *_) = of("metaopt-toys==1.1")
    assert one.refused == (
        "metaopt-toys==1.1 is allowed and 1.0 is installed: install metaopt-toys==1.1, or write "
        "metaopt-toys==1.0 in METAOPT_PLUGINS"
    )


def test_what_is_allowed_and_not_there_is_told_by_package(site: Path) -> None:
    (one,) = of("nowhere==2.0")
    assert (one.package, one.name) == ("nowhere", "")
    assert one.refused == "nowhere==2.0 is allowed in METAOPT_PLUGINS and not installed here"
    install(site, "empty", "1.0", {"empty/code.py": ""}, {"console_scripts": {"x": "empty:code"}})
    (one,) = of("empty==1.0")
    assert (
        one.refused is not None and "empty 1.0 has no entry point of metaopt.tasks" in one.refused
    )


def test_metadata_that_cannot_be_read_is_an_error_of_that_package_alone(site: Path) -> None:
    install_toys(site)
    install(site, "broken", "1.0", {"broken/code.py": ""}, TOYS)
    (site / "broken-1.0.dist-info" / "entry_points.txt").write_text("[metaopt.tasks]\nx\n")
    assert {one.package for one in of("")} == {"metaopt-toys"}
    broken, *rest = of("broken==1.0")
    assert broken.refused is not None and "cannot be read" in broken.refused
    assert {one.package for one in rest} == {"metaopt-toys"}


def test_a_digest_is_of_contents_alone(site: Path, tmp_path: Path) -> None:
    install(site, "toys", "1.0", {"toys/tasks.py": "A = 1\n"}, TOYS)
    (first,) = of("toys==1.0")
    (site / "toys" / "__pycache__").mkdir()
    (site / "toys" / "__pycache__" / "tasks.cpython-312.pyc").write_bytes(b"compiled")
    (site / "toys-1.0.dist-info" / "INSTALLER").write_text("uv\n")
    metadata = site / "toys-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + "Summary: of another builder\n")
    (site / "toys" / "tasks.py").touch()
    assert of("toys==1.0") == (first,)
    (site / "toys" / "tasks.py").write_text("A = 2\n")
    (changed,) = of("toys==1.0")
    assert changed.digest != first.digest
    (site / "toys" / "tasks.py").unlink()
    (gone,) = of("toys==1.0")
    assert gone.digest not in (first.digest, changed.digest)


def test_an_editable_package_is_digested_by_its_folder(site: Path) -> None:
    files = {"toys/tasks.py": "A = 1\n", "toys/deep/more.py": "B = 1\n"}
    install(site, "toys", "1.0", files, TOYS, record=False)
    (first,) = of("toys==1.0")
    assert of("toys==1.0") == (first,)
    shutil.rmtree(site / "toys-1.0.dist-info")
    install(site, "toys", "1.0", files, TOYS)
    assert of("toys==1.0") == (first,)  # as it is without being editable
    shutil.rmtree(site / "toys-1.0.dist-info")
    install(site, "toys", "1.0", files, TOYS, record=False)
    (site / "toys" / "deep" / "more.py").write_text("B = 2\n")
    (second,) = of("toys==1.0")
    assert second.digest != first.digest
    shutil.rmtree(site / "toys")
    (site / "toys.py").write_text("C = 1\n")
    (third,) = of("toys==1.0")
    (site / "toys.py").write_text("C = 2\n")
    (fourth,) = of("toys==1.0")
    assert third.digest != fourth.digest


def test_sources_survive_json() -> None:
    sources = Sources((Allowed("toys", "1.0"),), ("./mine.py",))
    assert Sources.from_json(sources.to_json()) == sources
    assert sources and not Sources()
