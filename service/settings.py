"""Settings: environment variables `METAOPT_*`, each documented in docs/settings.md."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy.engine import URL

from metaopt.data.limits import MOST_BYTES
from metaopt.errors import InvalidPlugin
from metaopt.plugins.allowed import parse_allowed
from service.blobs.place import Place
from service.database_url import parse_database_url, sqlite_url
from service.labels import parse_labels
from service.variables import is_blank

KEEP = "keep_"
MOST_DAYS = 36500.0
_USER = re.compile(r"//[^/]*@")
_OBJECTS = re.compile(r"(s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._=-]+)*/?")


class Settings(BaseSettings):
    """Everything the service can be told from outside; only `app.py` and `cli/` read it."""

    model_config = SettingsConfigDict(env_prefix="METAOPT_", extra="ignore", frozen=True)

    data_directory: Path = Field(
        Path("metaopt-data"),
        validate_default=True,
        description="Database, checkpoints, data sets, logs.",
    )
    database_url: str | None = Field(
        None,
        description="URL of the database, or of a primary and its standby "
        "(`postgresql://one,other/metaopt?target_session_attrs=read-write`); "
        "default is SQLite under the data directory.",
    )
    host: str = Field("127.0.0.1", description="Address the API binds to.")
    port: int = Field(8000, ge=0, le=65535, description="Port the API binds to.")
    api_keys_file: Path | None = Field(
        None, description="File with one `name:sha256` line per API key."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses and networks of the proxies in front, as `10.0.0.5, 172.18.0.0/16`: "
        "they are believed what they say of https and of a client's address (`X-Forwarded-Proto`, "
        "`X-Forwarded-For`), so let nobody else come from there; without, nobody is.",
    )
    webhooks_file: Path | None = Field(
        None, description="File that says who is told of events (docs/webhooks.md); off without."
    )
    dashboard_writable: bool = Field(
        False, description="Let the Optuna Dashboard change its own tables."
    )
    slots: int | None = Field(
        None,
        ge=1,
        le=256,
        description="Worker processes; default one per GPU that works, else per usable core.",
    )
    devices: Literal["auto", "cuda", "cpu"] = Field(
        "auto",
        description="Where workers train: on GPUs, if any works, else on cores; on GPUs or not at "
        "all; or on cores. CUDA_VISIBLE_DEVICES says on which GPUs.",
    )
    labels: str = Field(
        "",
        description="Labels of the slots, as `pool=night, room=7`: a study may require some "
        "(`requires.labels`).",
    )
    lanes: int | None = Field(
        None,
        ge=1,
        le=1024,
        description="Most trials that train together on a slot; default as many as pay on its "
        "device, as measured there, and at least 16.",
    )
    compile: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Compile what lanes train: where it pays; always; or never. Needs a C++ "
        "compiler.",
    )
    programs_directory: Path | None = Field(
        None,
        description="Compiled programs; default is programs/ in the data directory. They are "
        "machine code: let nobody else write there.",
    )
    blobs_url: str | None = Field(
        None,
        description="Where checkpoints are, for all machines: `s3://bucket/prefix`, "
        "`gs://bucket/prefix` or `az://container/prefix` ([how](blobs.md)); default is "
        "checkpoints/ in the data directory.",
    )
    blob_cache_bytes: int = Field(
        10 * 2**30,
        ge=0,
        description="Most bytes of the copies, in blobs/ in the data directory, of what is in an "
        "object store; what is being read stays.",
    )
    upload_bytes: int = Field(
        MOST_BYTES,
        ge=0,
        le=MOST_BYTES,
        description="Most bytes of the arrays of a data set that is sent to the API; 0 takes none.",
    )
    upload_waiting_bytes: int = Field(
        4 * MOST_BYTES,
        ge=0,
        description="Most bytes of all arrays of a project that were sent to the API and that no "
        "data set has taken yet, with those on their way; they go a day after they came.",
    )
    upload_free_bytes: int = Field(
        2**30,
        ge=0,
        description="Bytes of the disk that data sets sent to the API leave free.",
    )
    plugins: str = Field(
        "",
        description="Installed packages whose plug-ins workers may import, each in one version, as "
        "`one==1.0, other==2.3.1` (docs/plugins.md); none without.",
    )
    lane_bytes: int | None = Field(
        None,
        ge=2**20,
        description="Most memory that one trial of a spec may need, in bytes, by the estimate of "
        "`metaopt preview`; default half of this machine's, from 4 to 64 GiB, but no more than a "
        "worker may take, where slots are cores.",
    )
    evaluation_seconds: float = Field(
        1800.0,
        gt=0,
        description="Most seconds that one evaluation of one trial may take on one core, by the "
        "estimate of `metaopt preview`.",
    )
    queued_per_key: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="Most studies that one API key may have in the queue, those of its schedules "
        "too; without keys, everybody.",
    )
    schedules_per_key: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Most active schedules that one API key may have made; without keys, "
        "everybody.",
    )
    streams_per_key: int = Field(
        100,
        ge=1,
        le=100_000,
        description="Most event streams that one API key may have open; without keys, one address.",
    )
    segment_seconds: float = Field(
        5.0, gt=0, le=600, description="Aimed length of a segment: bound on work lost by a kill."
    )

    hang_seconds: float = Field(
        60.0,
        gt=0,
        le=86400,
        description="Least time without a sign of progress after which a worker is taken to have "
        "hung, and is killed; longer where its work takes long (docs/troubleshooting.md#hangs).",
    )
    worker_bytes: int | None = Field(
        None,
        ge=2**30,
        description="Most private memory of a worker on a core, in bytes; default an equal share "
        "of what there is, and at least 2 GiB. What does not fit ends as out of memory.",
    )

    keep_events_days: float = Field(
        90.0,
        ge=0,
        le=MOST_DAYS,
        description="How long events of a study are kept after its end, but for its end itself; 0 "
        "is for ever (docs/retention.md).",
    )
    keep_segments_days: float = Field(
        365.0,
        ge=0,
        le=MOST_DAYS,
        description="How long it is kept after a study's end what the time of its slots went into: "
        "the timeline of its report; 0 is for ever.",
    )
    keep_deliveries_days: float = Field(
        90.0,
        ge=0,
        le=MOST_DAYS,
        description="How long deliveries to webhooks are kept that are over; 0 is for ever.",
    )
    keep_runs_days: float = Field(
        365.0,
        ge=0,
        le=MOST_DAYS,
        description="How long runs of schedules are kept that were skipped or refused; 0 is for "
        "ever. Those that became studies stay with them.",
    )
    keep_idempotency_days: float = Field(
        30.0,
        ge=0,
        le=MOST_DAYS,
        description="How long the same Idempotency-Key gives the same study, at least 1; 0 is for "
        "ever.",
    )
    keep_programs_bytes: int = Field(
        10 * 2**30,
        ge=0,
        description="Most bytes of all compiled programs: those that were not used for the longest "
        "time are removed, but none that was used within an hour; 0 has no limit.",
    )
    keep_log_bytes: int = Field(
        16 * 2**20,
        ge=0,
        description="Most bytes of a worker's log, and as much again of what was before, in "
        "`.before`; 0 has no limit.",
    )

    def url(self) -> URL:
        """The database URL."""
        if self.database_url is not None:
            return parse_database_url(self.database_url)
        return sqlite_url((self.data_directory / "metaopt.db").resolve())

    def labels_by_name(self) -> dict[str, str]:
        """The labels of the slots."""
        return parse_labels(self.labels)

    def proxies(self) -> list[str]:
        """The addresses and networks of proxies that are believed."""
        return [one.strip() for one in self.trusted_proxies.split(",") if one.strip()]

    def most_lane_bytes(self) -> float:
        """The most memory that a trial may need."""
        if self.lane_bytes is not None:
            return self.lane_bytes
        installed = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return min(max(installed / 2, 2**32), 2**36)

    def kept(self) -> dict[str, Any]:
        """How long what is kept (`service.retention.rules.Keep.of`)."""
        names = [name for name in type(self).model_fields if name.startswith(KEEP)]
        return {name.removeprefix(KEEP): getattr(self, name) for name in names}

    @model_validator(mode="before")
    @classmethod
    def _blank_is_unset(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if not is_blank(value)}

    def programs(self) -> Path:
        """Where compiled programs are."""
        return (self.programs_directory or self.data_directory / "programs").resolve()

    def blobs(self) -> Place:
        """Where checkpoints are."""
        data = self.data_directory.resolve()
        return Place(self.blobs_url, data / "checkpoints", data / "blobs", self.blob_cache_bytes)

    def data_sets(self) -> Path:
        """Where packed data sets are (`metaopt data`)."""
        return (self.data_directory / "datasets").resolve()

    @field_validator("data_directory", "programs_directory", mode="before")
    @classmethod
    def _is_path(cls, given: object) -> object:
        if given is None:
            return None
        where = str(given)
        try:
            where = str(Path(where).resolve())
            where.encode()
        except UnicodeEncodeError:
            raise ValueError(f"must be a path in UTF-8, got {where!r}") from None
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"must be a path, got {where!r}: {error}") from None
        return given

    @field_validator("keep_idempotency_days")
    @classmethod
    def _is_a_day(cls, given: float) -> float:
        if 0 < given < 1:
            raise ValueError(
                f"must be at least 1 (or 0, for ever), got {given}: an answer is "
                "promised for 24 hours"
            )
        return given

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, given: str) -> str:
        for one in given.split(","):
            if not is_blank(one):
                _check_network(one.strip())
        return given

    @field_validator("plugins")
    @classmethod
    def _is_list_of_packages(cls, given: str) -> str:
        try:
            parse_allowed(given)
        except InvalidPlugin as error:
            raise ValueError(str(error)) from None
        return given

    @field_validator("labels")
    @classmethod
    def _are_labels(cls, given: str) -> str:
        parse_labels(given)
        return given

    @field_validator("blobs_url")
    @classmethod
    def _is_of_objects(cls, given: str | None) -> str | None:
        if given is None or _OBJECTS.fullmatch(given):
            return given
        raise ValueError(
            "must be s3://BUCKET, gs://BUCKET or az://CONTAINER, with a /PREFIX if you like, and "
            f"without keys, got {_USER.sub('//***@', given)!r}; a directory is what "
            "METAOPT_DATA_DIRECTORY has"
        )

    @field_validator("database_url")
    @classmethod
    def _is_database_url(cls, given: str | None) -> str | None:
        if given is not None:
            parse_database_url(given)
        return given


def _check_network(text: str) -> None:
    """Refuse what uvicorn would take for a name, which no client has."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"must be addresses and networks with commas between: {error}") from None
