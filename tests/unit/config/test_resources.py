"""What the process may use: its cgroup's limits, in trees of version 2 and 1, and what can't be read."""

import resource
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config.resources import CgroupLimits, available, cgroup_limits

MIB = 1024 * 1024
UNLIMITED = "9223372036854771712\n"


def tree(root: Path, cgroup: str, files: Mapping[str, str]) -> Path:
    """Make a file system with this /proc/self/cgroup and these files below /sys/fs/cgroup, and return its root."""
    for name, text in {"proc/self/cgroup": cgroup, **{f"sys/fs/cgroup/{key}": files[key] for key in files}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_the_limits_of_version_2_are_read(tmp_path: Path) -> None:
    files = {"a/b/memory.max": f"{512 * MIB}\n", "a/b/cpu.max": "50000 100000\n"}
    assert cgroup_limits(tree(tmp_path, "0::/a/b\n", files)) == CgroupLimits(512 * MIB, 0.5)


def test_the_tightest_of_the_cgroup_and_those_above_it_holds(tmp_path: Path) -> None:
    files = {
        "a/b/memory.max": "max\n",
        "a/b/cpu.max": "400000 100000\n",
        "a/memory.max": f"{256 * MIB}\n",
        "a/cpu.max": "150000 100000\n",
        "memory.max": f"{1024 * MIB}\n",
        "cpu.max": "max 100000\n",
    }
    assert cgroup_limits(tree(tmp_path, "0::/a/b\n", files)) == CgroupLimits(256 * MIB, 1.5)


def test_memory_that_the_kernel_reclaims_above_is_a_limit(tmp_path: Path) -> None:
    files = {"a/memory.max": f"{512 * MIB}\n", "a/memory.high": f"{300 * MIB}\n"}
    assert cgroup_limits(tree(tmp_path, "0::/a\n", files)).memory == 300 * MIB


def test_the_limits_of_version_1_are_read(tmp_path: Path) -> None:
    cgroup = "9:name=systemd:/a\n4:memory:/a/b\n3:cpu,cpuacct:/a/b\n0::/a\n"
    files = {
        "memory/a/b/memory.limit_in_bytes": UNLIMITED,
        "memory/a/memory.limit_in_bytes": f"{128 * MIB}\n",
        "cpu,cpuacct/a/b/cpu.cfs_quota_us": "25000\n",
        "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000\n",
        "cpu,cpuacct/a/cpu.cfs_quota_us": "-1\n",
        "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n",
    }
    assert cgroup_limits(tree(tmp_path, cgroup, files)) == CgroupLimits(128 * MIB, 0.25)


def test_a_container_sees_its_own_cgroup_as_the_root(tmp_path: Path) -> None:
    cgroup = "4:memory:/docker/0123\n3:cpu:/docker/0123\n"
    files = {
        "memory/memory.limit_in_bytes": f"{64 * MIB}\n",
        "cpu/cpu.cfs_quota_us": "200000\n",
        "cpu/cpu.cfs_period_us": "100000\n",
    }
    assert cgroup_limits(tree(tmp_path, cgroup, files)) == CgroupLimits(64 * MIB, 2.0)


@pytest.mark.parametrize("path", ["/", "/../..", "/../other", "/a/deleted (deleted)"])
def test_a_cgroup_outside_of_what_is_seen_is_the_root(path: str, tmp_path: Path) -> None:
    files = {"memory.max": f"{64 * MIB}\n"}
    assert cgroup_limits(tree(tmp_path, f"0::{path}\n", files)) == CgroupLimits(64 * MIB, None)


def test_a_system_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path) == CgroupLimits(None, None)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_files_hold_they_are_a_limit_or_none(
    tmp_path_factory: pytest.TempPathFactory, cgroup: str, memory: str, cpu: str
) -> None:
    root = tmp_path_factory.mktemp("root")
    for name, text in (("proc/self/cgroup", f"0::/\n{cgroup}"), ("memory.max", memory), ("cpu.max", cpu)):
        path = root / name if "/" in name else root / "sys" / "fs" / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
    found = cgroup_limits(root)
    assert found.memory is None or found.memory >= 0
    assert found.cpus is None or found.cpus >= 0


def test_this_process_has_descriptors_memory_and_cpus() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard))
    try:
        found = available()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found.descriptors == 300
    assert found.memory > MIB
    assert found.cpus > 0
