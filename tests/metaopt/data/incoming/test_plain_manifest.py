"""Whatever stands in the place of a manifest: the manifest, or a sentence with the field."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt.data.incoming.plain_manifest import read_manifest
from metaopt.data.manifest import Manifest
from metaopt.data.reading import read
from metaopt.errors import InvalidManifest
from tests.fakes.pictures import animals, write_files
from tests.properties import examples


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder: Path = tmp_path_factory.mktemp("animals")
    return read(write_files(folder, animals()))[1].manifest


def plain(manifest: Manifest) -> dict[str, Any]:
    return dict(json.loads(manifest.to_json()))


def test_what_was_written_is_read(manifest: Manifest) -> None:
    assert read_manifest(plain(manifest)) == manifest
    short = {k: v for k, v in plain(manifest).items() if v not in ([], None)}
    assert read_manifest(short).digest == manifest.digest


@pytest.mark.parametrize(
    ("change", "field", "rule"),
    [
        ({"version": 2}, "version", "must be 1, which this program reads"),
        ({"kind": []}, "kind", "must be one of"),
        ({"knd": 1}, "knd", "did you mean kind?"),
        ({"a\nb": 1}, "a\\nb", "is not a known field"),
        ({"groups": {"a": 1}}, "groups", "must be a list"),
        ({"groups": [7]}, "groups[0]", "must be an object, got 7"),
        ({"groups": [{"name": "a"}]}, "groups[0].examples", "is required"),
        ({"groups": [{"name": "a", "examples": 1, "x": 1}]}, "groups[0].x", "is not a known"),
        ({"features": "abc"}, "features", "must be a list"),
        ({"input_shape": None}, "input_shape", "must be a list"),
    ],
)
def test_what_is_none_is_refused_with_its_field(
    manifest: Manifest, change: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(InvalidManifest) as refused:
        read_manifest({**plain(manifest), **change})
    assert refused.value.broken[0][0] == field and rule in refused.value.broken[0][1]


def test_a_field_that_is_missing_is_named(manifest: Manifest) -> None:
    for needed in ("kind", "target", "input_shape", "outputs", "groups", "arrays"):
        data = plain(manifest)
        del data[needed]
        with pytest.raises(InvalidManifest, match=f"{needed} is required"):
            read_manifest(data)
    for nothing in (None, [], 7, "x"):
        with pytest.raises(InvalidManifest, match="manifest must be an object"):
            read_manifest(nothing)


def test_no_more_rules_are_told_than_somebody_reads(manifest: Manifest) -> None:
    with pytest.raises(InvalidManifest) as refused:
        read_manifest({**plain(manifest), "groups": [0] * 1_000_000})
    assert len(refused.value.broken) == 20


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=6,
)


def test_anything_in_any_field_is_a_manifest_or_a_refusal(manifest: Manifest) -> None:
    said = plain(manifest)

    @settings(max_examples=examples(200), deadline=None)
    @given(field=st.sampled_from(sorted(said)), value=ANYTHING, inside=st.booleans())
    def try_out(field: str, value: Any, inside: bool) -> None:
        first, *others = said["groups"]
        changed = {**said, field: value}
        if inside:
            changed = {**said, "groups": [{**first, "name": value, "support": value}, *others]}
        try:
            read = read_manifest(changed)
        except InvalidManifest as error:
            assert error.broken and all(rule for _, rule in error.broken)
        else:
            assert Manifest.from_json(read.to_json()) == read

    try_out()
