"""What lies in the environment and in the home folder of the exporter's user, and is not meant for it."""

import json
import subprocess
from pathlib import Path

from tests.support.canaries import canary, holds
from tests.support.patience import GENEROUS
from tests.support.program import PATH, PROGRAM
from tests.support.scripted import scripted

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
NOTHING = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"items": []}'


def test_neither_proxies_nor_passwords_nor_authorities_of_the_environment_are_used(tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text(f"default login {canary('netrc')} password {canary('netrc')}\n")
    (tmp_path / ".netrc").chmod(0o600)
    config = tmp_path / "config.yaml"
    with scripted(NOTHING) as api, scripted(NOTHING) as proxy:
        account = {"name": "prod", "system": "inkit", "base_url": api.url, "api_token": canary("token")}
        config.write_text(json.dumps({"state": {"path": None}, "accounts": [account]}))
        around = {**dict.fromkeys(PROXIES, proxy.url), **dict.fromkeys(BUNDLES, "/none"), "HOME": str(tmp_path)}
        done = subprocess.run(
            [*PROGRAM, "once", f"--config.file={config}"],
            env={**PATH, **around, "no_proxy": "", "NO_PROXY": ""},
            capture_output=True,
            timeout=GENEROUS,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert not proxy.asked
    assert all(holds(head, "token") and not holds(head, "netrc") for head in api.asked)
    assert len({head.partition(b"?")[0] for head in api.asked}) == 3
