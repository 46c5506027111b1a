"""docs/architecture.md is held to the contracts and to the tree."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PICTURE = PAGE.split("```mermaid")[1].split("```")[0]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]


def layers(name: str) -> list[set[str]]:
    (contract,) = [contract for contract in CONTRACTS if contract["name"] == name]
    return [set(re.findall(r"[\w.]+", layer)) for layer in contract["layers"]]


def test_arrows_of_the_picture_go_down_the_layers() -> None:
    level = {room: i for i, rooms in enumerate(layers("service goes one way")) for room in rooms}
    arrows = [
        (upper, lower)
        for line in PICTURE.splitlines()
        for left, right in re.findall(
            r"(?=(?<![\w&] )\b(\w+(?: & \w+)*) --> (\w+(?: & \w+)*))", line
        )
        for upper in left.split(" & ")
        for lower in right.split(" & ")
        if upper in level and lower in level
    ]
    assert len(arrows) > 15
    assert [(a, b) for a, b in arrows if level[a] >= level[b]] == []


@pytest.mark.parametrize("package", ["service", "metaopt"])
def test_every_package_has_its_place_on_the_page(package: str) -> None:
    rooms = [p.parent.name for p in (ROOT / package).glob("*/__init__.py")]
    assert [room for room in rooms if f"`{package}/{room}/`" not in PAGE] == []


def test_every_room_of_the_dispatcher_is_described() -> None:
    part = PAGE.split("## Inside the dispatcher")[1].split("\n## ")[0]
    folder = ROOT / "service" / "dispatcher"
    rooms = [f"{p.parent.name}/" for p in folder.glob("*/__init__.py")]
    files = [p.name for p in folder.glob("*.py") if p.name not in ("__init__.py", "checkpoints.py")]
    assert [name for name in rooms + files if f"`{name}`" not in part] == []
    named = re.findall(r"`([\w.]+/?)`", part)
    assert [name for name in named if not (folder / name).exists() and name != "store/"] == []


def test_no_folder_is_crowded() -> None:
    folders = {p.parent for top in ("service", "metaopt") for p in (ROOT / top).rglob("*.py")}
    crowded = {
        str(folder.relative_to(ROOT)): many
        for folder in folders
        if (many := len(list(folder.glob("*.py")))) > 22
    }
    assert crowded == {}
