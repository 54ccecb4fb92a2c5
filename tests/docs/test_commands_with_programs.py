"""The pages whose commands need more than Python: curl, Prometheus, Alertmanager, openssl."""

import json
from pathlib import Path

import pytest

from tests.support.page_commands import checkout
from tests.support.page_commands_decided import DECIDED, Elsewhere, Run, walk

pytestmark = pytest.mark.programs

PAGES = [
    name
    for name, of in DECIDED.items()
    if any(not isinstance(decision, Elsewhere) and decision.programs for decision in of.values())
]


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_says_to_type_works(name: str, tmp_path: Path) -> None:
    with checkout(tmp_path) as made:
        outputs = walk(name, made, programs=True)
        assert outputs.keys() >= {text for text, how in DECIDED[name].items() if isinstance(how, Run)}
        if name == "docs/failures.md":
            assert json.loads(next(iter(outputs.values()))).keys() == {"failures", "not_up_to_date"}
        if name == "docs/deployment.md":
            modes = {path.name: path.stat().st_mode & 0o777 for path in (made.folder / "deploy/secrets").rglob("*")}
            assert modes == {
                "exporter": 0o755,
                "inkit.token": 0o444,
                "config.yaml": 0o444,
                "grafana_admin_password": 0o444,
                "postgres_password": 0o444,
                "state-url": 0o444,
            }
