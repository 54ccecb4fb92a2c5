"""APIs, proxies and a configuration full of marks, for the program to run against. Tests say what it may print."""

import contextlib
import json
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from exporter.demo.faults import Faults
from exporter.demo.server import MockApi
from exporter.demo.world import World
from tests.support import canaries, faults, hostile
from tests.support.canaries import canary
from tests.support.scripted import Scripted, scripted

ENVIRONMENT = {"MARKED_TOKEN": canary("token.environment")}
_SETTINGS = ("config.yaml", "token", "secret", "key.pem", "authority.pem")
_USER = f"{canary('proxy.user')}:{canary('proxy.password')}@"


@dataclass
class Stage:
    """What there is for the program to ask, and all that it could let out."""

    folder: Path
    api: MockApi
    """Answers for both systems, as they should, with marks in every field."""
    bodies: dict[str, bytes]
    """What it answers to each path."""
    servers: Mapping[str, Scripted]
    """Those that fail, by their kind; the one of a proxy among them."""
    answers: Mapping[str, bytes]
    more: list[str] = field(default_factory=list)

    def one_more(self, record_id: str) -> None:
        """Let one more invocation have failed from now on."""
        self.more.append(record_id)
        self.bodies["/invoke"] = canaries.inkit_list(canaries.invocations(self.more))
        self.api.faults = _faults(self.bodies)

    def config(self, name: str) -> Path:
        """Write a configuration with an account for each server, in a folder of its own for it and the state."""
        folder = self.folder / name
        folder.mkdir()
        marks = {
            "token": "token.file",
            "secret": "webhook.secret",
            "key.pem": "tls.key",
            "authority.pem": "tls.authority",
        }
        for file, mark in marks.items():
            (folder / file).write_text(canary(mark))
        made = {
            "poll_interval": "2s",
            "request_timeout": "5s",
            "state": {"path": "state.db"},
            "accounts": list(self._accounts()),
        }
        path = folder / "config.yaml"
        path.write_text(json.dumps(made))
        return path

    @property
    def collectors(self) -> int:
        """How many collectors all the accounts have."""
        return sum(len(account["collectors"]) for account in self._accounts())

    def _accounts(self) -> Iterator[dict[str, Any]]:
        everything = {"collectors": ["document_batches", "workflow_batches", "invocations"]}
        yield _account("inkit", self.api.url) | everything
        yield _account("packagex", self.api.url)
        for kind in hostile.KINDS:
            yield _account(kind, self.servers[kind].url)
        refusing, secure = self.servers["inkit-401"].url, self.api.url.replace("http:", "https:")
        proxy = urllib.parse.urlsplit(self.servers["proxy"].url).netloc
        yield _account("file", refusing, api_token=None, api_token_file="token", webhook={"secret_file": "secret"})
        yield _account("environment", refusing, api_token=None, api_token_env="MARKED_TOKEN")
        yield _account("proxied", "http://127.0.0.1:1", proxy_url=f"http://{_USER}{proxy}")
        yield _account("tunneled", "https://api.invalid", proxy_url=f"http://{_USER}{proxy}")
        yield _account("proxy-gone", "https://api.invalid", proxy_url=f"http://{_USER}127.0.0.1:1")
        yield _account("no-key", secure, tls_config={"cert_file": "key.pem", "key_file": "key.pem"})
        yield _account("no-authority", secure, tls_config={"ca_file": "authority.pem"})

    def there(self) -> Iterator[bytes]:
        """Yield all that could leak: what the program received, what it sent, and its configuration."""
        asked = {request.path for request in self.api.requests}
        for pattern, body in self.bodies.items():
            if any(fnmatchcase(path, pattern) for path in asked):
                yield body
        for kind, server in self.servers.items():
            yield from server.asked
            if server.asked:
                yield self.answers[kind]
        yield from (path.read_bytes() for path in self.folder.glob("*/*") if path.name in _SETTINGS)


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Run the APIs and servers, and yield the stage."""
    proxy = hostile.proxy_refusal(canary("proxy.user"), canary("proxy.password"), canary("server.proxy"))
    answers = {kind: hostile.answer(kind) for kind in hostile.KINDS} | {"proxy": proxy}
    with contextlib.ExitStack() as running, MockApi(World()) as api:
        servers = {kind: running.enter_context(scripted(content)) for kind, content in answers.items()}
        bodies = _bodies(api)
        api.faults = _faults(bodies)
        yield Stage(folder, api, bodies, servers, answers)


def _faults(bodies: Mapping[str, bytes]) -> Faults:
    """Return answers in the place of the mock API's own."""
    made = Faults()
    for path, body in bodies.items():
        made.add(faults.raw(body), path)
    return made


def _account(name: str, url: str, **keys: object) -> dict[str, Any]:
    """Return an account with one collector and a token of its own."""
    system, collector = ("packagex", "batches") if name.startswith("packagex") else ("inkit", "document_batches")
    token = {"api_token": canary(f"token.{name}")}
    return {"name": name, "system": system, "base_url": url, "collectors": [collector], **token, **keys}


def _bodies(api: MockApi) -> dict[str, bytes]:
    documents, workflows = canaries.batches("document"), canaries.batches("workflow")
    failed = canaries.packagex_batches()
    store = f"{api.url.removesuffix('/v1')}/files/{canary('url.path')}"
    offered = {f"_{name}_json_url": f"{store}/{name}?sig={canary('url.signature')}" for name in ("errors", "upload")}
    return {
        "/batch": canaries.inkit_list(documents),
        "/batch/rb_1": json.dumps(documents[0]).encode(),
        "/invoke/batch": canaries.inkit_list(workflows),
        "/invoke/batch/fb_1": json.dumps(workflows[0]).encode(),
        "/invoke": canaries.inkit_list(canaries.invocations()),
        "/batches": canaries.packagex_answer(failed),
        "/batches/batch_1": canaries.packagex_answer({**failed[0], **offered}),
        f"/files/{canary('url.path')}/*": canaries.errors_file(),
    }
