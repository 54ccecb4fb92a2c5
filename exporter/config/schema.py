"""The keys of a configuration file, each with type, default and meaning. Rules between keys are in validate.py."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, Strict, WithJsonSchema

from exporter.config import buckets, durations, sizes, values
from exporter.config.source.problems import shown
from exporter.model import database_url


def _duration(value: object) -> float:
    if isinstance(value, str):
        try:
            return durations.parse(value)
        except ValueError as error:
            raise ValueError(f'{error}, not "{shown(value)}"') from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"a duration needs a unit, such as 60s, not {shown(str(value))}")
    raise ValueError(("needs a value: " if value is None else "must be ") + durations.SYNTAX)


def _bound(value: object) -> float:
    try:
        return buckets.parse(value)
    except ValueError as error:
        told = f', not "{shown(value)}"' if isinstance(value, str) else ""
        raise ValueError(f"{error}{told}") from None


def _size(value: object) -> int:
    if isinstance(value, str):
        try:
            return sizes.parse(value)
        except ValueError as error:
            raise ValueError(f'{error}, not "{shown(value)}"') from None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"a size needs a unit, such as 64MiB, not {shown(str(value))}")
    raise ValueError("must be " + sizes.SYNTAX)


def _proxy(value: SecretStr) -> SecretStr:
    values.proxy_url(value.get_secret_value())
    return value


def _database_url(value: SecretStr) -> SecretStr:
    found = database_url.problem(value.get_secret_value())
    if found is not None:
        raise ValueError(found)
    return value


def _default(duration: str) -> Any:
    """Return the default of a duration, written and parsed as in a file."""
    return Field(duration)


_DURATION_SCHEMA = {"type": "string", "pattern": f"^{durations.PATTERN}$", "minLength": 2}
_BOUND_SCHEMA = {
    "anyOf": [
        _DURATION_SCHEMA,
        {"type": "number", "minimum": buckets.LEAST_SECONDS, "maximum": durations.LONGEST_SECONDS},
    ]
}
_SIZE_SCHEMA = {"type": "string", "pattern": f"^{sizes.PATTERN}$"}
_NOT_EMPTY = Field(json_schema_extra={"minLength": 1})

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Bound = Annotated[float, BeforeValidator(_bound), WithJsonSchema(_BOUND_SCHEMA)]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
Text = Annotated[str, AfterValidator(values.text), _NOT_EMPTY]
Name = Annotated[str, AfterValidator(values.name), _NOT_EMPTY]
Url = Annotated[str, AfterValidator(values.base_url), _NOT_EMPTY]
BatchId = Annotated[str, AfterValidator(values.batch_id), _NOT_EMPTY]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
# YAML has lists, no tuples.
Texts = Annotated[tuple[Text, ...], Strict(False)]
BatchIds = Annotated[tuple[BatchId, ...], Strict(False)]
Bounds = Annotated[tuple[Bound, ...], Strict(False), Field(json_schema_extra={"minItems": 1, "maxItems": buckets.MOST})]


class _Shape(BaseModel):
    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class Polling(_Shape):
    """How a collector is polled. These keys are allowed at the top level, in each account, and for each collector."""

    poll_interval: Duration = _default("60s")
    """Time between two polls of a collector."""
    lookback: Duration = _default("7d")
    """How far back records are counted."""
    reconcile_interval: Duration = _default("1h")
    """Time between two full scans of `lookback`, which find late changes and deleted records."""
    stuck_after: Duration = _default("1h")
    """Age at which an unfinished record counts as stuck."""
    in_flight_max_age: Duration = _default("30d")
    """Age at which an unfinished record is given up; by default `lookback` where that is longer."""
    stale_after: Duration = _default("10m")
    """Time after the last successful poll at which a collector's gauges are dropped."""
    page_size: int = Field(100, ge=1, le=1000)
    """Records to request per page of a list."""
    duration_buckets: Bounds | None = None
    """The upper bounds of the buckets of histograms of durations, in rising order; by default those of the system."""


class Tuning(Polling):
    """How an account is polled. These keys are allowed at the top level, for all accounts, and in each account."""

    request_timeout: Duration = _default("30s")
    """Longest time for one API request with its answer, without retries."""
    max_requests_per_second: float = Field(5.0, ge=0.001, allow_inf_nan=False)
    """Most API requests per second of the account, all collectors together. May be below 1."""
    max_concurrent_requests: int = Field(4, ge=1, le=64)
    """Most API requests of the account at the same time."""
    created_timestamps: bool = False
    """Expose when counters began (`_created`), for Prometheus' feature `created-timestamp-zero-ingestion`."""


class State(_Shape):
    """The state that the exporter keeps, so that a restart neither loses nor repeats an event."""

    path: Text | None = "batch-exporter.db"
    """The file. Null keeps the state in memory, and a restart starts over."""
    url: DatabaseUrl | None = None
    """The URL of a PostgreSQL database that holds the state instead of a file. A file with it is safer."""
    url_file: Text | None = None
    """A file with the URL of the database, read again for each new connection."""
    pool_size: int = Field(default=4, ge=1, le=64)
    """Most connections to the database for polls."""
    lease_ttl: Duration = _default("20s")
    """How long a replica owns its accounts after it was last heard of."""
    prepared_statements: bool = True
    """Whether statements are prepared, and settings of the session made. False for a pooler such as PgBouncer."""


class Limits(_Shape):
    """What may be under way at the same time. Null derives a limit from what the process may use."""

    max_workers: int | None = Field(default=None, ge=1, le=1000)
    """Most API requests at the same time, of all accounts."""
    max_response_bytes: Size | None = None
    """The largest answer of an API that is read."""
    max_connections: int | None = Field(default=None, ge=1, le=100_000)
    """Most connections of scrapers and other clients."""


class Tls(_Shape):
    """TLS settings for the API. The files are PEM."""

    ca_file: Text | None = None
    """Certificate authorities to trust instead of the system's."""
    cert_file: Text | None = None
    """The client certificate; needs `key_file`."""
    key_file: Text | None = None
    """The key of the client certificate; needs `cert_file`."""
    server_name: Text | None = None
    """The name to expect in the server's certificate, where it is not the host of `base_url`."""
    insecure_skip_verify: bool = False
    """Accept any certificate. Then anyone on the network path can read the API token."""


class Webhook(_Shape):
    """Webhooks of the system, which let the account be polled at once."""

    secret_file: Text
    """A file with the secret that signs the webhooks, read again when it changes."""


class Account(Tuning):
    """An account of a system, with one API token."""

    name: Name
    """The value of the `account` label; unique."""
    system: Text
    """The system of the account."""
    api_token_file: Text | None = None
    """A file with the API token, read again when it changes."""
    api_token_env: Text | None = None
    """The name of an environment variable with the API token."""
    api_token: SecretStr | None = None
    """The API token itself. A file or a variable is safer."""
    base_url: Url | None = None
    """The URL of the API; by default the system's."""
    collectors: Texts | None = None
    """The collectors to poll; by default all of the system."""
    per_collector: dict[str, Polling] = Field(default_factory=dict)
    """What is different for one of the collectors, by its name."""
    filters: dict[str, Text | None] = Field(default_factory=dict)
    """Count only the records that the API selects by these."""
    workflow_batch_ids: BatchIds = ()
    """IDs of workflow batches to poll, for accounts whose API has no list of them."""
    workflow_label: bool = False
    """Add a label with the workflow's name to the metrics of invocations."""
    webhook: Webhook | None = None
    """Poll the account when the system sends a webhook about it. Null: webhooks are not received."""
    proxy_url: ProxyUrl | None = None
    """The HTTP proxy for requests to the API."""
    tls_config: Tls = Tls()
    """TLS settings for the API."""


class File(Tuning):
    """A configuration file."""

    state: State = State()
    """The state that the exporter keeps."""
    limits: Limits = Limits()
    """What may be under way at the same time."""
    accounts: Annotated[tuple[Account, ...], Strict(False)]
    """The accounts to poll."""
