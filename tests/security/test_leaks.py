"""Nothing private is shown: all that is private has marks, and the output of every command is searched for them."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.canaries import canary, holds
from tests.support.outputs import Output, everything, inspect
from tests.support.program import eventually, get, running
from tests.support.security_stage import Stage, stage

STYLES = ("logfmt", "json")
SECRETS = [
    *(f"token.{name}" for name in (*hostile.KINDS, "inkit", "packagex", "file", "environment", "proxied")),
    *(f"server.{name}" for name in (*hostile.KINDS, "proxy")),
    *("proxy.user", "proxy.password", "tls.key", "tls.authority", "url.signature", "url.path", "webhook.secret"),
]
PERSONAL = [
    *("merge_parameters.key", "merge_parameters.value", "merge_parameters.text"),
    *("invocation.name", "destination.name", "packagex.reason.quoted", "packagex.reason.address"),
]
OF_ROWS = ["errors.email", "errors.quoted", "errors.row"]
UNREAD = [
    *("invocation.new", "destination.new", "document_batch.new", "workflow_batch.new", "packagex.new"),
    *("list.pagination", "list.sort", "list.new", "errors.name", "packagex.phases.new", "packagex.object"),
    *(f"envelope.{name}" for name in ("message", "code", "endpoint", "pagination")),
    *(f"broken.{name}" for name in ("invocation", "document_batch", "workflow_batch", "packagex")),
]
"""What nothing has a use for, what may come one day, and what can't be understood."""
OF_RECORDS = [
    *(f"invocation.{name}" for name in ("description", "flow_id", "flow_created_at")),
    *("invocation.template_id", "invocation.template_version"),
    *("destination.inkit_storage.piece", "destination.sepire.piece", "document_batch.name", "workflow_batch.name"),
    *(f"packagex.{name}" for name in ("reason", "organization_id", "duplicate_handling", "updated_by", "checksum")),
]
"""Shown by `inspect` to who asks for the record, and by nothing else."""


WORKFLOW = "invocation.flow_name"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as made:
        yield made


@pytest.fixture(scope="module")
def outputs_by_style(there: Stage) -> dict[str, list[Output]]:
    return everything(there, STYLES)


@pytest.fixture(params=STYLES)
def outputs(outputs_by_style: dict[str, list[Output]], request: pytest.FixtureRequest) -> list[Output]:
    """Return all output of all commands, with logs in one format."""
    return outputs_by_style[request.param]


@pytest.fixture(scope="module")
def shown(there: Stage) -> bytes:
    """Return what `inspect` shows of all records with customers' data."""
    private = ("inkit rend_1", "inkit rend_text", "packagex batch_1 --errors")
    return b"".join(output.content for what in private for output in inspect(there, "json", f"{what} --show-data"))


def leaks(outputs: list[Output], name: str) -> list[str]:
    return [output.where for output in outputs if holds(output.content, name)]


def test_what_is_private_is_in_no_output_of_any_command(outputs: list[Output]) -> None:
    private = (*SECRETS, *PERSONAL, *OF_ROWS, *UNREAD)
    assert {name: found for name in private if (found := leaks(outputs, name))} == {}


def test_what_describes_a_record_is_shown_by_inspect_alone(outputs: list[Output]) -> None:
    shown = {name: {where.partition(" ")[0] for where in leaks(outputs, name)} for name in OF_RECORDS}
    assert shown == {name: {"inspect"} for name in OF_RECORDS}


def test_a_workflows_name_is_shown_beside_what_failed_and_by_inspect_alone(outputs: list[Output]) -> None:
    shown = {where.partition(" as ")[0] for where in leaks(outputs, WORKFLOW)}
    assert {"serve GET /failures", "inspect stdout"} <= shown
    stored = {where for where in shown if re.fullmatch(r"serve (ended )?state.db(-wal)?", where)}
    assert stored
    assert shown - stored == {"serve GET /failures", "inspect stdout"}


def test_customers_data_is_shown_to_who_asks_for_it(shown: bytes) -> None:
    assert [name for name in (*PERSONAL, *OF_ROWS) if not holds(shown, name)] == []


def test_all_that_must_not_get_out_was_there(outputs: list[Output], there: Stage) -> None:
    given = list(there.there())
    names = (*SECRETS, *PERSONAL, *OF_ROWS, *UNREAD, *OF_RECORDS, WORKFLOW)
    assert [name for name in names if not any(holds(content, name) for content in given)] == []


def test_all_outputs_are_looked_through(outputs: list[Output]) -> None:
    """Each has what it may have: the names of accounts that fail, or the ID of a record."""
    for where in (
        "serve GET /metrics",
        "serve GET / ",
        "serve stderr",
        "serve state.db",
        "once stdout",
        "check stderr",
    ):
        found = [output.content for output in outputs if output.where.startswith(where)]
        assert any(b"inkit-401" in content or b"rend_1" in content for content in found), where


def test_the_demo_shows_neither_its_tokens_nor_its_people(tmp_path: Path) -> None:
    with running(["demo", "--api-port=0", "--log.level=debug"], TMPDIR=str(tmp_path)) as (process, url):
        shown = [eventually(url + "/metrics", 'packagex_batches{account="logistics"'), get(url + "/")]
        process.terminate()
        logged = process.rest()
    assert "endpoint=/batches" in logged
    assert not re.search(r"demo-(token|key)|Sample|Specimen|@example|X-Amz", logged + "".join(shown))


@pytest.mark.parametrize(
    "text", [canary("x"), canary("x").upper(), base64.b64encode(b"a:" + canary("x").encode()).decode()]
)
def test_a_mark_is_found_in_other_letters_and_encodings(text: str) -> None:
    assert holds(f"...{text}...".encode(), "x")
    assert not holds(f"...{text}...".encode(), "y")
