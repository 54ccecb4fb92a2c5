"""Where the runbooks are: the page that the alerts' own links lead to. What is in them: docs/alerts.md."""

PAGE = "https://batch-exporter.example.com/docs/alerts.md"
"""The same as in `runbook_url` of prometheus/rules, and to be changed with it."""


def runbook(alert: str) -> str:
    """The address of an alert's runbook, or of the page of all of them where there is no alert."""
    return f"{PAGE}#{alert.lower()}" if alert else PAGE
