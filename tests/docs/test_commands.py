"""Every command that a page shows works as it stands there, and says what the page says: those for Python alone."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.page_commands import Checkout, Command, File, checkout, differs, steps
from tests.support.page_commands_decided import BEFORE, DECIDED, Elsewhere, Run, walk
from tests.support.pages import DOCS
from tests.support.paths import ROOT

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("**/*.md"))]
"""For those who run the exporter. What contributors type is how these tests are run."""


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Checkout]:
    with checkout(tmp_path) as fresh:
        yield fresh


def runs(name: str) -> bool:
    return any(not isinstance(decision, Elsewhere) and not decision.programs for decision in DECIDED[name].values())


def test_it_is_decided_of_each_command_whether_it_is_run() -> None:
    shown = {
        str(page.relative_to(ROOT)): {step.text for step in steps(page.read_text()) if isinstance(step, Command)}
        for page in PAGES
    }
    assert {name: commands for name, commands in shown.items() if commands} == {
        name: set(of) for name, of in DECIDED.items()
    }
    assert BEFORE.keys() <= DECIDED.keys()


@pytest.mark.parametrize("name", [name for name in DECIDED if runs(name)])
def test_what_a_page_says_to_type_works(name: str, made: Checkout) -> None:
    outputs = walk(name, made, programs=False)
    assert outputs.keys() >= {text for text, how in DECIDED[name].items() if isinstance(how, Run) and not how.programs}


def test_the_folder_of_a_token_file_is_mounted_and_not_the_file() -> None:
    mounts = [mount for page in PAGES for mount in re.findall(r"--volume (\./[^:\s]+):", page.read_text())]
    assert mounts
    assert [mount for mount in mounts if "." in mount.removeprefix("./") or "token" in mount] == []


def test_commands_files_and_what_is_shown_are_read_from_a_page_in_order() -> None:
    page = """# Page

```console
$ first \\
    --flag
said
…
$ second
```

Write `some.yaml`:

```yaml
a: 1
```

Not a file:

```yaml
b: 1
```

```console
# third
```
"""
    assert steps(page) == [
        Command("first --flag", ("said",)),
        Command("second"),
        File("some.yaml", "a: 1\n"),
        Command("third"),
    ]


@pytest.mark.parametrize(
    ("shown", "output", "same"),
    [
        ("a: OK, 1 page, about 1,440 requests", "a: OK, 12 pages, about 9 requests", True),
        ("Took:   6 min 17 s", "Took: 3 h 2 min", True),
        ("Id:   rb_1ZzLifO2hurcwKoCEHkylb", "Id: rb_0000000000000000000000", True),
        ("Status: failed", "Status: completed", False),
        ("a: OK", "b: OK", False),
        ("a: OK", "", False),
    ],
)
def test_numbers_and_ids_may_differ_from_what_is_shown_and_words_may_not(shown: str, output: str, same: bool) -> None:
    assert (differs([shown], output) == []) is same
