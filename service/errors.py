"""What can go wrong in the service, each with a stable `code`.

    ServiceError
    ├── StudyNotFound           study-not-found
    ├── StudyAmbiguous          study-ambiguous        a name, or first digits, of several
    ├── TrialNotFound           trial-not-found
    ├── BaselineNotFound        baseline-not-found
    ├── WeightsNotFound         weights-not-found      the study has no winner, or an old one
    ├── ScheduleNotFound        schedule-not-found
    ├── ScheduleExists          schedule-exists        another one has the name
    ├── DatasetNotFound         dataset-not-found
    ├── DatasetExists           dataset-exists         another data set has the name
    ├── DatasetIncomplete       dataset-incomplete     a manifest whose arrays are not here
    ├── DatasetInUse            dataset-in-use         a study that goes on, or a schedule, names it
    ├── DatasetDamaged          dataset-damaged        its files are not what their names say
    ├── UploadCut               upload-cut             what was sent did not come as a whole
    ├── StorageFull             storage-full           the server's disk
    ├── StorageUnavailable      storage-unavailable    the server cannot write or read its files
    ├── ResultNotReady          result-not-ready       the study is still at work
    ├── ResultImpossible        result-impossible      the study failed or was cancelled
    ├── TransitionImpossible    transition-impossible  e.g. resuming a cancelled study
    ├── IdempotencyConflict     idempotency-conflict   same key, other body
    ├── PreconditionRequired    precondition-required  a change without If-Match
    ├── PreconditionFailed      precondition-failed    the study has changed since it was read
    ├── BudgetBelowSpent        budget-below-spent     e.g. fewer trials than there are already
    ├── SearchOver              search-over            there is nothing left to extend
    ├── InvalidRequest          invalid-request        a header, query or body breaks a rule
    │   ├── InvalidSpec         invalid-spec           fields and rules are listed
    │   ├── InvalidDataset      invalid-dataset        a manifest or arrays, likewise
    │   └── InvalidCursor       invalid-cursor
    ├── BodyTooLarge            body-too-large
    ├── RequestTimeout          request-timeout        the body came too slowly
    ├── UnsupportedMediaType    unsupported-media-type
    ├── FormatUnavailable       format-unavailable     e.g. Parquet where pyarrow is missing
    ├── Unauthenticated         unauthenticated
    ├── Forbidden               forbidden              the key lacks a scope or a project
    ├── TooManyFailures         too-many-failures      wrong keys, again and again
    ├── HostNotAllowed          host-not-allowed
    ├── CrossOrigin             cross-origin           a browser on another site's page
    ├── KeysUnreadable          keys-unreadable        the API keys file
    ├── WebhookNotFound         webhook-not-found
    ├── WebhooksUnreadable      webhooks-unreadable    the webhooks file
    ├── TooManyBodies           too-many-bodies        large ones, of whomever, at the same time
    ├── TooManyStreams          too-many-streams       event streams of one key or address
    ├── TooManyStudies          too-many-studies       in the queue, of one key
    ├── TooManySchedules        too-many-schedules     active ones, of one key
    ├── NotReady                not-ready              database, schema or dispatcher is missing
    ├── SchemaOutdated          schema-outdated        the database needs `metaopt db upgrade`
    ├── OpenToTheNetwork        open-to-the-network    another address than loopback, but no key
    ├── SecretsExposed          secrets-exposed        a file of secrets that others can read
    ├── KeyNotFound             key-not-found          no API key of that name or id
    ├── KeyExists               key-exists             another key has the name
    └── NoDeviceWorks           no-device-works        GPUs were asked for (METAOPT_DEVICES=cuda)

`service.api.problems` gives each its HTTP status.
"""

from typing import NamedTuple


class FieldError(NamedTuple):
    """One broken rule: where, and which."""

    field: str
    message: str


class ServiceError(Exception):
    """Something the service refuses; the message is a sentence for the user."""

    code = "internal-error"
    retry_after_seconds: int | None = None


class StudyNotFound(ServiceError):
    """There is no study of that id or name."""

    code = "study-not-found"


class StudyAmbiguous(ServiceError):
    """Several studies could be meant."""

    code = "study-ambiguous"


class TrialNotFound(ServiceError):
    """The study has no trial of that number."""

    code = "trial-not-found"


class BaselineNotFound(ServiceError):
    """There is no baseline of that name or version."""

    code = "baseline-not-found"


class WeightsNotFound(ServiceError):
    """Of a study's winner, or of a baseline, no weights were kept."""

    code = "weights-not-found"


class ScheduleNotFound(ServiceError):
    """There is no schedule of that id or name."""

    code = "schedule-not-found"


class ScheduleExists(ServiceError):
    """Another schedule has that name."""

    code = "schedule-exists"


class DatasetNotFound(ServiceError):
    """There is no data set of that name or digest."""

    code = "dataset-not-found"


class DatasetExists(ServiceError):
    """Another data set has that name."""

    code = "dataset-exists"


class DatasetIncomplete(ServiceError):
    """The arrays that the manifest names are not here: send them, then the manifest again."""

    code = "dataset-incomplete"


class DatasetInUse(ServiceError):
    """A study that has not ended, or a schedule, names the data set; the message says which."""

    code = "dataset-in-use"


class DatasetDamaged(ServiceError):
    """The server cannot read a data set that it has; adding it again mends it."""

    code = "dataset-damaged"


class UploadCut(ServiceError):
    """What was sent did not come as a whole; nothing of it is kept."""

    code = "upload-cut"


class StorageFull(ServiceError):
    """The server's disk has no room; nothing was stored."""

    code = "storage-full"


class StorageUnavailable(ServiceError):
    """The server cannot write or read where its data sets are."""

    code = "storage-unavailable"


class ResultNotReady(ServiceError):
    """The study has no verdict yet."""

    code = "result-not-ready"


class ResultImpossible(ServiceError):
    """The study ended without a verdict."""

    code = "result-impossible"


class TransitionImpossible(ServiceError):
    """The study cannot go from its state to the one asked for."""

    code = "transition-impossible"


class IdempotencyConflict(ServiceError):
    """The Idempotency-Key was used before with another body."""

    code = "idempotency-conflict"


class PreconditionRequired(ServiceError):
    """A change needs `If-Match` with the ETag of the study that it was made for."""

    code = "precondition-required"


class PreconditionFailed(ServiceError):
    """The study has changed since the ETag in `If-Match` was read."""

    code = "precondition-failed"


class BudgetBelowSpent(ServiceError):
    """A budget cannot be less than what is spent of it already."""

    code = "budget-below-spent"


class SearchOver(ServiceError):
    """The study's search has ended, so its budget cannot be changed any more."""

    code = "search-over"


class InvalidRequest(ServiceError):
    """A header, query parameter or body breaks a rule."""

    code = "invalid-request"

    def __init__(self, message: str, errors: list[FieldError] | None = None) -> None:
        """Keep the sentence and the fields it is about."""
        super().__init__(message)
        self.errors = errors or []


class InvalidSpec(InvalidRequest):
    """The study spec breaks rules; `errors` lists which."""

    code = "invalid-spec"


class InvalidDataset(InvalidRequest):
    """A data set that was sent is none: its manifest or its arrays break rules; `errors` lists."""

    code = "invalid-dataset"


class InvalidCursor(InvalidRequest):
    """The cursor is not one that a list has handed out."""

    code = "invalid-cursor"


class BodyTooLarge(ServiceError):
    """The request's body is larger than allowed."""

    code = "body-too-large"


class RequestTimeout(ServiceError):
    """The request's body did not come in time."""

    code = "request-timeout"


class UnsupportedMediaType(ServiceError):
    """The request's body is neither JSON nor YAML, or it is compressed."""

    code = "unsupported-media-type"


class FormatUnavailable(ServiceError):
    """The server lacks a package that the format of an export needs."""

    code = "format-unavailable"


class Unauthenticated(ServiceError):
    """A key is needed, and none or a wrong one was given."""

    code = "unauthenticated"


class Forbidden(ServiceError):
    """The key is right, but not for this: it lacks the scope, or it is for other projects."""

    code = "forbidden"


class TooManyFailures(ServiceError):
    """Too many wrong keys came from the address; a right one is let in all the same."""

    code = "too-many-failures"

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(
            f"too many wrong API keys came from your address; wait {retry_after_seconds} s"
        )
        self.retry_after_seconds = retry_after_seconds


class HostNotAllowed(ServiceError):
    """A server without keys was asked by another name than loopback."""

    code = "host-not-allowed"


class CrossOrigin(ServiceError):
    """A page of another site asked for a change."""

    code = "cross-origin"


class KeysUnreadable(ServiceError):
    """The API keys file cannot be read; until it can, nobody comes in."""

    code = "keys-unreadable"


class WebhookNotFound(ServiceError):
    """The webhooks file has no webhook of that name, or there is no such file."""

    code = "webhook-not-found"


class WebhooksUnreadable(ServiceError):
    """The webhooks file cannot be read or breaks a rule; nothing that uses it starts."""

    code = "webhooks-unreadable"


class TooManyBodies(ServiceError):
    """The bodies that requests under way hold are all that the server has memory for."""

    code = "too-many-bodies"


class TooManyStreams(ServiceError):
    """So many event streams are open for one key, or one address, that it gets no more."""

    code = "too-many-streams"


class TooManyStudies(ServiceError):
    """So many studies of one key are in the queue that it gets no more until some have begun."""

    code = "too-many-studies"


class TooManySchedules(ServiceError):
    """So many schedules of one key are active that it gets no more until some are paused."""

    code = "too-many-schedules"


class NotReady(ServiceError):
    """Something the service needs is missing; the message says what."""

    code = "not-ready"


class SchemaOutdated(ServiceError):
    """The database is not at the revision this program needs."""

    code = "schema-outdated"


class OpenToTheNetwork(ServiceError):
    """Binding to the network without any API key is refused."""

    code = "open-to-the-network"


class SecretsExposed(ServiceError):
    """Other users of the machine can read or change a file of secrets; nothing starts with it."""

    code = "secrets-exposed"


class KeyNotFound(ServiceError):
    """There is no API key of that name or id that is not revoked."""

    code = "key-not-found"


class KeyExists(ServiceError):
    """Another API key that is not revoked has that name."""

    code = "key-exists"


class NoDeviceWorks(ServiceError):
    """Devices were asked for by METAOPT_DEVICES, and none works here."""

    code = "no-device-works"
