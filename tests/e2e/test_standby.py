"""The database fails over to a standby: replicas go on with it, and what it has confirmed is not lost."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Server, standby_of
from tests.support.replicas import TTL, Replica, Stage, stage
from tests.support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.programs, pytest.mark.slow]

LOST_SECONDS = 1.5
"""For how long an asynchronous standby has received nothing when its primary fails."""
WRITES = "SELECT sum(version) FROM collectors"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as it:
        yield it


def pair_on(made: Stage, standby: Server) -> tuple[Replica, Replica]:
    """Start two replicas that know both servers, and try the standby first."""
    hosts = f"host={standby.folder},{made.server.folder}&port={standby.port},{made.server.port}"
    config = made.config(f"postgresql://postgres@/{made.database}?{hosts}")
    pair = made.start(config), made.start(config)
    made.until_moving(*pair)
    return pair


def fail_over(made: Stage, standby: Server) -> None:
    made.note("primary down")
    made.server.stop()
    standby.promote()
    made.note("standby promoted")
    made.server = standby


def test_no_confirmed_write_is_lost_to_a_synchronous_standby_that_is_promoted(made: Stage) -> None:
    with standby_of(made.server) as standby:
        made.server.execute("postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        made.server.execute("postgres", "SELECT pg_reload_conf()")
        state = "SELECT sync_state FROM pg_stat_replication"
        made.until(lambda: made.select(state) == [("sync",)], "that the standby is synchronous")
        pair = pair_on(made, standby)
        owners = made.owners()
        time.sleep(1.0)
        fail_over(made, standby)
        made.until(lambda: made.shared(*pair), "that both expose their accounts", TTL)
        assert made.wrong() == []
        assert made.owners() == owners


def test_what_an_asynchronous_standby_lacks_is_counted_again(made: Stage) -> None:
    with TcpProxy(made.socket) as proxy, standby_of(made.server, "127.0.0.1", proxy.port) as standby:
        pair = pair_on(made, standby)
        proxy.hold("answers")
        made.note("the standby receives nothing")
        time.sleep(LOST_SECONDS)
        lost = made.select(WRITES)
        # Before it is promoted: from then on the replicas write to it.
        with standby.admin(made.database) as connection:
            assert connection.execute(WRITES.encode()).fetchall() < lost
        fail_over(made, standby)
        made.until(lambda: made.shared(*pair), "that both expose their accounts", 2 * TTL)
        assert made.missed() == []
