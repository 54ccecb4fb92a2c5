"""What counts as a scrape: an answer of metrics that a client has taken to its end, and nothing else."""

from pathlib import Path

import pytest

from exporter.exposition.boot_clock import ticks
from tests.support.examples import polled
from tests.support.patience import GENEROUS, eventually
from tests.support.serving import Program, ask, connect, serving

WELL = polled(True, True, None, 0, 0)


@pytest.fixture
def program() -> Program:
    made = Program()
    made.publish("prod", WELL)
    return made


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}, {"Accept": "application/openmetrics-text"}])
def test_an_answered_scrape_is_noted_with_the_time_when_it_began(program: Program, headers: dict[str, str]) -> None:
    with serving(program) as place:
        for _ in range(2):
            before, last = ticks(), program.store.last_scrape
            assert ask(place, "GET", "/metrics", **headers)[0].status == 200
            eventually(lambda last=last: program.store.last_scrape != last)  # type: ignore[misc]
            assert program.store.last_scrape is not None
            assert before <= program.store.last_scrape <= ticks()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("HEAD", "/metrics", {}),
        ("GET", "/", {}),
        ("GET", "/-/ready", {}),
        ("GET", "/failures", {}),
        ("POST", "/metrics", {}),
        ("GET", "/metrics", {"Accept-Encoding": "identity;q=0, *;q=0"}),
    ],
)
def test_nothing_else_is_a_scrape(program: Program, method: str, path: str, headers: dict[str, str]) -> None:
    with serving(program) as place:
        ask(place, method, path, **headers)
        ask(place, "GET", "/-/healthy")
    assert program.store.last_scrape is None


def test_an_answer_that_a_client_gave_up_is_no_scrape() -> None:
    program = Program()
    program.publish("prod", WELL, series=80_000)
    with serving(program) as place:
        with connect(place, receive_buffer=4096) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1000)
        ask(place, "GET", "/-/healthy")
    assert program.store.last_scrape is None


def test_over_tls_it_is_the_same(program: Program, tmp_path: Path, certificates: Path) -> None:
    import ssl
    import urllib.request

    web = tmp_path / "web.yml"
    web.write_text(f"tls_server_config: {{cert_file: {certificates}/server.pem, key_file: {certificates}/server.key}}")
    with serving(program, web=web) as place:
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        with urllib.request.urlopen(
            f"https://localhost:{place[1]}/metrics", context=context, timeout=GENEROUS
        ) as answer:
            assert answer.read()
        eventually(lambda: program.store.last_scrape is not None)


@pytest.mark.parametrize("query", ["", "?name[]=live&name[]=inkit_batches"])
def test_a_scrape_that_took_until_others_may_own_the_accounts_is_answered_without_them(
    program: Program, query: str
) -> None:
    """Rendering takes a while, and the program may be stopped meanwhile."""

    def stopped() -> float:
        program.store.exposed_until = lambda: ticks() - 1.0
        return 1.0

    with serving(program) as place:
        assert b"prod-0" in ask(place, "GET", f"/metrics{query}")[1]
        program.publish("prod", WELL)
        program.live.set_function(stopped)
        answer, body = ask(place, "GET", f"/metrics{query}")
        assert answer.status == 200
        assert b"live 1.0" in body
        assert b"prod-0" not in body
