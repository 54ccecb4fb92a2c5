"""Bad networks as the kernel makes them, in namespaces of this process alone, where the kernel can.

The APIs listen on this machine's loopback, which is a network of its own in such a namespace: iptables drops or refuses
the packets of a port, and a queue with a token bucket slows those that come from it. Scrapes use a socket of the file
system, so that they are on no bad network.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.rough_link import CONNECTION, TIMEOUT
from tests.support.rough_roads import STRAIGHT, Road, Seen, Trip, apis

_DEAD = "127.0.0.2"
"""An address that drops all that is sent to it."""
_UNSHARE = ("unshare", "--user", "--map-root-user", "--net", "--mount")
_TOOLS = ("unshare", "ip", "iptables", "tc", "mount")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SEGMENT = 1_500
_MOST_SECONDS = 550
_TWO_ADDRESSES = f"{_DEAD} localhost\n127.0.0.1 localhost\n"


@dataclass(frozen=True, slots=True)
class Rules:
    """How bad the way to an API is, in iptables' words about packets of its port, and in bits a second."""

    name: str
    reasons: frozenset[str] = frozenset()
    """Why polls may fail; without any they must succeed, however slowly."""
    inward: Sequence[str] = ()
    """Rules for packets to the API."""
    outward: Sequence[str] = ()
    """Rules for packets from it."""
    rate: str = ""
    by_name: bool = False
    """Whether it is reached by a name with two addresses, the first of which drops all that is sent to it."""


RULES = (
    Rules("5 % of packets lost", outward=("-m statistic --mode random --probability 0.05 -j DROP",)),
    Rules("70 % of packets lost", TIMEOUT, (), ("-m statistic --mode random --probability 0.7 -j DROP",)),
    Rules("512 kbit/s", rate="512kbit"),
    Rules("8 kbit/s", TIMEOUT, rate="8kbit"),
    Rules("black hole", TIMEOUT, ("-j DROP",), ("-j DROP",)),
    Rules("black hole for requests", TIMEOUT, ("-j DROP",)),
    Rules("black hole for answers", TIMEOUT, (), ("-j DROP",)),
    Rules("black hole within the answer", TIMEOUT, (), ("-m length --length 1000: -j DROP",)),
    Rules("reset", CONNECTION, ("-j REJECT --reject-with tcp-reset",)),
    Rules("host unreachable", CONNECTION, ("-j REJECT --reject-with icmp-host-unreachable",)),
    Rules("port unreachable", CONNECTION, ("-j REJECT --reject-with icmp-port-unreachable",)),
    Rules("one of two addresses drops everything", by_name=True),
)


REFUSED = (
    "Bad networks of the kernel are not tried here: {}\n"
    "They need user, network and mount namespaces, iptables with statistic, length, REJECT and CLASSIFY, and the\n"
    "queues htb and tbf. What a proxy can do is tried everywhere: pytest tests/e2e/test_network.py"
)
"""What to print instead, with the reason."""


class Refused(Exception):
    """The kernel or the system can't do it. The text says what, and how to find out more."""


def refusal() -> str | None:
    """Return why this machine can't have such networks; None if it can."""
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if missing:
        return f"missing {', '.join(missing)} (Debian's packages iproute2, iptables, mount and util-linux have them)"
    done = inside("--probe")
    return None if done.returncode == 0 else " ".join((done.stdout + done.stderr).split())[-300:]


def inside(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Make the trip in namespaces of their own, and return what it has printed."""
    command = [*_UNSHARE, sys.executable, "-m", "tests.support.rough_kernel", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_MOST_SECONDS)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, env={"PATH": _PATH}, check=False)
    if done.returncode:
        raise Refused(f"{' '.join(words)}: {' '.join((done.stderr + done.stdout).split())}")


def _prepare(folder: Path) -> None:
    """Set the loopback up: with packets as on an Ethernet, an address that drops everything, and a queue."""
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "set", "lo", "mtu", str(_SEGMENT))
    _run("tc", "qdisc", "add", "dev", "lo", "root", "handle", "1:", "htb")
    hosts = folder / "hosts"
    hosts.write_text(_TWO_ADDRESSES)
    _run("mount", "--bind", str(hosts), "/etc/hosts")


def _limit(number: int, port: int, rate: str) -> None:
    """Send what comes from a port through a token bucket."""
    of = f"1:{number + 16:x}"
    _run("tc", "class", "add", "dev", "lo", "parent", "1:", "classid", of, "htb", "rate", "10gbit")
    _run("tc", "qdisc", "add", "dev", "lo", "parent", of, "tbf", "rate", rate, "burst", "4kb", "latency", "20s")
    _iptables("-t mangle -A OUTPUT", f"-p tcp --sport {port} -j CLASSIFY --set-class {of}")


def _iptables(where: str, rule: str) -> None:
    _run("iptables", "-w", *where.split(), *rule.split())


def _spoil(number: int, port: int, rules: Rules) -> None:
    for rule in rules.inward:
        _iptables("-A INPUT", f"-p tcp --dport {port} {rule}")
    for rule in rules.outward:
        _iptables("-A INPUT", f"-p tcp --sport {port} {rule}")
    if rules.rate:
        _limit(number, port, rules.rate)
    if rules.by_name:
        _iptables("-A INPUT", f"-d {_DEAD} -p tcp --dport {port} -j DROP")


def _repair(number: int, port: int, rules: Rules) -> None:
    for rule in rules.inward:
        _iptables("-D INPUT", f"-p tcp --dport {port} {rule}")
    for rule in rules.outward:
        _iptables("-D INPUT", f"-p tcp --sport {port} {rule}")
    if rules.rate:
        _iptables("-t mangle -D OUTPUT", f"-p tcp --sport {port} -j CLASSIFY --set-class 1:{number + 16:x}")


def trip() -> Sequence[Seen]:
    """Make the trip, in the namespaces of this process. Raises Refused and AssertionError."""
    roads = [Road(rules.name, rules.reasons) for rules in RULES]
    every = [*roads, Road(STRAIGHT, frozenset())]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _prepare(folder)
        with apis(every) as ports:
            for number, (road, rules) in enumerate(zip(roads, RULES, strict=True)):
                port = ports[road.name]
                road.spoil = lambda number=number, port=port, rules=rules: _spoil(number, port, rules)  # type: ignore[misc]
                road.repair = lambda number=number, port=port, rules=rules: _repair(number, port, rules)  # type: ignore[misc]
                if rules.by_name:
                    road.url = f"http://localhost:{port}/v1"
            with Trip(folder, every) as made:
                return made.run()


def probe() -> None:
    """Try each rule once. Raises Refused."""
    with tempfile.TemporaryDirectory() as name:
        _prepare(Path(name))
        for number, rules in enumerate(RULES):
            _spoil(number, 9, rules)


def main(arguments: Sequence[str]) -> int:
    try:
        if "--probe" in arguments:
            probe()
        else:
            for seen in trip():
                print(f"{seen.road}: {seen.outcome}")
    except Refused as refused:
        print(refused, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
