"""Whatever bounds are written, they are accepted if they rise; if not, the message has those that are accepted."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import ConfigError, buckets, load
from exporter.model.system import System
from tests.support.properties import examples

BOUNDS = st.one_of(
    st.integers(1, 10**6),
    st.floats(0.001, 1e9, allow_nan=False),
    st.sampled_from(["1ms", "500ms", "30s", "1m", "60s", "1h30m", "7d", "100y"]),
)


def read(text: str, systems: Mapping[str, System], written: Callable[[str], Path]) -> tuple[float, ...] | None:
    account = f"{{name: a, system: inkit, api_token: CANARY, duration_buckets: {text}}}"
    return load(written(f"accounts: [{account}]"), systems, {}).accounts[0].duration_buckets


@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bounds=st.lists(BOUNDS, min_size=1, max_size=6))
def test_bounds_that_rise_are_accepted_and_of_others_the_message_has_the_right_ones(
    bounds: list[int | float | str], systems: Mapping[str, System], written: Callable[[str], Path]
) -> None:
    text = json.dumps(bounds)
    seconds = [buckets.parse(bound) for bound in bounds]
    right = tuple(sorted(set(seconds)))
    try:
        assert read(text, systems, written) == right == tuple(seconds)
    except ConfigError as error:
        [problem] = error.problems
        assert tuple(seconds) != right
        assert re.fullmatch(r"accounts\[0\]\.duration_buckets\[\d\]", problem.path)
        assert read(problem.message.partition("; write ")[2], systems, written) == right
