"""What a page of another site gets, whose reader can reach the exporter's port."""

from urllib.parse import quote

import pytest

from tests.support.canaries import canary
from tests.support.serving import Program, ask, serving

PATHS = ("/", "/metrics", "/failures", "/failures?format=json", "/runbooks", "/-/healthy", "/-/ready", "/none")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_no_answer_lets_another_site_read_it(method: str, path: str) -> None:
    asking = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    with serving(Program()) as place:
        answer, _ = ask(place, method, path, **asking)
    assert not [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")]
    assert answer.status in ((404, 405) if method == "POST" else (200, 404, 405))


@pytest.mark.parametrize(
    "path",
    [
        f"/{canary('x')}",
        f"/?{canary('x')}",
        f"/metrics?name[]={canary('x')}",
        f"/failures?{canary('x')}={canary('x')}",
        f"/failures?limit={canary('x')}",
        f"/failures?format={canary('x')}",
    ],
)
def test_what_was_asked_for_is_not_repeated_in_the_answer(path: str) -> None:
    with serving(Program()) as place:
        answer, body = ask(place, "GET", path, Referer=canary("x"), Cookie=canary("x"))
    assert canary("x") not in f"{answer.getheaders()} {body!r}"


@pytest.mark.parametrize("name", ["account", "collector", "destination"])
def test_a_filter_of_failed_records_is_repeated_as_text(name: str) -> None:
    hostile = quote("\"'><script>alert(1)</script>")
    with serving(Program()) as place:
        answer, body = ask(place, "GET", f"/failures?{name}={hostile}")
    assert answer.status == 200
    assert b"&lt;script&gt;" in body
    assert b"<script" not in body
