"""An internal error of the exporter: what was raised may quote anything, and its text is never shown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.canaries import canary
from tests.support.program import PATH, config
from tests.support.rig import Rig

BROKEN = """
import os
from exporter.__main__ import main
from exporter.client.transport import Transport

def get(*_: object) -> None:
    raise KeyError(os.environ["TEXT"])

Transport.get = get
main()
"""


@pytest.mark.parametrize("command", ["once", "check --online", "inspect prod rb_1", "inspect prod rend_1"])
def test_the_text_of_an_internal_error_is_not_shown(rig: Rig, tmp_path: Path, command: str) -> None:
    (tmp_path / "broken.py").write_text(BROKEN)
    done = subprocess.run(
        [sys.executable, tmp_path / "broken.py", *command.split(), config(rig, tmp_path)],
        env={**PATH, "PYTHONPATH": ":".join(sys.path), "TEXT": canary("internal-error")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert canary("internal-error") not in done.stdout + done.stderr
    assert re.search('level=ERROR msg="internal error"', done.stderr)
    assert "broken.py" in done.stderr
    assert "KeyError" in done.stderr
