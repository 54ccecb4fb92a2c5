"""What the state in a database needs is loaded with such a state alone: it may not be installed."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", ["serve", "once", "check"])
def test_a_command_loads_no_psycopg_before_its_configuration_names_a_database(command: str) -> None:
    code = f"import sys; sys.modules['psycopg'] = None; import exporter.cli.{command}"
    subprocess.run([sys.executable, "-c", code], check=True)
