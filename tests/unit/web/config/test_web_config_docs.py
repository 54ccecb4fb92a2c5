"""docs/web-configuration.md and the example have every key, name and flag that there is."""

import re

from pydantic import BaseModel

from exporter.web.config import go, schema
from exporter.web.config.load import parse
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "web-configuration.md").read_text()
SHAPES: tuple[type[BaseModel], ...] = (schema.File, schema.Tls, schema.Http, schema.RateLimit)
KEYS = {key for shape in SHAPES for key in shape.model_fields}
EXAMPLE = ROOT / "web-config.example.yaml"


def test_the_page_has_every_key_and_every_name() -> None:
    values = {
        *go.CURVES,
        *go.VERSIONS,
        *go.OLD_VERSIONS,
        *go.CLIENT_CERTIFICATES,
        *go.HEADERS,
    }
    words = {*KEYS, *values, *go.UNVERIFIED_CERTIFICATES, *go.CIPHERS_OF_TLS13}
    text = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert words - set(re.findall(r"`([^`]+)`", text)) == set()


def test_the_page_has_every_cipher_suite() -> None:
    line = next(line for line in PAGE.splitlines() if line.startswith("| `cipher_suites`"))
    begins, ends = re.findall(r"`(TLS_ECDHE_\w+_)`", line), re.findall(r"`((?:AES|CHACHA20)\w+)`", line)
    assert {begin + end for begin in begins for end in ends} == set(go.CIPHERS)


def test_the_example_is_a_good_file_and_has_every_key_that_is_honored() -> None:
    config = parse(EXAMPLE, EXAMPLE.read_bytes())
    assert config.warnings == ()
    assert config.tls is not None
    assert KEYS - set(re.findall(r"\w+", EXAMPLE.read_text())) == {"http2"}
