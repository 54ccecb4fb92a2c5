"""The two files that an operator writes."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import jsonschema
import yaml

from exporter.cli.load_config import systems
from exporter.config import ConfigError, json_schema, load
from exporter.config.source import yaml_document
from exporter.state import postgres
from exporter.web.config.load import parse
from exporter.web.config.tls import context, material
from tests.fuzz.mutators import BYTES, lines, spliced, words, yaml_values
from tests.fuzz.target import Target
from tests.support.paths import ROOT

MARK = "CANARY"
_ENVIRON = {"SET_TOKEN": f"{MARK}-in-the-environment", "EMPTY_TOKEN": "", "INKIT_API_TOKEN": f"{MARK}-of-inkit"}
_SECRET_KEYS = ("api_token", "url", "proxy_url", "basic_auth_users", "key", "cert")
_LONGEST = 400
"""Characters of a message, without the file's name."""
_YAML = words(
    *(
        "&a ",
        "*a",
        "<<: *a",
        "<<: [*a, *a]",
        "!!python/object:os.system ",
        "!!binary ",
        "!!set ",
        "!",
        "!!null ",
        "!<x> ",
    ),
    *(
        "|\n",
        ">-\n",
        "? ",
        ": ",
        "- ",
        "\t",
        "---\n",
        "...\n",
        "%YAML 9.9\n",
        "#",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
    ),
    *(
        '"\\ud800"',
        '"\\UFFFFFFFF"',
        '"\\x',
        "\ufeff",
        "\u2028",
        "\x85",
        "\r",
        "\x00",
        "~",
        "=",
        "<<",
        "!!merge <<",
        "yes",
        "0o7",
    ),
    *("1_000", "0b1", "1e3", ".inf", ".nan", "2024-01-01", "12:30:45", "0x7fffffffffffffffff", MARK),
    *("per_collector", "duration_buckets", "tls_config", "filters", "state", "limits", "accounts", "basic_auth_users"),
)


def _seeds(folder: Path, pattern: str, *more: Path) -> Sequence[bytes]:
    return [path.read_bytes() for path in (*sorted(folder.glob(pattern)), *more)]


_CASES = ROOT / "tests/unit/config/cases"
_WEB_CASES = ROOT / "tests/unit/web/config/cases"


@contextmanager
def _config() -> Iterator[Target]:
    schema = jsonschema.Draft202012Validator(json_schema(systems()))
    seeds = _seeds(_CASES, "*.yaml", ROOT / "config.example.yaml")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"

        def check(data: bytes) -> None:
            path.write_bytes(data)
            try:
                config = load(path, systems(), _ENVIRON, database=postgres.problem)
            except ConfigError as error:
                _refused(data, str(path), error)
                return
            assert config.accounts
            assert MARK not in repr(config) or _is_elsewhere(data)
            # What is accepted is what editors accept, too.
            found = yaml_document.parse(data).data
            assert schema.is_valid(found), next(schema.iter_errors(found)).message

        yield Target(
            "config", check, seeds, (*BYTES, yaml_values, yaml_values, yaml_values, _YAML, lines(b"\n"), spliced(seeds))
        )


@contextmanager
def _web_config() -> Iterator[Target]:
    seeds = _seeds(_WEB_CASES, "*.yml")
    path = _WEB_CASES / "web.yml"

    def check(data: bytes) -> None:
        try:
            config = parse(path, data)
            if config.tls is not None:
                context(config.tls, material(config.tls))
        except ConfigError as error:
            _refused(data, str(path), error)
            return
        assert MARK not in repr(config) or _is_elsewhere(data)

    yield Target(
        "web-config", check, seeds, (*BYTES, yaml_values, yaml_values, yaml_values, _YAML, lines(b"\n"), spliced(seeds))
    )


def _refused(data: bytes, path: str, error: ConfigError) -> None:
    """Check the messages: each with its place, on one line, and without a secret."""
    assert error.problems
    assert error.__suppress_context__ or error.__context__ is None
    line_count = data.count(b"\n") + data.count(b"\r") + data.count("\u2028".encode()) + data.count("\x85".encode()) + 2
    for problem in error.problems:
        shown = str(problem)
        assert shown.startswith(path), shown
        assert shown.isprintable(), shown
        assert problem.message
        assert len(shown) - len(path) < _LONGEST, shown
        assert problem.line is None or 1 <= problem.line <= line_count + data.count(b"\xe2\x80\xa9"), shown
    if MARK in str(error):
        assert _is_elsewhere(data), str(error)


def _is_elsewhere(data: bytes) -> bool:
    """Return whether the mark is also in a place that is no secret's: as a key, or as the value of another key."""
    try:
        root = yaml.compose(data.decode("utf-8-sig"), yaml.SafeLoader)
    except (yaml.YAMLError, ArithmeticError, AttributeError, RecursionError, TypeError, ValueError):
        return False
    left: list[tuple[yaml.Node | None, bool]] = [(root, False)]
    seen: set[int] = set()
    while left:
        node, secret = left.pop()
        if node is None or (id(node) in seen and secret):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                left.append((key, False))
                left.append((value, secret or (isinstance(key, yaml.ScalarNode) and key.value in _SECRET_KEYS)))
        elif isinstance(node, yaml.SequenceNode):
            left += [(item, secret) for item in node.value]
        elif not secret and MARK in str(node.value):
            return True
    return False


TARGETS: Mapping[str, Callable[[], AbstractContextManager[Target]]] = {"config": _config, "web-config": _web_config}
