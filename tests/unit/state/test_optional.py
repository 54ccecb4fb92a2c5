"""What the state in a database needs is loaded with such a state alone: it may not be installed."""

import subprocess
import sys


def test_a_command_loads_no_psycopg_before_its_configuration_names_a_database() -> None:
    code = "import sys; sys.modules['psycopg'] = None; import exporter.cli.check, exporter.cli.once, exporter.cli.serve"
    subprocess.run([sys.executable, "-c", code], check=True)
