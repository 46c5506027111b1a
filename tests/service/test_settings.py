"""Variables that are empty mean what those mean that are not set."""

from pathlib import Path

import pytest

from service.client.client import DEFAULT_URL, Client, api_key_of
from service.client.errors import NotConfigured
from service.settings import Settings
from service.variables import variable

FIELDS = sorted(Settings.model_fields)


@pytest.mark.parametrize("blank", ["", " ", "\t \n"])
@pytest.mark.parametrize("field", FIELDS)
def test_an_empty_setting_is_as_one_that_is_not_set(
    field: str, blank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(f"METAOPT_{field.upper()}", raising=False)
    unset = Settings()
    monkeypatch.setenv(f"METAOPT_{field.upper()}", blank)
    assert Settings() == unset
    assert Settings(**{field: blank}) == unset


@pytest.mark.parametrize("name", ["METAOPT_URL", "METAOPT_API_KEY", "METAOPT_API_KEY_FILE"])
def test_an_empty_variable_of_the_client_is_as_one_that_is_not_set(name: str) -> None:
    with Client.from_environment({name: "  "}) as client:
        assert client.url == DEFAULT_URL
    assert api_key_of({name: "  "}) is None


def test_a_key_that_cannot_be_sent_is_named() -> None:
    for key in ("schlüssel", "mo_a\nX: y"):
        with pytest.raises(NotConfigured, match="METAOPT_API_KEY"):
            api_key_of({"METAOPT_API_KEY": key})
    assert api_key_of({"METAOPT_API_KEY": "mo_a\n"}) == "mo_a"


def test_a_value_is_handed_on_as_it_is() -> None:
    given = {"A": " x ", "B": "0", "C": ""}
    assert [variable(given, name) for name in "ABCD"] == [" x ", "0", None, None]


def test_programs_lie_in_the_data_directory_or_where_they_are_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(tmp_path))
    assert Settings().programs() == tmp_path / "programs"
    monkeypatch.setenv("METAOPT_PROGRAMS_DIRECTORY", str(tmp_path / "elsewhere"))
    assert Settings().programs() == tmp_path / "elsewhere"


def test_the_data_directory_is_never_the_current_one_by_an_empty_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", "")
    assert Settings().url().database == str(tmp_path / "metaopt-data" / "metaopt.db")


def test_a_list_of_plugins_that_is_none_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("METAOPT_PLUGINS", "one==1.0, other>=2")
    with pytest.raises(ValueError, match="package==version, got 'other>=2'"):
        Settings()


def test_proxies_are_addresses_and_networks() -> None:
    settings = Settings(trusted_proxies=" 10.0.0.5,172.18.0.0/16 ,, 2001:db8::/32")
    assert settings.proxies() == ["10.0.0.5", "172.18.0.0/16", "2001:db8::/32"]
    assert Settings().proxies() == []
    for wrong in ("*", "localhost", "10.0.0.5/8", "proxy.example", "10.0.0"):
        with pytest.raises(ValueError, match="must be addresses and networks"):
            Settings(trusted_proxies=f"127.0.0.1, {wrong}")


def test_labels_are_names_with_values() -> None:
    assert Settings().labels_by_name() == {}
    found = Settings(labels=" pool = night,room=7 ,").labels_by_name()
    assert found == {"pool": "night", "room": "7"}
    for wrong in (
        "pool",
        "pool=",
        "=night",
        "a b=c",
        "pool=a=b",
        "pool=a,pool=b",
        "pool=" + "x" * 64,
    ):
        with pytest.raises(ValueError, match="must (be NAME=VALUE|name each label once)"):
            Settings(labels=wrong)


def test_a_store_of_blobs_is_named_without_keys() -> None:
    assert Settings().blobs().url is None
    assert Settings(blobs_url="s3://bucket/of/team").blobs().url == "s3://bucket/of/team"
    with pytest.raises(ValueError, match="METAOPT_DATA_DIRECTORY has") as refused:
        Settings(blobs_url="s3://key:hidden@bucket")
    assert "hidden" not in str(refused.value.errors()[0]["msg"])  # type: ignore[attr-defined]
