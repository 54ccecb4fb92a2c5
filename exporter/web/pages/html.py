"""Render the pages from the templates in templates/, and write times and addresses as all pages do."""

import base64
import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from exporter.model.iso_time import format_iso_time
from exporter.web.pages.runbooks import runbook

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


@dataclass(frozen=True, slots=True)
class Link:
    """A page of the exporter."""

    path: str
    name: str


@functools.cache
def environment() -> Environment:
    """Return the environment with all templates compiled, so that no request waits for the disk.

    Values are escaped, and a name that no value is given for is an error.
    """
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"age": age, "iso": format_iso_time, "runbook": runbook}
    templates.globals |= {"url": url, "link_to": link_to}
    for name in templates.list_templates():
        templates.get_template(name)
    return templates


def render(template: str, links: Sequence[Link], here: str, **values: object) -> bytes:
    """Return a page as UTF-8. `here` is its own path among `links`; the other values are what its template names."""
    html = environment().get_template(template).render(links=links, here=here, **values)
    return html.encode("utf-8", "replace")


def headers() -> tuple[tuple[str, str], ...]:
    """Return the headers of every page.

    A page may use its own style, allowed by its hash, and send forms to the exporter; nothing else. Other sites, where
    a link may lead, don't learn the exporter's address.
    """
    style = environment().get_template("style.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )
    return ("content-security-policy", policy), ("referrer-policy", "no-referrer")


def link_to(path: str) -> str:
    """Return a path of the exporter as a link of its pages: relative, so that it holds below a proxy's prefix.

    All pages are directly below the root.
    """
    return f".{path}"


def url(path: str, **parameters: object) -> str:
    """Return a link to a path with query parameters. A parameter whose value is a list is repeated."""
    return f"{link_to(path)}?{urlencode(parameters, doseq=True, errors='replace')}"


def age(seconds: float) -> str:
    """Return a length of time in its largest whole unit. A negative one, as after a clock was set back, is 0."""
    whole = max(0, int(seconds))
    size, unit = next((size, unit) for size, unit in _UNITS if whole >= size or size == 1)
    return f"{whole // size} {unit}"
