"""Make listening sockets from addresses as --web.listen-address takes them. Sockets from systemd: systemd.py."""

import contextlib
import errno
import re
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

_UNIX = "unix://"
_VSOCK = re.compile(r"vsock://:(?P<port>[0-9]{1,10})")
_ADDRESS = re.compile(r"(?:\[(?P<literal>[^\[\]]+)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_BACKLOG = 1024
"""Connections that wait in the system's queue, which may be shorter (net.core.somaxconn)."""
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_ADVICE = {
    errno.EADDRINUSE: "the port is in use: stop the program that has it, or choose another --web.listen-address",
    errno.EACCES: "permission denied: a port below 1024 needs privileges (CAP_NET_BIND_SERVICE); choose a higher one",
    errno.ENOENT: "there is no such folder: make it, or choose another --web.listen-address",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one that it has, or leave the host out for all",
    errno.EAFNOSUPPORT: "this machine has no such kind of address: choose another, or leave the host out for all",
}


_PASSING = {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
"""What may be over a moment later: a previous process ends, the network comes up."""


class ListenError(Exception):
    """An address that can't be listened on. The message names it, the reason and the fix."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        """Whether the next attempt may succeed without a fix."""


def listen(address: str) -> list[socket.socket]:
    """Return sockets that listen on an address: `HOST:PORT`, `[IPv6]:PORT`, or `:PORT` for all of the machine's.

    Also `unix:///PATH`, and `vsock://:PORT` as in the exporter-toolkit. A name with several addresses gives a socket
    for each. With port 0 all have the same free port. Raises ListenError.
    """
    try:
        if address.startswith(_UNIX):
            return [_unix(address)]
        vsock = _VSOCK.fullmatch(address)
        if vsock is not None:
            return [_vsock(int(vsock["port"]))]
        host, port = _parse(address)
        if not host:
            return [_everywhere(port)]
        return _each(_resolve(address, host), port)
    except OSError as error:
        raise ListenError(f"cannot listen on {address}: {advice(error)}", passing=error.errno in _PASSING) from error


def name_of(listening: socket.socket) -> str:
    """Return the address that a socket listens on, as --web.listen-address takes it."""
    name = listening.getsockname()
    if listening.family == socket.AF_UNIX:
        return f"{_UNIX}{name}"
    if listening.family == socket.AF_VSOCK:
        return f"vsock://:{name[1]}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def first_port(sockets: Iterable[socket.socket]) -> int:
    """Return the first TCP port that one of the sockets listens on, or 0 if there is none."""
    families = (socket.AF_INET, socket.AF_INET6)
    ports = (listening.getsockname()[1] for listening in sockets if listening.family in families)
    return next(ports, 0)


def advice(error: OSError) -> str:
    """Return what is wrong and, where it is known, the fix."""
    return _ADVICE.get(error.errno or 0) or error.strerror or str(error)


def _parse(address: str) -> tuple[str, int]:
    match = _ADDRESS.fullmatch(address)
    if match is None or int(match["port"]) > 65535:
        raise ListenError(
            f"cannot listen on {address!r}: expected HOST:PORT with a port up to 65535, "
            "as in :10977, 127.0.0.1:10977 or [::1]:10977"
        )
    return match["literal"] or match["host"], int(match["port"])


def _unix(address: str) -> socket.socket:
    """Return a socket in the file system. Replace one that a program has left behind."""
    path = Path(address.removeprefix(_UNIX))
    if not path.is_absolute():
        raise ListenError(
            f"cannot listen on {address!r}: expected unix:// and an absolute path, as in unix:///run/x.sock"
        )
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise ListenError(f"cannot listen on {address}: there is a file that is not a socket; choose another path")
    made = socket.socket(socket.AF_UNIX)
    try:
        if _is_left_over(path):
            path.unlink()
        made.bind(str(path))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise OSError(error.errno or errno.ENAMETOOLONG, error.strerror or "the path is too long") from None
    return made


def _is_left_over(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
    return False


def _vsock(port: int) -> socket.socket:
    """Return a socket between a virtual machine and its host, see vsock(7)."""
    made = socket.socket(socket.AF_VSOCK)
    try:
        made.bind((socket.VMADDR_CID_ANY, port))
        made.listen(_BACKLOG)
    except OSError:
        made.close()
        raise
    return made


def _resolve(address: str, host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ListenError(
            f"cannot listen on {address}: the host is not known: check its spelling, or leave it out for all addresses",
            passing=isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN,
        ) from error
    return list(dict.fromkeys((family, str(place[0])) for family, _, _, _, place in found))


def _everywhere(port: int) -> socket.socket:
    """Return a socket for IPv6 and IPv4, or for IPv4 alone if the machine has no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, backlog=_BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NO_SUCH_ADDRESS:
                raise
    return socket.create_server(("", port), backlog=_BACKLOG)


def _each(places: list[tuple[socket.AddressFamily, str]], port: int) -> list[socket.socket]:
    """Return a socket for each address that the machine has: `localhost` often means ::1 where there is no IPv6."""
    missing: OSError | None = None
    with contextlib.ExitStack() as undo:
        opened: list[socket.socket] = []
        for family, host in places:
            try:
                made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
            except OSError as error:
                if error.errno not in _NO_SUCH_ADDRESS:
                    raise
                missing = error
                continue
            opened.append(undo.enter_context(made))
            port = made.getsockname()[1]
        if not opened and missing is not None:
            raise missing
        undo.pop_all()
    return opened
