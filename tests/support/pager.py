"""A mock of the pager: it receives what Alertmanager sends, and remembers when. Nothing is judged here."""

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert of a notification."""

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A notification of one group of alerts (the documentation of Alertmanager, `webhook_config`, has its form)."""

    at: float
    """When it arrived, in epoch seconds."""
    receiver: str
    status: str
    """`firing` while one of its alerts does, else `resolved`."""
    group: Mapping[str, str]
    """The labels that the group's alerts have in common because they are grouped by them."""
    alerts: tuple[Alert, ...]


class Pager:
    """A server for notifications on a free port; the receivers of Alertmanager are paths of it."""

    def __init__(self) -> None:
        self._pages: list[Page] = []
        # Each notification comes in a thread of its own, and is read from the test's.
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="pager", daemon=True)

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def pages(self, alert: str, account: str | None = None) -> list[Page]:
        """Return what has come so far of one group, oldest first; without an account, of the group that has none."""
        group = {"alertname": alert} | ({} if account is None else {"account": account})
        return [page for page in self.all() if page.group == group]

    def all(self) -> list[Page]:
        with self._lock:
            return list(self._pages)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _took(self, path: str, body: Mapping[str, Any]) -> None:
        alerts = tuple(Alert(alert["status"], alert["labels"], alert["annotations"]) for alert in body["alerts"])
        with self._lock:
            self._pages.append(Page(time.time(), path.strip("/"), body["status"], body["groupLabels"], alerts))

    def _handler(pager) -> type[BaseHTTPRequestHandler]:  # noqa: N805 (`self` is the handler's below)
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                pager._took(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print nothing: the test's output is not for this."""

        return Handler
