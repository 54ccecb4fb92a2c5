"""Nothing private gets out: marks stand in all that is private, and all that every command says is looked through."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import hostile
from tests.support.canaries import canary, holds
from tests.support.outputs import Said, everything, inspect
from tests.support.program import eventually, get, running
from tests.support.security_stage import Stage, stage

STYLES = ("logfmt", "json")
SECRETS = [
    *(f"token.{name}" for name in (*hostile.KINDS, "inkit", "packagex", "file", "environment", "proxied")),
    *(f"server.{name}" for name in (*hostile.KINDS, "proxy")),
    *("proxy.user", "proxy.password", "tls.key", "tls.authority", "url.signature", "url.path"),
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
def all_said(there: Stage) -> dict[str, list[Said]]:
    return everything(there, STYLES)


@pytest.fixture(params=STYLES)
def said(all_said: dict[str, list[Said]], request: pytest.FixtureRequest) -> list[Said]:
    """All that all commands say, with logs in one format."""
    return all_said[request.param]


@pytest.fixture(scope="module")
def shown(there: Stage) -> bytes:
    """What `inspect` shows of all records with customers' data."""
    private = ("inkit rend_1", "inkit rend_text", "packagex batch_1 --errors")
    return b"".join(one.content for what in private for one in inspect(there, "json", f"{what} --show-data"))


def leaks(said: list[Said], name: str) -> list[str]:
    return [one.where for one in said if holds(one.content, name)]


@pytest.mark.parametrize("name", [*SECRETS, *PERSONAL, *OF_ROWS, *UNREAD])
def test_what_is_private_is_in_no_output_of_any_command(said: list[Said], name: str) -> None:
    assert not leaks(said, name)


@pytest.mark.parametrize("name", OF_RECORDS)
def test_what_describes_a_record_is_shown_by_inspect_alone(said: list[Said], name: str) -> None:
    assert {where.partition(" ")[0] for where in leaks(said, name)} == {"inspect"}


def test_a_workflows_name_is_shown_beside_what_failed_and_by_inspect_alone(said: list[Said]) -> None:
    shown = {where.partition(" as ")[0] for where in leaks(said, WORKFLOW)}
    assert {"serve GET /failures", "inspect stdout"} <= shown
    stored = {one for one in shown if re.fullmatch(r"serve (ended )?state.db(-wal)?", one)}
    assert stored
    assert shown - stored == {"serve GET /failures", "inspect stdout"}


@pytest.mark.parametrize("name", [*PERSONAL, *OF_ROWS])
def test_customers_data_is_shown_to_who_asks_for_it(said: list[Said], shown: bytes, name: str) -> None:
    assert holds(shown, name)


@pytest.mark.parametrize("name", [*SECRETS, *PERSONAL, *OF_ROWS, *UNREAD, *OF_RECORDS, WORKFLOW])
def test_all_that_must_not_get_out_was_there(said: list[Said], there: Stage, name: str) -> None:
    assert any(holds(one, name) for one in there.there())


@pytest.mark.parametrize(
    "where", ["serve GET /metrics", "serve GET / ", "serve stderr", "serve state.db", "once stdout", "check stderr"]
)
def test_all_outputs_are_looked_through(said: list[Said], where: str) -> None:
    """Each has what it may: the names of accounts that fail, or the id of a record."""
    found = [one.content for one in said if one.where.startswith(where)]
    assert any(b"inkit-401" in one or b"rend_1" in one for one in found)


def test_the_demo_shows_neither_its_tokens_nor_its_people(tmp_path: Path) -> None:
    with running(["demo", "--api-port=0", "--log.level=debug"], TMPDIR=str(tmp_path)) as (process, url):
        shown = [eventually(url + "/metrics", 'packagex_batches{account="logistics"'), get(url + "/")]
        process.terminate()
        logged = process.communicate(timeout=20)[1]
    assert "endpoint=/batches" in logged
    assert not re.search(r"demo-(token|key)|Sample|Specimen|@example|X-Amz", logged + "".join(shown))


@pytest.mark.parametrize(
    "said", [canary("x"), canary("x").upper(), base64.b64encode(b"a:" + canary("x").encode()).decode()]
)
def test_a_mark_is_found_in_other_letters_and_encodings(said: str) -> None:
    assert holds(f"...{said}...".encode(), "x")
    assert not holds(f"...{said}...".encode(), "y")
