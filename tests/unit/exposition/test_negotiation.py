"""Which format, escaping and compression a scraper gets for its headers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.exposition.negotiation import (
    escaping,
    everything_refused,
    gzip_preferred,
    json_preferred,
    openmetrics_preferred,
)

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.mark.parametrize(
    "accept",
    [
        PROMETHEUS_2,
        PROMETHEUS_3,
        "application/openmetrics-text",
        "Application/OpenMetrics-Text ; Version=1.0.0",
        'application/openmetrics-text; version="1.0.0"; charset=utf-8',
        "text/plain;q=0.5, application/openmetrics-text;q=0.6",
        "application/openmetrics-text, text/plain;q=0",
        "application/openmetrics-text;q=0.5, */*;q=0.9, text/plain;q=0.1",
        r'application/openmetrics-text;version="1\.0.0"',
        'application/openmetrics-text;charset="a,b;c";q=0.5, text/plain;q=0.4',
        'application/openmetrics-text;q=0.6;charset="a;q=0.1", text/plain;q=0.5',
        "application/openmetrics-text;q=0.5, text/plain;version=1.0.0, text/plain;version=0.0.4;q=0.4",
        "application/openmetrics-text;q=0.5, text/plain;version=0.0.4;q=0.4, text/plain",
        "application/*",
        "*/*, text/plain;q=0.5",
    ],
)
def test_openmetrics_is_given_where_it_is_preferred(accept: str) -> None:
    assert openmetrics_preferred(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "text/plain",
        "text/plain, application/openmetrics-text",
        "application/openmetrics-text;q=0.5, */*;q=0.9",
        "application/openmetrics-text;q=0.5, text/*",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;q=-1",
        "application/openmetrics-text;q=2",
        "application/openmetrics-text;q=nan",
        "application/openmetrics-text;q=high",
        "application/openmetrics-text;version=0.0.1",
        "application/openmetrics-text;version=2.0.0",
        "application/openmetrics-text;version=one",
        "application/openmetrics-text;version",
        'application/openmetrics-text;version="1.0.0,*/*"',
        'application/openmetrics-text;charset="a;q=0.9";q=0.4, text/plain;q=0.5',
        "application/openmetrics-text;version=1.0.0;q=0.1, application/openmetrics-text, text/plain;q=0.5",
        "application/openmetrics-text;version=0.0.1, */*;q=0.1",
        "application/openmetrics-text;q=0, */*",
        "text/plain;version=1.0.0",
        ";;;=,,=",
        ";",
    ],
)
def test_everything_else_is_given_the_text_format(accept: str) -> None:
    assert not openmetrics_preferred(accept)


PROMETHEUS_3_TEXT = "text/plain;version=1.0.0;escaping={};q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.4"
PROMETHEUS_3_PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
    "application/openmetrics-text;version=1.0.0;escaping={};q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
SCHEMES = ("allow-utf-8", "underscores", "dots", "values")
ESCAPINGS = {
    "": "underscores",
    "*/*": "underscores",
    PROMETHEUS_2: "underscores",
    PROMETHEUS_3: "allow-utf-8",
    **{PROMETHEUS_3.replace("allow-utf-8", scheme): scheme for scheme in SCHEMES},
    **{PROMETHEUS_3_TEXT.format(scheme): scheme for scheme in SCHEMES},
    **{PROMETHEUS_3_PROTOBUF.format(scheme): scheme for scheme in SCHEMES},
    "text/plain;version=1.0.0;escaping=dots": "dots",
    "text/plain;version=0.0.4;escaping=values": "values",
    "*/*;escaping=allow-utf-8": "allow-utf-8",
    "text/html;escaping=dots": "dots",
    'application/openmetrics-text;version=1.0.0;escaping="allow-utf-8"': "allow-utf-8",
    "application/openmetrics-text ; version=1.0.0 ; Escaping = dots": "dots",
    # Unknown ones are ignored.
    "application/openmetrics-text;version=1.0.0;escaping=utf-8": "underscores",
    "application/openmetrics-text;version=1.0.0;escaping": "underscores",
    "application/openmetrics-text;version=1.0.0;escaping=": "underscores",
    "application/openmetrics-text;version=1.0.0;escaping=ALLOW-UTF-8": "underscores",
    'application/openmetrics-text;version=1.0.0;escaping="dots\r\nX-Header: 1"': "underscores",
    # Of repeated parameters the last one holds.
    "text/plain;escaping=dots;escaping=values": "values",
    "text/plain;escaping=values;escaping=none": "underscores",
    # Ranges that stand behind the accepted one, or are refused, do not matter; those before it do.
    "text/plain;escaping=dots,text/plain;escaping=values;q=0.5": "dots",
    "text/plain;q=0.4,application/openmetrics-text;version=1.0.0;escaping=dots;q=0.3": "underscores",
    "text/plain;escaping=dots;q=0,*/*": "underscores",
    "application/json;escaping=values,text/plain;q=0.5": "values",
    "*/*;escaping=values,text/plain;escaping=dots": "dots",
}


@pytest.mark.parametrize(("accept", "scheme"), ESCAPINGS.items())
def test_the_escaping_is_the_one_that_the_accepted_range_or_a_preferred_one_names(accept: str, scheme: str) -> None:
    assert escaping(accept) == scheme


@given(st.text() | st.text('aeinoptx/;,="*q.01- \\'))
def test_no_header_is_an_error(header: str) -> None:
    openmetrics_preferred(header)
    assert escaping(header) in SCHEMES
    gzip_preferred(header)
    everything_refused(header)


@pytest.mark.parametrize(
    "header",
    [
        "gzip",
        "GZIP",
        "x-gzip",
        "deflate, gzip;q=0.5",
        "*",
        "br;q=1, *;q=0.1",
        "gzip, *;q=0",
        "gzip, identity;q=0.5",
        "gzip;q=0.5, identity;q=0.5",
        "gzip;q=0.001, identity;q=0",
        "identity;q=0, *",
    ],
)
def test_gzip_is_given_where_it_is_accepted_and_nothing_else_is_preferred(header: str) -> None:
    assert gzip_preferred(header)
    assert not everything_refused(header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "identity",
        "gzip;q=0",
        "gzip; q=0.000",
        "gzip;q=0, *",
        "gzipped",
        "br",
        "identity, gzip;q=0.5",
        "identity, *;q=0.5",
        "*;q=0, identity",
        "gzip;q=0, identity;q=0.1",
    ],
)
def test_an_answer_as_it_is_is_given_where_gzip_is_not_accepted_or_liked_less(header: str) -> None:
    assert not gzip_preferred(header)
    assert not everything_refused(header)


@pytest.mark.parametrize("header", ["identity;q=0", "*;q=0", "gzip;q=0, identity;q=0", "br, identity;q=0", "br, *;q=0"])
def test_everything_is_refused_where_gzip_is_not_accepted_and_identity_is_excluded(header: str) -> None:
    assert everything_refused(header)
    assert not gzip_preferred(header)


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept",
    [
        "application/json",
        "application/json, text/plain, */*",
        "application/json, */*",
        "text/html;q=0.5, application/json;q=0.6",
        "application/json;charset=utf-8",
    ],
)
def test_json_is_given_where_it_is_asked_for(accept: str) -> None:
    assert json_preferred(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        BROWSER,
        "text/html, application/json",
        "application/json;q=0",
        "application/json;q=0.1, */*",
        "text/*",
    ],
)
def test_everybody_else_gets_a_page(accept: str) -> None:
    assert not json_preferred(accept)
