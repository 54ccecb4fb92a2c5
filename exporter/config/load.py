"""Load a configuration from a file, or from the environment alone."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exporter.config import bounds, defaults, schema, validate
from exporter.config.database import DatabaseUrl
from exporter.config.model import Account, Config, Database, Polling
from exporter.config.resources import PLENTY, Resources
from exporter.config.source import files, messages, yaml_document
from exporter.config.source.problems import ConfigError, Problem, located
from exporter.config.token import Token, TokenError
from exporter.config.webhook import WebhookSecret
from exporter.model.system import System
from exporter.model.tls import TLSConfig

_LARGEST_FILE_BYTES = 8 * 1024 * 1024


def load(
    path: Path,
    systems: Mapping[str, System],
    environ: Mapping[str, str],
    state: validate.StateProblem = lambda _: None,
    before_start: bool = False,
    resources: Resources = PLENTY,
    database: validate.DatabaseProblem = lambda _: None,
) -> Config:
    """Read a configuration file. Raises ConfigError with all that is wrong in it.

    `state` checks the state file, and `database` the URL of a database. With `before_start`, credentials of a service
    that does not run yet may be missing. `resources` is what the process may use.
    """
    try:
        document = yaml_document.parse(files.read(path, _LARGEST_FILE_BYTES))
    except files.Unreadable as error:
        message = f"{error}; --config.file names the configuration{_instead(systems, environ)}"
        raise ConfigError([Problem(str(path), None, "", message)]) from None
    except yaml_document.NotYaml as error:
        raise ConfigError([Problem(str(path), error.line, "", str(error))]) from None
    return _checked(
        document, str(path), validate.Context(systems, environ, path.parent, state, before_start, resources, database)
    )


def from_environment(
    systems: Mapping[str, System],
    environ: Mapping[str, str],
    state: validate.StateProblem = lambda _: None,
    resources: Resources = PLENTY,
) -> Config:
    """Return an account for each system whose token is in the environment.

    Raises ConfigError, also if there is no token.
    """
    given = [system for system in systems.values() if environ.get(system.token_env)]
    if not given:
        variables = " or ".join(system.token_env for system in systems.values())
        message = f"no API token: set {variables}, or name a configuration with --config.file"
        raise ConfigError([Problem("environment", None, "", message)])
    unusable = [problem for system in given if (problem := _unusable(system.token_env, environ))]
    if unusable:
        raise ConfigError(unusable)
    accounts = [{"name": system.name, "system": system.name, "api_token_env": system.token_env} for system in given]
    document = yaml_document.Document({"accounts": accounts}, {}, ())
    return _checked(document, "environment", validate.Context(systems, environ, Path(), state, resources=resources))


def _instead(systems: Mapping[str, System], environ: Mapping[str, str]) -> str:
    """Return what to add for an operator who expects the tokens in the environment to be used."""
    given = " and ".join(system.token_env for system in systems.values() if environ.get(system.token_env))
    return f", and without it {given} would do: leave the flag out, or empty" if given else ""


def _unusable(variable: str, environ: Mapping[str, str]) -> Problem | None:
    try:
        Token(environ[variable]).read()
    except TokenError as error:
        return Problem("environment", None, variable, str(error))
    return None


def _checked(document: yaml_document.Document, file: str, context: validate.Context) -> Config:
    if not isinstance(document.data, dict):
        message = "must be a mapping, such as accounts: [...]"
        raise ConfigError([Problem(file, document.lines.get(()), "", message)])
    read, draft, findings = messages.validate(schema.File, document)
    findings += validate.findings(draft, context)
    if read is None or findings:
        raise ConfigError(located(findings, file, document.lines))
    return _config(read, context, located(validate.warnings(draft, context), file, document.lines))


def _config(read: schema.File, context: validate.Context, warnings: Sequence[Problem]) -> Config:
    limits = bounds.ConfiguredLimits(**read.limits.model_dump())
    return Config(
        accounts=tuple(_account(account, read, context) for account in read.accounts),
        state_path=_state_path(read.state, context),
        database=_database(read.state, context),
        warnings=tuple(warnings),
        limits=limits,
        bounds=bounds.derive(context.resources, limits),
    )


def _database(read: schema.State, context: validate.Context) -> Database | None:
    if read.url is None and read.url_file is None:
        return None
    source = read.url.get_secret_value() if read.url is not None else context.directory / str(read.url_file)
    return Database(DatabaseUrl(source), read.pool_size, read.lease_ttl, read.prepared_statements)


def _state_path(read: schema.State, context: validate.Context) -> Path | None:
    if read.url is not None or read.url_file is not None:
        return None
    if "path" not in read.model_fields_set:
        return context.default_state_path
    return None if read.path is None else context.directory / read.path


def _account(read: schema.Account, top: schema.Tuning, context: validate.Context) -> Account:
    system = context.systems[read.system]
    return Account(
        name=read.name,
        system=read.system,
        token=_token(read, context),
        base_url=read.base_url or system.base_url,
        collectors=read.collectors or system.collectors,
        per_collector={name: _polling((own, read, top)) for name, own in read.per_collector.items()},
        filters={key: value for key, value in read.filters.items() if value is not None},
        workflow_batch_ids=read.workflow_batch_ids,
        workflow_label=read.workflow_label,
        webhook=None if read.webhook is None else WebhookSecret(context.directory / read.webhook.secret_file),
        proxy_url=read.proxy_url,
        tls_config=_tls(read.tls_config, context.directory),
        **{key: _tuning(key, (read, top)) for key in schema.Tuning.model_fields},
    )


def _polling(levels: Sequence[schema.Polling]) -> Polling:
    return Polling(**{key: _tuning(key, levels) for key in schema.Polling.model_fields})


def _tuning(key: str, levels: Sequence[schema.Polling]) -> Any:
    """Return the value that the first level sets that sets any, or else the default."""
    for level in levels:
        if key in level.model_fields_set:
            return getattr(level, key)
    if not defaults.followed(key):
        return getattr(levels[-1], key)
    return defaults.seconds(key, lambda other: _tuning(other, levels))


def _token(read: schema.Account, context: validate.Context) -> Token:
    if read.api_token is not None:
        return validate.token("api_token", read.api_token.get_secret_value(), context)
    key = "api_token_file" if read.api_token_file is not None else "api_token_env"
    return validate.token(key, getattr(read, key), context)


def _tls(read: schema.Tls, directory: Path) -> TLSConfig:
    def found(name: str | None) -> Path | None:
        return None if name is None else directory / name

    return TLSConfig(
        ca_file=found(read.ca_file),
        cert_file=found(read.cert_file),
        key_file=found(read.key_file),
        server_name=read.server_name,
        insecure_skip_verify=read.insecure_skip_verify,
    )
