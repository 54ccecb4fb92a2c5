"""`python -m tools.flag_table`: write the table of flags in docs/usage.md from the one that --help is written from."""

from collections.abc import Iterator
from pathlib import Path

from exporter.cli.commands import COMMANDS, Flag, forms

PAGE = Path(__file__).resolve().parent.parent / "docs" / "usage.md"
HEAD = "| flag | default | meaning |\n| --- | --- | --- |\n"
_MORE = {
    "--config.file": "configuration.md",
    "--web.config.file": "web-configuration.md",
    "--web.listen-address": "web-configuration.md#where-it-listens",
    "--web.unauthenticated-health": "web-configuration.md#probes",
    "--web.enable-lifecycle": "configuration.md#reload",
}


def with_table(page: str) -> str:
    """Return the page with the table as the program has it."""
    before, _, rest = page.partition(HEAD)
    # The rest begins with the old rows, or where there are none with the empty line after them.
    after = rest[rest.index("\n\n") + 1 :] if not rest.startswith("\n") else rest
    return "".join([before, HEAD, *_rows(), after])


def _rows() -> Iterator[str]:
    for name, flag in COMMANDS["serve"].all_flags.items():
        names = " ".join(f"`{form}`" for form in (["-h"] if name == "--help" else []) + [*forms(name, flag)])
        more = f" [{_MORE[name].partition('#')[0]}]({_MORE[name]})" if name in _MORE else ""
        yield f"| {names} | {_default(flag)} | {_code(flag.about)}{more} |\n"


def _default(flag: Flag) -> str:
    if flag.is_switch:
        return "off"
    shown = flag.shown.strip('"')
    return "none" if flag.default is None else f"`{shown}`"


def _code(about: str) -> str:
    """Return a text with its paths and patterns as code."""
    words = (word.strip("(),.") for word in about.split())
    code = {word for word in words if "/" in word or "*" in word or word.startswith((":", "--"))}
    for word in sorted(code, key=len, reverse=True):
        about = about.replace(word, f"`{word}`", 1)
    return about


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
