"""An account of a configuration, with all its settings."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from exporter.config import Account, Token
from exporter.model.tls import TLSConfig


def account(name: str = "prod", **changed: Any) -> Account:
    """Return an account, one value of which is new at each call: what counts is equality, not identity."""
    made = Account(
        name=name,
        system="inkit",
        token=Token(Path("/run/secrets/inkit")),
        base_url="https://api.example",
        collectors=("invocations",),
        per_collector={},
        filters={"search": "x"},
        workflow_batch_ids=("fb_1",),
        workflow_label=False,
        proxy_url=SecretStr("http://user:password@proxy.example"),
        tls_config=TLSConfig(ca_file=Path("ca.pem")),
        poll_interval=60.0,
        lookback=600.0,
        reconcile_interval=60.0,
        in_flight_max_age=600.0,
        stale_after=60.0,
        stuck_after=30.0,
        request_timeout=30.0,
        max_requests_per_second=5.0,
        max_concurrent_requests=4,
        page_size=100,
        duration_buckets=None,
    )
    return replace(made, **changed)
