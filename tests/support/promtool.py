"""The promtools that judge the rules: the system's, and where Go is installed also a 3.x, built once."""

import functools
import subprocess
from pathlib import Path

from tools import prometheus3

_SYSTEM = "promtool"


@functools.cache
def promtools() -> tuple[str, ...]:
    """Return their commands. Raises BuildError where the build fails."""
    return (_SYSTEM, str(prometheus3.built() / "promtool")) if prometheus3.is_available() else (_SYSTEM,)


def run(*arguments: str | Path) -> None:
    """Run each of them. Raises AssertionError with the output of one that finds something."""
    for command in promtools():
        done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def used() -> str:
    """Return a line that says which of them have judged the rules; empty where none was asked."""
    if promtools.cache_info().currsize == 0:
        return ""
    version = subprocess.run([_SYSTEM, "--version"], capture_output=True, text=True, check=True)
    own = (version.stdout or version.stderr).split(" (")[0].removeprefix("promtool, version ")
    other = f"{prometheus3.VERSION} of {prometheus3.MODULE}" if promtools()[1:] else "no 3.x: Go is not installed"
    return f"rules judged by promtool {own}; {other}"
