"""`tools/release_notes` prints what CHANGELOG.md says of one version, and CHANGELOG.md has the form that it needs."""

import re
import sys
from datetime import date
from pathlib import Path

import pytest

from exporter import __version__
from tests.support.container_engine import output, run
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "tools/release_notes"
GROUPS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]
CHANGELOG = """# Changelog

## [Unreleased]

* Not yet.

## [10.2.0] - 2026-03-01 [YANKED]

### Fixed

* A [page](docs/a.md#b), [one elsewhere](https://example.org/a.md) and [one here](#fixed).

```
## [9.9.9] - 2026-01-01
[code]: stays
```

## 0.2.0 - 2026-02-01

* Two.

## [0.1.0] - 2026-01-01

[Unreleased]: https://example.org/compare
[10.2.0]: https://example.org/10.2.0
"""


@pytest.fixture
def changelog(tmp_path: Path) -> Path:
    path = tmp_path / "CHANGELOG.md"
    path.write_text(CHANGELOG)
    return path


def notes(changelog: Path, *words: str) -> str:
    return output(sys.executable, SCRIPT, "--changelog", changelog, *words)


def refusal(*words: str | Path) -> str:
    done = run(sys.executable, SCRIPT, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_section_of_the_version_is_printed_and_no_other(changelog: Path) -> None:
    assert notes(changelog, "0.2.0") == "* Two.\n"
    fixed = notes(changelog, "10.2.0")
    assert fixed.startswith("### Fixed\n\n* A [page]")
    assert fixed.endswith("## [9.9.9] - 2026-01-01\n[code]: stays\n```\n")


def test_relative_links_lead_to_the_files_of_the_tag(changelog: Path) -> None:
    shown = notes(changelog, "10.2.0", "--links", "https://forge.example/o/r/blob/v10.2.0/")
    assert "[page](https://forge.example/o/r/blob/v10.2.0/docs/a.md#b)" in shown
    assert "[one elsewhere](https://example.org/a.md) and [one here](#fixed)" in shown


@pytest.mark.parametrize("version", ["0.3.0", "2.0.0", "0.2.0.1", "9.9.9"])
def test_a_version_without_a_section_is_refused_with_those_there_are(changelog: Path, version: str) -> None:
    message = refusal("--changelog", changelog, version)
    assert message == (
        f'{changelog}: no section for {version} (there is 10.2.0, 0.2.0, 0.1.0): add "## [{version}] - YYYY-MM-DD"\n'
    )


@pytest.mark.parametrize("word", ["Unreleased", "v0.2.0", "0.2", ".*", ""])
def test_what_is_not_a_version_is_refused(changelog: Path, word: str) -> None:
    assert f"{word!r} is not a version such as 0.2.0" in refusal("--changelog", changelog, word)


def test_an_empty_section_is_refused(changelog: Path) -> None:
    assert "the section for 0.1.0 is empty: say what changed" in refusal("--changelog", changelog, "0.1.0")


def test_two_sections_of_one_version_are_refused(changelog: Path) -> None:
    changelog.write_text(CHANGELOG + "## [0.2.0] - 2026-02-02\n")
    assert "two sections for 0.2.0: merge them" in refusal("--changelog", changelog, "0.2.0")


def test_a_file_that_can_not_be_read_is_refused(tmp_path: Path) -> None:
    assert f"{tmp_path}/a.md: can't be read: No such file" in refusal("--changelog", tmp_path / "a.md", "0.2.0")
    assert "can't be read: Is a directory" in refusal("--changelog", tmp_path, "0.2.0")
    (tmp_path / "b.md").write_bytes(b"\xff")
    assert "b.md: 'utf-8' codec can't decode" in refusal("--changelog", tmp_path / "b.md", "0.2.0")


def test_there_are_notes_for_this_version() -> None:
    assert "### " in output(SCRIPT, __version__)


def test_the_changelog_keeps_to_its_form() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    first, *released = (line for line in lines if line.startswith("## "))
    assert first == "## [Unreleased]"
    matches = [re.fullmatch(r"## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)", line) for line in released]
    assert None not in matches, released
    found = [(tuple(map(int, match[1].split("."))), date.fromisoformat(match[2])) for match in matches if match]
    assert found == sorted(found, reverse=True)
    assert len({version for version, _ in found}) == len(found)
    groups = [line.removeprefix("### ") for line in lines if line.startswith("### ")]
    assert set(groups) <= set(GROUPS)


def test_no_version_of_the_changelog_has_a_group_twice() -> None:
    for version in re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE)[1:]:
        groups = re.findall(r"^### (.+)$", version, re.MULTILINE)
        assert groups == [group for group in GROUPS if group in groups], version.splitlines()[0]
