"""What log lines look like, whatever is logged."""

import io
import json
import logging
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli import log_format

FIELD = re.compile(r'([A-Za-z0-9_.]+)=("(?:[^"\\]|\\.)*"|[^\s"=]+)(?: |$)')
log = logging.getLogger("exporter.test")


def lines(style: log_format.Style = "logfmt", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    log_format.setup(level, style, stream)
    return stream


def fields(line: str) -> dict[str, str]:
    """Return the fields of a logfmt line. Asserts that nothing else is in it."""
    assert FIELD.sub("", line) == ""
    return dict(FIELD.findall(line))


def test_a_line_looks_like_one_of_prometheus() -> None:
    record = logging.makeLogRecord(
        {"created": 1767323045.678, "levelno": logging.INFO, "levelname": "INFO", "msg": "polled once"}
    )
    record.account = "production"
    record.pages = 3
    record.complete = True
    line = 'time=2026-01-02T03:04:05.678Z level=INFO msg="polled once" account=production pages=3 complete=true'
    assert log_format.LineFormatter("logfmt").format(record) == line
    assert json.loads(log_format.LineFormatter("json").format(record)) == {
        "time": "2026-01-02T03:04:05.678Z",
        "level": "INFO",
        "msg": "polled once",
        "account": "production",
        "pages": 3,
        "complete": True,
    }


def test_levels_are_named_as_prometheus_does() -> None:
    stream = lines(level="debug")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, "x")
    found = [fields(line)["level"] for line in stream.getvalue().splitlines()]
    assert found == ["DEBUG", "INFO", "WARN", "ERROR", "ERROR"]


@pytest.mark.parametrize(("level", "heard"), [("debug", 4), ("info", 3), ("warn", 2), ("error", 1)])
def test_a_level_silences_those_below(level: str, heard: int) -> None:
    stream = lines(level=level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        log.log(number, "x")
    assert len(stream.getvalue().splitlines()) == heard


@pytest.mark.parametrize("library", ["urllib3.connectionpool", "requests", "uvicorn.error", "asyncio"])
@pytest.mark.parametrize(("level", "heard"), [("debug", ["w"]), ("warn", ["w"]), ("error", [])])
def test_libraries_are_heard_from_warnings_up_and_no_more_than_we_are(
    library: str, level: str, heard: list[str]
) -> None:
    stream = lines(level=level)
    logging.getLogger(library).info("i")
    logging.getLogger(library).warning("w")
    assert [fields(line)["msg"] for line in stream.getvalue().splitlines()] == heard


def test_what_would_show_a_whole_url_is_not_heard() -> None:
    stream = lines(level="debug")
    logging.getLogger("urllib3.connection").warning("Failed to parse headers (url=https://files.example/?sig=CANARY)")
    assert not stream.getvalue()


def test_setting_up_again_replaces_what_was_set_up() -> None:
    first, second = lines(), lines()
    log.info("x")
    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


HOSTILE = [
    'x" level=ERROR msg="forged',
    "a\nlevel=ERROR",
    "a\r\x1b[31m\x00",
    "\u2028\u202e\x85",
    "\ud800",
    "",
    "a=b",
    "\\",
    "\U000e0001",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_neither_breaks_a_line_nor_forges_a_field(value: str) -> None:
    stream = lines()
    log.info(value, extra={"account": value})
    text = stream.getvalue()
    assert text.endswith("\n")
    assert len(text.splitlines()) == 1
    assert text[:-1].isprintable()
    found = fields(text[:-1])
    assert list(found) == ["time", "level", "msg", "account"]
    assert found["level"] == "INFO"
    text.encode()


@given(st.text(), st.text(min_size=1))
def test_no_value_and_no_key_breaks_a_line_in_either_style(value: str, key: str) -> None:
    record = logging.makeLogRecord({"msg": "x", "levelname": "INFO"})
    record.__dict__.setdefault(key, value)
    line = log_format.LineFormatter("logfmt").format(record)
    assert line.isprintable()
    assert fields(line)["msg"] == "x"
    assert json.loads(log_format.LineFormatter("json").format(record))["msg"] == "x"
    assert log_format.LineFormatter("json").format(record).isascii()


@pytest.mark.parametrize("value", HOSTILE)
def test_json_gives_back_exactly_what_was_logged(value: str) -> None:
    stream = lines("json")
    log.info("x", extra={"account": value})
    assert json.loads(stream.getvalue())["account"] == value


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_exception_is_put_on_one_line(style: log_format.Style) -> None:
    stream = lines(style)
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        log.exception("failed", stack_info=True)
    text = stream.getvalue()
    assert text.count("\n") == 1
    found = json.loads(text) if style == "json" else fields(text[:-1])
    assert found["exception"].strip('"').endswith("ValueError")
    assert "test_log_format" in found["stack"]


def raised(text: str, cause: OSError | None) -> list[str]:
    """Return what is logged of an error with this text: a file name for each place, and the last line of each error."""
    stream = lines("json")
    try:
        try:
            raise FileNotFoundError(2, text, text)
        except OSError as error:
            raise KeyError(text) from cause and error
    except KeyError:
        log.exception("failed")
    logged = json.loads(stream.getvalue())["exception"]
    assert "CANARY" not in logged
    return re.findall(r"test_log_format.py|^\w.*", logged, re.MULTILINE)


def test_an_exception_is_logged_by_kind_and_place_and_not_by_its_text() -> None:
    cause = ["test_log_format.py", "FileNotFoundError: No such file or directory"]
    assert raised("CANARY", cause=OSError()) == [*cause, "test_log_format.py", "KeyError"]


def test_an_exception_that_hides_what_came_before_is_logged_alone() -> None:
    assert raised("CANARY", cause=None) == ["test_log_format.py", "KeyError"]


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_extra_key_cannot_take_the_place_of_a_fixed_one(style: log_format.Style) -> None:
    stream = lines(style)
    log.info("x", extra={"level": "ERROR", "time": "never"})
    text = stream.getvalue()
    found = json.loads(text) if style == "json" else fields(text[:-1])
    assert (found["level"], found["level_"], found["time_"]) == ("INFO", "ERROR", "never")


def test_a_field_without_a_value_is_left_out() -> None:
    stream = lines()
    log.info("x", extra={"account": None})
    assert "account" not in stream.getvalue()


def test_a_number_that_json_cannot_write_is_written_as_text() -> None:
    stream = lines("json")
    log.info("x", extra={"a": float("nan"), "b": float("inf"), "c": 1.5})
    found = json.loads(stream.getvalue())
    assert (found["a"], found["b"], found["c"]) == ("nan", "inf", 1.5)


def test_a_value_of_another_type_is_written_as_its_text() -> None:
    stream = lines("json")
    log.info("x", extra={"error": ValueError("no"), "them": ("a", 1)})
    found = json.loads(stream.getvalue())
    assert (found["error"], found["them"]) == ("no", "('a', 1)")
