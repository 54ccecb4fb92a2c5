"""Run the commands of a page once: with all programs where they are, or else those for Python alone."""

import pytest


def _page(item: pytest.Item, file: str) -> str | None:
    """Return the page whose commands this test of this file runs, or None if it does not."""
    if item.path.name != file or not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return None
    name = item.callspec.params.get("name")
    return name if isinstance(name, str) else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect a page that is run without programs if it is run with them too: these are more of the same commands."""
    whole = {_page(item, "test_commands_with_programs.py") for item in items} - {None}
    repeated = [item for item in items if _page(item, "test_commands.py") in whole]
    if repeated:
        config.hook.pytest_deselected(items=repeated)
        items[:] = [item for item in items if item not in repeated]
