"""Read what the process may use: file descriptors, memory and CPUs. What follows from it: bounds.py."""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_MANY_DESCRIPTORS = 1 << 20
"""Stands for no limit: Linux' own highest default (`fs.nr_open`)."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What the process may use."""

    descriptors: int
    """File descriptors that may be open: the soft limit RLIMIT_NOFILE."""
    memory: int
    """Bytes: the limit of the cgroup, or the memory of the machine."""
    cpus: float
    """CPU seconds per second: the quota of the cgroup, or the CPUs that the process may run on."""


@dataclass(frozen=True, slots=True)
class CgroupLimits:
    """The limits of a process's cgroup and those above it, the tightest of each kind. None is no limit."""

    memory: int | None = None
    """The memory limit, in bytes."""
    cpus: float | None = None
    """CPU seconds per second."""


PLENTY = Resources(_MANY_DESCRIPTORS, 1 << 40, 64.0)
"""A machine that nothing is too large for."""


def available() -> Resources:
    """Return what this process may use."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    cgroup = cgroup_limits(Path("/"))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cpus = float(len(os.sched_getaffinity(0)))
    return Resources(
        _MANY_DESCRIPTORS if soft == resource.RLIM_INFINITY else min(soft, _MANY_DESCRIPTORS),
        memory if cgroup.memory is None else min(memory, cgroup.memory),
        cpus if cgroup.cpus is None else min(cpus, cgroup.cpus),
    )


def cgroup_limits(root: Path) -> CgroupLimits:
    """Return the limits of the process's cgroup, of version 2 or 1, in the file system at `root`.

    What can't be read or understood is no limit: a container may see its own part of the tree only.
    """
    memory: list[int] = []
    cpus: list[float] = []
    for version, folder in _folders(root):
        if version == 2:
            # Above memory.high the kernel stops the process again and again, so it is a limit too.
            memory += [*_numbers(folder / "memory.max"), *_numbers(folder / "memory.high")]
            cpus += _quota(_numbers(folder / "cpu.max"))
        else:
            memory += _numbers(folder / "memory.limit_in_bytes")
            cpus += _quota([*_numbers(folder / "cpu.cfs_quota_us"), *_numbers(folder / "cpu.cfs_period_us")])
    return CgroupLimits(min(memory, default=None), min(cpus, default=None))


def _folders(root: Path) -> Iterator[tuple[int, Path]]:
    """Yield the version and the folder of each cgroup that the process is in, and of those above them."""
    mounted = root / "sys" / "fs" / "cgroup"
    for line in _text(root / "proc" / "self" / "cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers:
            version, mounts = 1, [mounted / controllers, *(mounted / name for name in controllers.split(","))]
        else:
            version, mounts = 2, [mounted, mounted / "unified"]
        # Relative to the root of the process's namespace; ".." leads out of it.
        parts = [part for part in PurePosixPath(path).parts if part not in ("/", "..")]
        for mount in mounts:
            yield from ((version, mount.joinpath(*parts[:depth])) for depth in range(len(parts), -1, -1))


def _quota(numbers: list[int]) -> list[float]:
    """Return the CPUs of a quota and its period in microseconds; nothing where there is no quota."""
    if len(numbers) != 2 or numbers[1] == 0:
        return []
    return [numbers[0] / numbers[1]]


def _numbers(file: Path) -> list[int]:
    """Return the numbers of a file, without words such as `max`, and without -1, which is no limit too."""
    return [int(word) for word in _text(file).split() if word.isascii() and word.isdecimal() and len(word) < 20]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except (OSError, ValueError):
        return ""
