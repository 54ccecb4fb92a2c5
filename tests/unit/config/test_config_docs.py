"""What is published about the configuration agrees with what is read."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from exporter.config import Account, ConfigError, Polling, json_schema, load, schema
from exporter.config.source import yaml_document
from exporter.model.system import System
from exporter.model.tls import TLSConfig
from exporter.systems import sources
from tests.support.paths import ROOT

EXAMPLE = ROOT / "config.example.yaml"
PAGE = (ROOT / "docs" / "configuration.md").read_text()
CASES = Path(__file__).parent / "cases"
# Cases that a schema can judge: not those about YAML itself, the world outside the file, or two values together.
BY_SHAPE = (
    "account-without-name-and-system",
    "accounts-a-mapping",
    "accounts-empty",
    "accounts-missing",
    "accounts-of-text",
    "collectors-wrong",
    "duration-buckets-wrong",
    "duration-of-another-type",
    "duration-without-unit",
    "duration-wrong",
    "filters-wrong",
    "lists-of-another-type",
    "mappings-empty",
    "mappings-of-another-type",
    "merged-account-with-a-problem",
    "name-that-is-a-truth-value",
    "name-wrong",
    "numbers-of-another-type",
    "numbers-out-of-range",
    "per-collector-wrong",
    "state-path-a-number",
    "state-wrong",
    "system-unknown",
    "text-that-is-a-collection",
    "text-that-is-nothing",
    "token-given-twice",
    "token-missing",
    "top-level-list",
    "top-level-text",
    "truth-values-of-another-type",
    "unknown-key",
    "webhook-of-another-shape",
)


def rows(head: str) -> dict[str, str]:
    """Return key and default of each row of the table of keys under this heading."""
    section = PAGE.split(f"\n## {head}\n", 1)[1].split("\n## ", 1)[0].split("\n### ", 1)[0]
    return dict(re.findall(r"^\| `([\w.]+)` \| (.+?) \|", section, re.MULTILINE))


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "*required*"
    value: Any = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "`{}`"
    if isinstance(value, str):
        return f"`{value}`"
    return f"`{json.dumps(int(value) if isinstance(value, float) else value)}`"


def defaults(model: type[BaseModel], without: type[BaseModel] | None = None, prefix: str = "") -> dict[str, str]:
    inherited = without.model_fields if without else {}
    return {prefix + key: default(field) for key, field in model.model_fields.items() if key not in inherited}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Polling", defaults(schema.Tuning)),
        ("State", defaults(schema.State, prefix="state.")),
        ("Limits", defaults(schema.Limits, prefix="limits.")),
        ("Accounts", defaults(schema.Account, without=schema.Tuning)),
        ("Webhooks", defaults(schema.Webhook, prefix="webhook.")),
        ("TLS", defaults(schema.Tls, prefix="tls_config.")),
    ],
)
def test_the_page_has_every_key_with_its_default(head: str, expected: dict[str, str]) -> None:
    assert rows(head) == expected


def test_the_page_names_what_each_system_has(systems: Mapping[str, System]) -> None:
    for system in systems.values():
        for word in (system.name, system.base_url, system.token_env, *system.collectors, *system.filters):
            assert f"`{word}`" in PAGE


def test_the_yaml_on_the_page_is_read(systems: Mapping[str, System], tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "token").write_text("CANARY")
    for block in blocks:
        text = re.sub(r"(api_token_file): \S+", r"\1: token", block)
        (tmp_path / "config.yaml").write_text(text)
        assert load(tmp_path / "config.yaml", systems, {}).accounts[0].name == "production"


def test_the_messages_on_the_page_are_those_of_the_program(systems: Mapping[str, System], tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("\n\npoll_interval: 60\naccounts:\n- name: a\n  api_token: CANARY\n  sytem: inkit\n")
    with pytest.raises(ConfigError) as caught:
        load(path, systems, {})
    for line in re.findall(r"^config\.yaml:.*$", PAGE, re.MULTILINE):
        assert line in str(caught.value).replace(str(path), "config.yaml").splitlines()


def test_the_example_has_every_key_and_every_default(systems: Mapping[str, System]) -> None:
    data = yaml.safe_load(EXAMPLE.read_text())
    account = data["accounts"][0]
    own = {key for key in schema.Account.model_fields if key not in schema.Tuning.model_fields}
    assert set(data) == set(schema.File.model_fields)
    assert set(account) | {"api_token_env", "api_token"} == own
    assert "# api_token_env:" in EXAMPLE.read_text()
    assert "# api_token:" in EXAMPLE.read_text()
    for key, field in schema.Tuning.model_fields.items():
        assert data[key] == field.default
    for key, field in schema.Tls.model_fields.items():
        assert account["tls_config"][key] == field.default
    inkit = systems["inkit"]
    assert account["collectors"] == list(inkit.collectors)
    assert account["filters"] == dict.fromkeys(inkit.filters)
    assert account["base_url"] == inkit.base_url
    assert data["limits"] == dict.fromkeys(schema.Limits.model_fields)
    assert data["state"] == {"path": schema.State.model_fields["path"].default}
    for key, default in defaults(schema.State).items():
        assert key == "path" or default == "`null`" or f"\n  # {key}: {default.strip('`')}" in EXAMPLE.read_text()
    assert "\n  # url_file: " in EXAMPLE.read_text()
    assert "\n  # url: " in EXAMPLE.read_text()


def test_the_example_is_read_and_comes_to_the_defaults(systems: Mapping[str, System], tmp_path: Path) -> None:
    token = tmp_path / "inkit"
    token.write_text("CANARY\n")
    path = tmp_path / "config.yaml"
    path.write_text(EXAMPLE.read_text().replace("/run/secrets/inkit", str(token)))
    environ = {"STAGING_API_TOKEN": "CANARY", "PX_API_KEY": "CANARY"}
    full, other, least = load(path, systems, environ).accounts
    assert full.token.read() == "CANARY"
    for key in (field.name for field in fields(Account) if field.name not in {"name", "token"}):
        assert getattr(full, key) == getattr(least, key), key
    assert (other.base_url, other.collectors) == (systems["packagex"].base_url, systems["packagex"].collectors)
    assert not other.filters


def test_the_model_has_what_the_file_has() -> None:
    read = set(schema.Account.model_fields) - {"api_token_file", "api_token_env", "api_token"} | {"token"}
    assert {field.name for field in fields(Account)} == read
    assert {field.name for field in fields(Polling)} == set(schema.Polling.model_fields)
    assert set(TLSConfig.__slots__) == set(schema.Tls.model_fields)


def test_the_published_schema_is_that_of_the_program(systems: Mapping[str, System]) -> None:
    published = json.loads((ROOT / "docs" / "config.schema.json").read_text())
    assert published == json_schema(systems), "write it again: make docs"


def test_every_key_of_the_schema_has_a_description(systems: Mapping[str, System]) -> None:
    document: Any = json_schema(systems)
    for model in (document, *document["$defs"].values()):
        assert [key for key, value in model["properties"].items() if not value.get("description")] == []


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    document: Any = json_schema({name: source.system for name, source in sources().items()})
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def test_the_example_is_valid_by_the_schema(validator: jsonschema.Draft202012Validator) -> None:
    validator.validate(yaml.safe_load(EXAMPLE.read_text()))


@pytest.mark.parametrize("path", sorted(CASES.glob("*.good.yaml")), ids=lambda path: path.stem)
def test_a_good_file_is_valid_by_the_schema(path: Path, validator: jsonschema.Draft202012Validator) -> None:
    data = yaml_document.parse(path.read_bytes()).data
    assert list(validator.iter_errors(data)) == []


@pytest.mark.parametrize("name", BY_SHAPE)
def test_a_file_of_a_wrong_shape_is_invalid_by_the_schema(
    name: str, validator: jsonschema.Draft202012Validator
) -> None:
    data = yaml.safe_load((CASES / f"{name}.bad.yaml").read_text())
    assert not validator.is_valid(data)
