"""The benchmark of replicas runs, and counts right; how fast anything is is not tested."""

import json
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from benchmarks.replicas.__main__ import COMMAND, main
from benchmarks.replicas.backfill import DELAY_SECONDS, DELAYED, LOOPBACK, SQLITE, backfills
from benchmarks.replicas.database import Done, database
from benchmarks.replicas.exporters import wait_until
from benchmarks.replicas.handover import handover
from benchmarks.replicas.proxy import delaying
from benchmarks.replicas.quiet import Settings
from benchmarks.replicas.table import BACKFILL, HANDOVER, MOVED, QUIET, Results, quiet_name, tables
from benchmarks.report import PAGE, markers
from tests.support.postgres import shared

PROGRAM = Path(sys.executable).parent / "batch-exporter"


@pytest.mark.programs
def test_quiet_polls_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = ["--accounts", "4", "--replicas", "1", "--records", "150", "--seconds", "1", "--interval", "0.5"]
    results = tmp_path / "results.json"
    main([*few, "--moved", "0", "--backfill", "0", "--results", str(results)])
    assert quiet_name(4, 150, 1) in json.loads(results.read_text())[QUIET]
    lines = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    row = {cells[2]: cells[3] for cells in lines if len(cells) > 4 and cells[1].startswith("4 with 150 records")}
    assert float(row["polls a second"].split(",")[0]) > 4.0
    # The sessions hand in their counters now and then only, and prepare statements at the beginning.
    assert 0.5 < float(row["round trips of a poll"]) < 4.0


@pytest.mark.programs
def test_a_backfill_over_a_slow_network_is_measured(tmp_path: Path) -> None:
    found = backfills(PROGRAM, Settings(1, 300, 1.0, 0.0, 30.0), 1, shared(), tmp_path, [DELAYED])[DELAYED]
    assert found.records == 300
    assert all(speed > 0.0 for speed in found.speeds)
    assert found.round_trips is not None
    assert found.round_trips >= 3
    assert found.round_trip_seconds is not None
    assert found.round_trip_seconds >= 2 * DELAY_SECONDS


@pytest.mark.programs
def test_a_handover_is_watched_until_the_other_replica_exposes_all(tmp_path: Path) -> None:
    moved = handover(PROGRAM, Settings(4, 10, 0.5, 0.0, 30.0), shared(), tmp_path)
    assert moved.accounts == 2
    assert 0.0 < moved.seconds < 30.0
    assert 0.0 < moved.polled < 30.0
    assert moved.polls >= 2


@pytest.mark.programs
def test_the_work_of_the_server_is_counted_for_one_database() -> None:
    with database(shared()) as one, database(shared()) as other:
        before, beside = one.done(), other.done()
        # The session hands in its counters when it ends, and with it the process ends whose time counts.
        with psycopg.connect(one.url(), autocommit=True) as connection:
            connection.execute("CREATE TABLE replicas AS SELECT generate_series(1, 300000)")
        wait_until(lambda: one.done().ticks > 0, 30.0, "the session did not end", ())
        after = one.done()
        assert (after.ticks, other.done().ticks) == (300_000, 0)
        assert after.cpu - before.cpu > 0.02
        assert after.wal - before.wal > 300_000
        assert before.size == beside.size < after.size
        assert after.statements > before.statements


def test_statements_of_ticks_are_no_round_trips_of_polls() -> None:
    before = Done(statements=100, ticks=10, wal=0, size=0, cpu=0.0)
    after = Done(statements=160, ticks=15, wal=0, size=0, cpu=0.0)
    assert (after.poll_statements(before), after.poll_statements()) == (50, 130)


@pytest.fixture
def echo() -> Iterator[int]:
    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while received := self.request.recv(65536):
                self.request.sendall(received)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_the_proxy_hands_on_all_bytes_in_order_and_later_in_each_direction(echo: int) -> None:
    with delaying(echo, 0.02) as port, socket.create_connection(("127.0.0.1", port), 10.0) as connection:
        began = time.monotonic()
        connection.sendall(b"first")
        assert connection.recv(100) == b"first"
        assert time.monotonic() - began >= 0.04
        sent = bytes(range(256)) * 2000
        threading.Thread(target=connection.sendall, args=(sent,), daemon=True).start()
        received = b""
        while len(received) < len(sent):
            received += connection.recv(65536)
        assert received == sent
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""


def quiet(accounts: int, **changed: object) -> dict[str, Any]:
    settings = {"accounts": accounts, "records": 100, "interval": 60.0}
    times = dict.fromkeys(("late_p50", "late_p99", "late_max", "cpu"), 0.002)
    return {"settings": settings, "polls": 5.0, "on_time": 1.0, **times, "memory": 2**20, "database": None, **changed}


def test_what_was_not_measured_has_an_empty_cell_or_no_table() -> None:
    cost = {"cpu": 0.001, "round_trips": 2.0, "wal": 500.0, "ticks": 2.0, "size": 2**23}
    results: Results = {
        QUIET: {quiet_name(9, 100, 0): quiet(9), quiet_name(1000, 100, 2): quiet(1000, database=cost)},
        MOVED: {HANDOVER: []},
    }
    lines = tables(results, "command").splitlines()
    assert "| accounts | figure | SQLite, one process | PostgreSQL, 2 replicas | wanted |" in lines
    assert "| 9 with 100 records, polled every 60 s | polls a second | 5.0, 100.0% on time |  |  |" in lines
    assert "| 1,000 with 100 records, polled every 60 s | round trips of a poll |  | 2.00 | at most 2 |" in lines
    assert not any(word in line for line in lines for word in ("handover", "takeover", "backfill"))


def test_polls_of_all_handovers_are_counted_together() -> None:
    settings = {"accounts": 4, "records": 9, "interval": 5.0}
    runs = [
        {
            "settings": settings,
            "accounts": 2,
            "seconds": seconds,
            "polled": 3.0,
            "polls": 4,
            "lost": lost,
            "late_max": 6.0,
        }
        for seconds, lost in ((0.5, 0), (2.0, 1))
    ]
    lines = tables({MOVED: {HANDOVER: runs}}, "command").splitlines()
    where = "2 of 4 accounts, polled every 5 s, 2 times"
    assert f"| handover at SIGTERM, until all are exposed again | {where} | 500 ms, 2.0 s | about 1 s |" in lines
    late = "handover at SIGTERM, polls more than an interval late"
    assert f"| {late} | {where} | 1 of 8, the latest by 6.0 s | none |" in lines


def test_speeds_are_compared_with_those_of_sqlite_in_the_same_round() -> None:
    sqlite = {"records": 9, "speeds": [100.0, 10.0, 1000.0], "cpu": 5e-5}
    alone = {"database_cpu": None, "round_trips": None, "round_trip_seconds": None}
    there = {"database_cpu": 1e-5, "round_trips": 12, "round_trip_seconds": 0.005}
    results = {
        SQLITE: {**sqlite, **alone},
        LOOPBACK: {**sqlite, **there, "speeds": [50.0, 5.0, 100.0]},
        DELAYED: {**sqlite, **there, "speeds": [25.0, 10.0, 1.0]},
    }
    lines = tables({BACKFILL: results}, "command").splitlines()
    rest = "50 µs a record | 10 µs a record | 12 | 5 ms"
    assert f"| 9 records, PostgreSQL | 50 | 0.50 | {rest} | at least half of SQLite's |" in lines
    assert f"| 9 records, PostgreSQL, 2 ms away | 10 | 0.25 | {rest} | at least a third of SQLite's |" in lines


def test_the_page_has_a_place_for_the_tables() -> None:
    page = PAGE.read_text()
    assert all(page.count(marker) == 1 for marker in markers(COMMAND))
