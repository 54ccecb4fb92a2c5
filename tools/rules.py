"""`make rules`: write the alerts with links to your exporter and your Grafana. Loads nothing but the standard library.

Reads the environment: EXTERNAL_URL is the exporter's address as a browser reaches it, GRAFANA_URL that of Grafana,
OUTPUT the folder to write to. With DATASOURCE_UID, the alerts are those that Grafana evaluates, by that data source.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "prometheus" / "rules"
OUTPUT = "build/rules"
MANAGED = ROOT / "grafana" / "alerting"
MANAGED_OUTPUT = "build/alerting"
ADDRESSES = {"EXTERNAL_URL": "http://localhost:10977", "GRAFANA_URL": "http://localhost:3000"}
"""What the committed rules link to."""

_EXAMPLE = "https://batch-exporter.example.org"
_CHARACTERS = re.compile(r"(?:[A-Za-z0-9._~:/\[\]-]|%[0-9A-Fa-f]{2})+")
"""None that YAML or Prometheus' templates could take for their own."""


_UID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_QUERIED = re.compile(r"((?:uid|datasourceUid): )prometheus$", re.MULTILINE)


class BadURL(Exception):
    """A URL can't be the beginning of a link. The text says what is wrong with it."""


def base(url: str) -> str:
    """Return a URL to which a path can be appended: without a slash at its end.

    Raises BadURL for what is not an http or https URL, and for one with credentials, a query or a fragment.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadURL(f"not a URL: {error}") from None
    if parts.scheme not in ("http", "https") or not host or port == 0:
        raise BadURL(f"not an http or https URL with a host, such as {_EXAMPLE}")
    if "@" in parts.netloc:
        raise BadURL("has a user name or password, which every alert would show: leave it out")
    if "?" in url or "#" in url:
        raise BadURL("has a query or a fragment: leave it out")
    if not _CHARACTERS.fullmatch(url):
        raise BadURL("has a character that is no letter, digit or one of . _ ~ : / -: percent-encode it")
    return url.rstrip("/")


def addressed(rules: str, urls: Mapping[str, str]) -> str:
    """Return the text of a file of rules with other addresses, by their names in ADDRESSES."""
    pattern = "|".join(rf"{re.escape(usual)}(?=[/\s])" for usual in ADDRESSES.values())
    names = {usual: name for name, usual in ADDRESSES.items()}
    return re.sub(pattern, lambda found: urls[names[found[0]]], rules)


def queried(alerts: str, uid: str) -> str:
    """Return the text of a file of Grafana's alert rules that query another data source."""
    return _QUERIED.sub(rf"\g<1>{uid}", alerts)


def main(environ: Mapping[str, str] = os.environ, rules: Path = RULES) -> int:
    """Write all files of rules. Returns the exit status: 2 for a setting that is missing or wrong."""
    urls = dict(ADDRESSES)
    if not environ.get("EXTERNAL_URL"):
        return _refuse("EXTERNAL_URL", f"missing: the exporter's address, as in make rules EXTERNAL_URL={_EXAMPLE}")
    for name in ADDRESSES:
        if given := environ.get(name):
            try:
                urls[name] = base(given)
            except BadURL as error:
                return _refuse(name, f"{error}")
    if uid := environ.get("DATASOURCE_UID", ""):
        if not _UID.fullmatch(uid):
            return _refuse("DATASOURCE_UID", "not a data source's UID: at most 40 letters, digits, - and _")
        source, usual, names = MANAGED, MANAGED_OUTPUT, "batch-exporter-*.yaml"
    else:
        source, usual, names = rules, OUTPUT, "*.yml"
    folder = Path(environ.get("OUTPUT") or usual)
    if folder.resolve() == source.resolve():
        return _refuse("OUTPUT", "the folder that the rules are read from: choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(source.glob(names)):
            text = addressed(file.read_text(), urls)
            (folder / file.name).write_text(queried(text, uid) if uid else text)
    except OSError as error:
        return _refuse("OUTPUT", f"{error.filename}: {error.strerror}")
    print(f"wrote {folder}: link to {urls['EXTERNAL_URL']} and {urls['GRAFANA_URL']}")
    return 0


def _refuse(setting: str, message: str) -> int:
    print(f"{setting}: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
