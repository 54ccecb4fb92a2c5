"""The table of routes."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.messages import Request, Response, answer, text

ROUTES = {
    "/both": {"GET": lambda _: text(200, "got"), "POST": lambda request: text(200, f"posted {request.path}")},
    "/post": {"POST": lambda _: text(202, "done")},
}


def ask(method: str, path: str) -> Response:
    found = answer(ROUTES, Request(method, path, {}, {}))
    assert isinstance(found, Response)
    return found


def test_a_route_is_one_entry_for_each_of_its_methods() -> None:
    assert ask("GET", "/both").chunks == (b"got\n",)
    assert ask("POST", "/both").chunks == (b"posted /both\n",)


def test_head_is_answered_where_get_is() -> None:
    assert ask("HEAD", "/both").status == 200
    assert ask("HEAD", "/post").status == 405


def test_the_allowed_methods_are_those_of_the_route() -> None:
    assert ask("PUT", "/both").headers == (("allow", "GET, HEAD, OPTIONS, POST"),)
    assert ask("GET", "/post").headers == (("allow", "OPTIONS, POST"),)


PARTS = st.lists(st.sampled_from(["", ".", "..", "both", "post", "x", "evil.example", "\\\\evil.example"]), max_size=6)


@given(PARTS, st.sampled_from(["GET", "HEAD"]))
def test_whatever_the_path_a_redirect_leads_to_a_route_of_this_host(parts: list[str], method: str) -> None:
    path = "/" + "/".join(parts)
    found = ask(method, path)
    if found.status == 307:
        ((name, location),) = found.headers
        assert (name, path) != ("location", location)
        assert location in ROUTES
    else:
        assert found.status in ((200, 405) if path in ROUTES else (404,))
