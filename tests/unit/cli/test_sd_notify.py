"""What systemd is notified of, over sockets as systemd has them."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.cli.sd_notify import ServiceManager


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, ServiceManager]]:
    """Yield a service manager's end of the socket, and the exporter's."""
    name = str(tmp_path / "notify")
    notifier = name if request.param == "path" else f"@{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(name if request.param == "path" else f"\0{name}")
        listening.settimeout(20)
        yield listening, ServiceManager({"NOTIFY_SOCKET": notifier}, clock=lambda: 1_234_567_890)


def test_it_is_notified_of_the_beginning_a_reload_and_the_end(manager: tuple[socket.socket, ServiceManager]) -> None:
    listening, notifier = manager
    for message, expected in (
        (notifier.ready, b"READY=1"),
        (notifier.reloading, b"RELOADING=1\nMONOTONIC_USEC=1234567"),
        (notifier.stopping, b"STOPPING=1"),
    ):
        message()
        assert listening.recv(1000) == expected


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_where_nobody_wants_to_know_nothing_happens(environ: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    notifier = ServiceManager(environ)
    notifier.ready()
    notifier.stopping()
    assert not caplog.records


def test_a_manager_that_has_gone_is_a_warning_and_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
    assert caplog.messages == ["notifying the service manager failed"]
