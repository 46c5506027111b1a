"""docker-compose.yml and the Dockerfile, checked without an engine."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from service.variables import OF_CLIENTS, OF_SETTINGS
from tests.command_line import parse

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
KNOWN = {*OF_SETTINGS, *OF_CLIENTS}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILE.read_text())
    found: dict[str, Any] = document["services"]
    return found


def test_the_file_follows_the_compose_schema() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", FILE],
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_command_is_one_of_ours(services: dict[str, Any]) -> None:
    commands = [one["command"] for one in services.values() if "command" in one]
    assert ["db", "upgrade"] in commands and ["api"] in commands and ["dispatcher"] in commands
    for command in commands:
        parse(command)


def test_every_variable_is_a_setting(services: dict[str, Any]) -> None:
    named = {
        name
        for one in services.values()
        for name in one.get("environment", {})
        if name.startswith("METAOPT_")
    }
    assert named and named <= KNOWN


def test_whoever_takes_data_and_whoever_reads_them_share_a_directory(
    services: dict[str, Any],
) -> None:
    for name in ("api", "dispatcher", "dispatcher-cpu"):
        assert "data:/data" in services[name]["volumes"]
        assert services[name]["environment"]["METAOPT_DATA_DIRECTORY"] == "/data"


def test_variables_that_the_dockerfile_and_the_comments_name_are_settings() -> None:
    for path in (ROOT / "Dockerfile", FILE):
        named = set(re.findall(r"METAOPT_[A-Z_]+", path.read_text()))
        assert named and named <= KNOWN


def test_images_are_pinned(services: dict[str, Any]) -> None:
    images = {one["image"] for one in services.values()}
    base = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for image in (*images, *base):
        assert re.fullmatch(r"[\w/.-]+:\d+\.\d+[\w.-]*", image), image


def test_ports_are_published_to_this_machine_alone(services: dict[str, Any]) -> None:
    published = [port for one in services.values() for port in one.get("ports", [])]
    assert published == ["127.0.0.1:8000:8000"]


def test_no_password_has_a_default(services: dict[str, Any]) -> None:
    uses = re.findall(r"\$\{POSTGRES_PASSWORD(.{2})", FILE.read_text())
    assert uses and set(uses) == {":?"}
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${")


def test_everything_but_postgres_waits_for_the_tables(services: dict[str, Any]) -> None:
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in set(services) - {"postgres", "migrate"}:
        waits = services[name]["depends_on"]
        assert waits == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_api_listens_to_its_network_only_with_keys(services: dict[str, Any]) -> None:
    environment = services["api"]["environment"]
    assert environment["METAOPT_HOST"] == "0.0.0.0"
    assert environment["METAOPT_API_KEYS_FILE"] == "/run/secrets/api_keys"
    assert services["api"]["secrets"] == ["api_keys"]


def test_the_two_dispatchers_differ_in_the_gpu_alone(services: dict[str, Any]) -> None:
    gpu, cpu = dict(services["dispatcher"]), dict(services["dispatcher-cpu"])
    assert (gpu.pop("profiles"), cpu.pop("profiles")) == (["gpu"], ["cpu"])
    devices = gpu.pop("deploy")["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    meant = {**cpu.pop("environment"), "METAOPT_DEVICES": "cuda"}  # or it would train on cores
    assert gpu.pop("environment") == meant
    assert gpu == cpu


def test_a_drain_has_time_to_end(services: dict[str, Any]) -> None:
    grace = int(services["dispatcher"]["stop_grace_period"].removesuffix("s"))
    longest = 2 * Settings.model_fields["segment_seconds"].default
    assert grace > longest


def test_the_build_gets_what_the_dockerfile_copies() -> None:
    copied = re.findall(r"^COPY (.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    names = {name for line in copied for name in line.split()}
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0:1] == "!"
    }
    assert names == allowed


def test_the_image_begins_with_torch_and_ends_with_the_service() -> None:
    text = (ROOT / "Dockerfile").read_text()
    (program,) = re.findall(r"python -c '(.+?)' > torch.txt", text, re.DOTALL)
    program = program.replace("\\\n", "")
    made = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert re.fullmatch(r"torch>=\S+\n", made.stdout), made.stderr
    assert "RUN pip install -c constraints.txt '.[server,blobs]'\n" in text


def test_make_installs_the_service() -> None:
    text = (ROOT / "Makefile").read_text()
    installs = re.findall(r"\$\(INSTALL\) (.+)", text)
    assert installs == ["-e '.[server]'", "-e '.[dev]'"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "metaopt[server,parquet,blobs]" in extras["optional-dependencies"]["test"]


def test_constraints_leave_torch_and_addresses_to_the_machine() -> None:
    lines = [
        line
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert len(lines) > 50
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9A-Za-z.]+", line), line
        assert not re.match(r"(torch|triton|nvidia)", line)
