"""The table of routes."""

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
