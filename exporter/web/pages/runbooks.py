"""The runbooks: the page that has all of them, and the link to one. `make docs` writes them from docs/alerts.md."""

from importlib.resources import files

PAGE = "/runbooks"


def runbook(alert: str) -> str:
    """Return the path of an alert's runbook, or of the page of all of them where there is no alert."""
    return f"{PAGE}#{alert.lower()}" if alert else PAGE


def runbooks_page() -> str:
    """Return the main part of the page."""
    return files(__package__).joinpath("runbooks.html").read_text("utf-8")
