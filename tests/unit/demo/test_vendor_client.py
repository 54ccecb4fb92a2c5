"""The vendor's own client works with the mock API."""

import warnings
from collections.abc import Iterator

import pytest

from exporter.demo.items import document_batch
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support.api_clients import TOKEN
from tests.support.rig import NOW


@pytest.fixture
def inkit(mock_api: MockApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    with warnings.catch_warnings():
        # Importing it leaves a file open and asks for an outdated module: not ours to fix.
        warnings.simplefilter("ignore")
        import inkit
        import inkit.client
        import inkit.resources

    # The client joins its host and `batch` as a browser would: without the slash, `/v1` would be replaced.
    monkeypatch.setattr(inkit.client, "HOST", mock_api.url + "/")
    monkeypatch.setattr(inkit, "api_token", TOKEN)
    yield inkit
    inkit.resources.client._session.close()  # noqa: SLF001 (it has no public way)


@pytest.fixture(autouse=True)
def _three_batches(world: World) -> None:
    world.extend("document_batches", (document_batch(f"rb_{n}", NOW + n, total=n + 1) for n in range(3)))


def test_it_lists_batches(inkit: object) -> None:
    from inkit import Batch

    answer = Batch.list()
    assert [item.id for item in answer.data["items"]] == ["rb_2", "rb_1", "rb_0"]
    assert answer.data.metadata.pagination.total_count == 3


def test_its_parameters_are_understood(inkit: object) -> None:
    from inkit import Batch

    answer = Batch.list(page=2, page_size=2, sort="created_at", search="rb_")
    assert [item.id for item in answer.data["items"]] == ["rb_2"]


def test_it_gets_one_batch(inkit: object) -> None:
    from inkit import Batch

    assert Batch.get("rb_1").data.total == 2


def test_it_gets_the_error_of_a_wrong_token(inkit: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from inkit import Batch
    from inkit.exceptions import InkitResponseException

    monkeypatch.setattr(inkit, "api_token", "wrong")
    with pytest.raises(InkitResponseException) as caught:
        Batch.list()
    assert caught.value.response.status_code == 401
    assert caught.value.response.data.message


def test_it_gets_the_error_of_an_unknown_batch(inkit: object) -> None:
    from inkit import Batch
    from inkit.exceptions import InkitResponseException

    with pytest.raises(InkitResponseException) as caught:
        Batch.get("rb_unknown")
    assert caught.value.response.status_code == 404
