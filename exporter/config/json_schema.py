"""Make the JSON Schema of a configuration file, for editors and for checks outside this program."""

from collections.abc import Mapping
from typing import Any

from exporter.config import schema
from exporter.config.validate import TOKEN_KEYS
from exporter.model.system import System


def json_schema(systems: Mapping[str, System]) -> dict[str, object]:
    """Return a schema in JSON Schema 2020-12. Rules that it can't express (files, uniqueness) are checked by `load`."""
    document: dict[str, Any] = schema.File.model_json_schema()
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}
    document["properties"]["accounts"]["minItems"] = 1
    account = document["$defs"]["Account"]
    properties = account["properties"]
    for key in schema.Tuning.model_fields:
        # The default of an account is the value at the top level, which a schema can't express.
        del properties[key]["default"]
    for value in document["$defs"]["Polling"]["properties"].values():
        # The default of a collector is the value of the account.
        del value["default"]
    properties["system"]["enum"] = list(systems)
    account["oneOf"] = [{"required": [key], "properties": {key: {"type": "string"}}} for key in TOKEN_KEYS]
    account["allOf"] = [_of_system(system) for system in systems.values()]
    return document


def _of_system(system: System) -> dict[str, object]:
    return {
        "if": {"properties": {"system": {"const": system.name}}},
        "then": {
            "properties": {
                "collectors": {"items": {"enum": list(system.collectors)}, "minItems": 1, "uniqueItems": True},
                "per_collector": {"propertyNames": {"enum": list(system.collectors)}},
                "filters": {"propertyNames": {"enum": list(system.filters)}},
            }
        },
    }
