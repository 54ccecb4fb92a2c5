"""Where the runbooks are: a section of a page in the repository for each alert. What is in them: docs/alerts.md."""

PAGE = "docs/alerts.md"
"""A path, because no address of the repository is known here: an example's would lead nowhere."""


def runbook(alert: str) -> str:
    """Return the place of an alert's runbook in the repository, or the page of all of them where there is no alert."""
    return f"{PAGE}#{alert.lower()}" if alert else PAGE
