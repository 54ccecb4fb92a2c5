"""Replicas as processes on a real PostgreSQL: whatever fails, one exposes an account, and each event counts once.

Most of it is waiting. So there are several stages, at which different things happen at the same time.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from exporter.replicas.leases import exposure_seconds
from exporter.state.postgres import schema
from tests.support import faults
from tests.support.patience import GENEROUS
from tests.support.pgbouncer import pooled
from tests.support.random_faults import Walk
from tests.support.replicas import TTL, Replica, Stage, stage
from tests.support.side_by_side import Results, Scene, come_to, side_by_side

pytestmark = [pytest.mark.programs, pytest.mark.slow]

TAKEN_OVER_WITHIN = TTL + 2
HANDED_OVER_WITHIN = TTL - 1
"""On an idle machine a second is enough. Waiting for leases to expire takes longer in any case."""
BALANCED_WITHIN = 180.0
USAGE = 2
END_SECONDS = 4.0


_SCENES: dict[str, tuple[str, Scene[Stage]]] = {}
"""By test: its stage, and what happens there."""


def on_stage(name: str) -> Callable[[Scene[Stage]], Callable[[Results[Stage]], None]]:
    """Make a test of a scene, which happens after the others of this stage. What happens at other stages goes on."""

    def made(scene: Scene[Stage]) -> Callable[[Results[Stage]], None]:
        _SCENES[scene.__name__] = (name, scene)
        return lambda results: come_to(results, scene)

    return made


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results[Stage]]:
    chosen = [_SCENES[item.name] for item in request.session.items if item.path == request.path]
    stages = {name: [scene for there, scene in chosen if there == name] for name, _ in chosen}
    with side_by_side(*((stage(tmp_path_factory.mktemp(name)), scenes) for name, scenes in stages.items())) as found:
        yield found


@on_stage("gone")
def test_those_that_are_gone_lose_their_accounts_to_those_that_live(made: Stage) -> None:
    killed, left, stopped, cut_off = made.fresh(4)
    for api in made.apis.values():
        # Polls are under way when they stop, and their writes come too late.
        api.mock_api.faults.add(faults.latency(1.5), times=4)
    time.sleep(1.2)
    assert cut_off.proxy is not None
    killed.kill()
    stopped.stop()
    cut_off.proxy.hold("requests", "answers")
    made.note("kill, stop, cut off")
    made.until(lambda: made.exposed_by(left), "that the one that is left has all", TAKEN_OVER_WITHIN)
    assert not cut_off.exposed()
    for api in made.apis.values():
        api.mock_api.faults.clear()
    stopped.go_on()
    cut_off.proxy.forward()
    made.note("they go on")
    made.until(lambda: ready(stopped) and ready(cut_off), "that they are ready again")
    assert made.wrong() == []


@on_stage("gone")
def test_one_that_ends_hands_its_accounts_over_at_once(made: Stage) -> None:
    leaving, left = made.fresh(2)
    assert leaving.terminate() == 0
    made.until(lambda: made.exposed_by(left), "that the other has all", HANDED_OVER_WITHIN)
    assert made.wrong() == []


@on_stage("gone")
def test_a_write_that_arrives_after_the_account_has_another_owner_is_refused(made: Stage) -> None:
    made.fresh(2)
    # With a prepared statement, its text would not be in each request.
    late = made.start(proxy=True, prepared=False)
    assert late.proxy is not None
    made.until(lambda: bool(late.exposed()), "that it has an account")
    late.proxy.hold_at(b"INSERT INTO records")
    made.until(lambda: not late.proxy.forwards, "that a write is under way")  # type: ignore[union-attr]
    made.note(f"black hole of {late.name} with its write in it")
    others = [replica for replica in made.replicas if replica.alive and replica is not late]
    made.until(lambda: made.exposed_by(*others), "that others have all", 2 * TAKEN_OVER_WITHIN)
    time.sleep(2.0)
    late.proxy.forward()
    made.note("the write arrives")
    assert made.wrong() == []
    assert late.terminate() == 0


@on_stage("gone")
def test_a_rolling_restart_leaves_no_account_for_long(made: Stage) -> None:
    pair = made.fresh(2)
    began = time.time()
    for old in pair:
        new = made.start(proxy=True)
        made.until(lambda new=new: ready(new), "that the new one is ready")  # type: ignore[misc]
        made.note(f"terminate {old.name}")
        assert old.terminate() == 0
    live = [replica for replica in made.replicas if replica.alive]
    made.until(lambda: made.exposed_by(*live), "that they have all", HANDED_OVER_WITHIN)
    assert made.wrong() == []
    assert made.longest_gap(began) < HANDED_OVER_WITHIN


@on_stage("calm")
def test_connections_that_are_cut_and_a_restart_of_the_database_move_no_account(made: Stage) -> None:
    pair = made.fresh(2)
    owners = made.owners()
    made.cut_connections()
    time.sleep(0.5)
    made.cut_connections()
    made.restart_database()
    made.cut_connections()
    time.sleep(1.5)
    made.until(lambda: made.shared(*pair), "that both expose their accounts")
    assert made.wrong() == []
    assert made.owners() == owners


@on_stage("calm")
def test_while_the_database_is_down_no_account_is_exposed_for_long_and_all_is_counted_later(made: Stage) -> None:
    pair = made.fresh(2)
    made.server.stop()
    made.note("database down")
    silent = lambda: not any(replica.exposed() for replica in pair)  # noqa: E731
    made.until(silent, "that nothing is exposed", exposure_seconds(TTL) + 1.5)
    assert all("503" in replica.get("/-/ready") for replica in pair)
    made.restart_database()
    made.until(lambda: made.exposed_by(*pair), "that they expose all again")
    assert made.wrong() == []


@on_stage("calm")
def test_one_with_a_newer_configuration_takes_over_and_the_others_keep_what_they_have(made: Stage) -> None:
    leaving, older = made.fresh(2)
    kept = older.exposed()
    new = made.config(stuck_after="2h")
    newer = made.start(new)
    made.until(lambda: ready(newer), "that the new one is ready")
    time.sleep(1.0)
    assert not newer.exposed()
    made.until(lambda: made.shared(leaving, older), "that the others have all")
    leaving.terminate()
    made.until(lambda: newer.exposed() == set(made.apis) - kept, "that the newer one has the rest", HANDED_OVER_WITHIN)
    made.until(lambda: older.exposed() == kept, "that the older one keeps what it has")
    # Its database has another address, through its proxy.
    older.reload({**older.settings, "stuck_after": "2h"})
    made.note("reload")
    made.until(lambda: "\nbatch_exporter_config_hashes 1" in older.get("/metrics"), "that it has the newer one, too")
    made.until(lambda: made.shared(newer, older), "that both have their share")
    assert made.wrong() == []


@on_stage("calm")
def test_behind_a_pooler_of_transactions_accounts_are_shared_and_handed_over(made: Stage) -> None:
    before = made.fresh(2)
    with pooled(made.server) as port:
        url = f"postgresql://anyone@127.0.0.1:{port}/{made.database}"
        behind = [made.start(made.config(url, state={"prepared_statements": False})) for _ in range(2)]
        for replica in before:
            assert replica.terminate() == 0
        made.until(lambda: made.shared(*behind), "that both have their share", BALANCED_WITHIN)
        assert behind[0].terminate() == 0
        made.until(lambda: made.exposed_by(behind[1]), "that the other has all", HANDED_OVER_WITHIN)
        assert made.wrong() == []
        assert behind[1].terminate() == 0


@on_stage("calm")
def test_accounts_are_shared_anew_when_replicas_join_and_when_they_leave_whatever_their_clocks(made: Stage) -> None:
    pair = made.fresh(2)
    joined = [made.start(proxy=True, ahead=ahead) for ahead in (3600.0, -3600.0, 0.0)]
    made.until(lambda: made.shared(*pair, *joined), "that five share", BALANCED_WITHIN)
    assert [clock_offset(replica) for replica in joined] == [-3600.0, 3600.0, 0.0]
    for replica in joined:
        replica.process.terminate()
    made.until(lambda: made.exposed_by(*pair), "that two have all", HANDED_OVER_WITHIN)
    assert made.wrong() == []


@on_stage("start")
def test_two_that_start_at_once_make_the_tables_of_an_empty_database_and_share_the_accounts(made: Stage) -> None:
    database = made.server.database()

    def owners(both: Sequence[Replica]) -> list[int]:
        pages = [replica.get("/metrics") for replica in both]
        return [sum(f'account="{account}"' in page for page in pages) for account in made.apis]

    config = made.config(made.server.url(database))
    both = made.start(config, scraped=False), made.start(config, scraped=False)
    made.until(lambda: all(map(ready, both)) and owners(both) == [1] * len(made.apis), "that they share all accounts")
    assert ["level=ERROR" in replica.log.read_text() for replica in both] == [False, False]
    for replica in both:
        assert replica.terminate() == 0


@on_stage("start")
def test_tables_of_a_newer_program_are_refused_at_the_start(made: Stage) -> None:
    database = made.server.database()
    made.prepare(database)
    made.server.execute(database, "UPDATE meta SET version = 99, min_reader = 99")
    replica = made.start(made.config(made.server.url(database)), scraped=False)
    assert replica.process.wait(GENEROUS) == USAGE
    log = replica.log.read_text()
    assert "written by a newer version of this program (schema 99, known 1): run that version" in log
    assert "Traceback" not in log


@on_stage("start")
def test_a_database_that_hangs_at_the_start_delays_neither_the_pages_nor_the_end(made: Stage) -> None:
    database = made.server.database()
    waiting = f"""SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database
                  WHERE locktype = 'advisory' AND NOT granted AND datname = '{database}'"""  # noqa: S608
    with made.server.admin(database) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (schema.LOCK,))

        def seconds_to_end(serves: bool) -> float:
            before = made.select(waiting)
            replica = made.start(made.config(made.server.url(database)), scraped=False)
            made.until(lambda: made.select(waiting) > before, "that it waits for the lock")
            if serves:
                made.until(lambda: not_ready(replica), "that it serves")
                assert "no answer within 5 s: check the network, its load and locks" in replica.log.read_text()
            began = time.monotonic()
            assert replica.terminate() == 0
            return time.monotonic() - began

        for serves in (False, True):
            # What waits for the database does so each time, and a busy machine is late now and then.
            assert any(seconds_to_end(serves) < END_SECONDS for _ in range(4))


def clock_offset(replica: Replica) -> float:
    """Return the database's clock minus that of the replica, rounded."""
    found = re.search(r"^batch_exporter_clock_offset_seconds (\S+)$", replica.get("/metrics"), re.MULTILINE)
    assert found is not None
    return round(float(found[1]), -2)


def not_ready(replica: Replica) -> bool:
    try:
        return replica.get("/-/ready").startswith("503")
    except OSError:
        return False


def ready(replica: Replica) -> bool:
    try:
        return replica.get("/-/ready").startswith("200")
    except OSError:
        return False


@on_stage("start")
def test_random_faults_break_no_promise(made: Stage) -> None:
    seed = random.randrange(1_000_000)
    report = Walk(made, random.Random(seed)).run(20.0)
    assert not report.violations, f"seed {seed}\n{report.text()}"
    assert report.events
