"""What may be under way at the same time follows from what the process may use, and never exceeds it."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import ConfigError, from_environment, load
from exporter.config.bounds import ConfiguredLimits, derive, problems
from exporter.config.resources import PLENTY, Resources
from exporter.model.system import System

MIB = 1024 * 1024
NOTHING_SET = ConfiguredLimits()
ACCOUNT = "accounts: [{name: a, system: inkit, api_token: CANARY}]\n"
RESOURCES = st.builds(
    Resources, st.integers(0, 5000) | st.integers(0, 1 << 20), st.integers(0, 1 << 40), st.floats(0.01, 64)
)
LIMITS = st.builds(
    ConfiguredLimits,
    st.none() | st.integers(1, 1000),
    st.none() | st.integers(1, 1 << 32),
    st.none() | st.integers(1, 100_000),
)
Systems = Mapping[str, System]
Written = Callable[[str | bytes], Path]


@given(RESOURCES, LIMITS)
def test_bounds_hold_or_are_an_error(resources: Resources, limits: ConfiguredLimits) -> None:
    bounds = derive(resources, limits)
    assert min(bounds.workers, bounds.answer_bytes, bounds.response_bytes, bounds.clients) >= 1
    assert bounds.idle_connections >= 0
    if not list(problems(resources, limits)):
        assert bounds.descriptors <= resources.descriptors
        assert bounds.answer_bytes + bounds.response_bytes < resources.memory / 4


@given(RESOURCES, LIMITS)
def test_what_is_set_holds(resources: Resources, limits: ConfiguredLimits) -> None:
    bounds = derive(resources, limits)
    for wanted, found in zip(astuple(limits), (bounds.workers, bounds.response_bytes, bounds.clients), strict=True):
        assert wanted in (None, found)


@given(RESOURCES, st.integers(0, 5000), st.integers(0, 1 << 32), st.floats(0, 8))
def test_more_of_anything_makes_no_bound_smaller(
    resources: Resources, descriptors: int, memory: int, cpus: float
) -> None:
    more = Resources(resources.descriptors + descriptors, resources.memory + memory, resources.cpus + cpus)
    before, after = (replace(derive(given, NOTHING_SET), resources=PLENTY) for given in (resources, more))
    assert all(large >= small for small, large in zip(astuple(before)[:-1], astuple(after)[:-1], strict=True))


@given(RESOURCES, LIMITS, st.integers(0, 100), st.integers(0, MIB))
def test_more_of_anything_is_never_the_error(
    resources: Resources, limits: ConfiguredLimits, descriptors: int, memory: int
) -> None:
    more = Resources(resources.descriptors + descriptors, resources.memory + memory, resources.cpus)
    assert len(list(problems(more, limits))) <= len(list(problems(resources, limits)))


@pytest.mark.parametrize(
    ("descriptors", "workers", "clients", "idle"),
    [(57, 4, 4, 0), (64, 4, 8, 3), (256, 27, 77, 28), (1024, 64, 512, 188), (65536, 64, 512, 64700)],
)
def test_few_file_descriptors_make_few_workers_and_clients(
    descriptors: int, workers: int, clients: int, idle: int
) -> None:
    bounds = derive(Resources(descriptors, 1 << 34, 4.0), NOTHING_SET)
    assert (bounds.workers, bounds.clients, bounds.idle_connections) == (workers, clients, idle)


@pytest.mark.parametrize(
    ("memory", "workers", "answers", "answer"), [(64, 16, 2, 0), (128, 32, 4, 8), (512, 64, 16, 55), (4096, 64, 16, 64)]
)
def test_little_memory_makes_small_answers_and_few_workers(
    memory: int, workers: int, answers: int, answer: int
) -> None:
    bounds = derive(Resources(1024, memory * MIB, 4.0), NOTHING_SET)
    found = bounds.workers, bounds.answer_bytes // MIB, bounds.response_bytes // MIB
    assert found == (workers, answers, answer)


@pytest.mark.parametrize(("cpus", "workers"), [(0.1, 16), (0.5, 32), (1.0, 64), (16.0, 64)])
def test_a_small_part_of_a_cpu_makes_few_workers(cpus: float, workers: int) -> None:
    assert derive(Resources(1024, 1 << 34, cpus), NOTHING_SET).workers == workers


def said(text: str, written: Written, systems: Systems, resources: Resources) -> list[str]:
    path = written(text + ACCOUNT)
    with pytest.raises(ConfigError) as caught:
        load(path, systems, {}, resources=resources)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


SMALL = Resources(256, 512 * MIB, 1.0)
RAISE = "raise LimitNOFILE= (systemd), --ulimit nofile= (containers) or ulimit -n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "limits: {max_workers: 500}\n",
            (
                ":1: limits.max_workers: needs 2041 file descriptors; the process may have 256"
                f" (RLIMIT_NOFILE): lower it, or {RAISE}"
            ),
        ),
        (
            "limits:\n  max_workers: 30\n  max_connections: 200\n",
            (
                ":3: limits.max_connections: needs 368 file descriptors; the process may have 256"
                f" (RLIMIT_NOFILE): lower it, or {RAISE}"
            ),
        ),
        (
            "limits: {max_response_bytes: 1GiB}\n",
            (
                ":1: limits.max_response_bytes: the process may use 512MiB of memory, which is enough to decode 55MiB:"
                " lower it, or raise the memory limit of the container, or MemoryMax= (systemd)"
            ),
        ),
        (
            "page_size: 1000\nlimits: {max_response_bytes: 500KiB}\n",
            (
                ":1: page_size: a page of 1000 records has about 1000KiB, and an answer may have 500KiB: lower"
                " page_size, or raise limits.max_response_bytes or the memory limit"
            ),
        ),
        (
            "limits: {max_response_bytes: 50KB}\n",
            (
                ":1: limits.max_response_bytes: a page of 100 records has about 100KiB, and an answer may have 50KiB:"
                " lower page_size, or raise limits.max_response_bytes or the memory limit"
            ),
        ),
    ],
    ids=["workers", "connections", "memory", "page", "default-page"],
)
def test_a_bound_that_cannot_hold_is_an_error_at_its_place_with_the_fix(
    text: str, problem: str, written: Written, systems: Systems
) -> None:
    assert said(text, written, systems, SMALL) == [problem]


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        (
            Resources(40, 512 * MIB, 1.0),
            f"limits: the process may have 40 file descriptors (RLIMIT_NOFILE), and needs at least 57: {RAISE}",
        ),
        (
            Resources(256, 48 * MIB, 1.0),
            (
                "limits: the process may use 48MiB of memory, and needs at least 64MiB: raise the memory limit of the"
                " container, or MemoryMax= (systemd)"
            ),
        ),
    ],
    ids=["descriptors", "memory"],
)
def test_a_process_that_may_use_too_little_is_an_error_whatever_is_set(
    resources: Resources, problem: str, written: Written, systems: Systems
) -> None:
    assert said("", written, systems, resources) == [f":1: {problem}"]
    limits = "limits: {max_workers: 500, max_response_bytes: 1GiB}\n"
    assert f":1: {problem}" in said(limits, written, systems, resources)
    with pytest.raises(ConfigError, match=r"^environment: limits: "):
        from_environment(systems, {"INKIT_API_TOKEN": "CANARY"}, resources=resources)


def test_a_page_that_is_too_large_is_reported_where_each_account_sets_it(written: Written, systems: Systems) -> None:
    account = "{name: %s, system: inkit, api_token: CANARY, page_size: %s}"
    accounts = ", ".join(account % pair for pair in (("b", 1000), ("c", 10), ("d", 400)))
    text = f"page_size: 1000\nlimits: {{max_response_bytes: 300KiB}}\naccounts: [{accounts}]\n"
    path = written(text)
    with pytest.raises(ConfigError) as caught:
        load(path, systems, {}, resources=SMALL)
    places = [problem.path for problem in caught.value.problems]
    assert places == ["accounts[0].page_size", "accounts[2].page_size"]


def test_limits_of_a_wrong_type_are_not_judged_by_what_the_process_has(written: Written, systems: Systems) -> None:
    text = "limits: {max_workers: many, max_response_bytes: 64, max_connections: 0}\n"
    assert said(text, written, systems, SMALL) == [
        ":1: limits.max_connections: must be at least 1, not 0",
        ":1: limits.max_response_bytes: a size needs a unit, such as 64MiB, not 64",
        ":1: limits.max_workers: must be a whole number, not text",
    ]


def test_what_is_set_is_in_the_configuration_and_in_its_bounds(written: Written, systems: Systems) -> None:
    path = written("limits: {max_workers: 10, max_response_bytes: 8MiB, max_connections: 20}\n" + ACCOUNT)
    config = load(path, systems, {}, resources=SMALL)
    assert config.limits == ConfiguredLimits(10, 8 * MIB, 20)
    assert (config.bounds.workers, config.bounds.response_bytes, config.bounds.clients) == (10, 8 * MIB, 20)
