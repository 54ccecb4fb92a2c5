"""TLS and passwords of the chart: probes, flags and monitors follow, and what cannot work is refused."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.cli.main import run
from tests.support import certificates
from tests.support.manifests import Manifests, only, pod, refusal, rendered

pytestmark = [pytest.mark.programs, pytest.mark.slow]

HASH = "$2y$10$8R5.NwF0Txsx7N4nNGHyCubP5MqWkPGyJmDvEzoc3C05JpUOzyjlW"
USERS = {"basic_auth_users": {"prometheus": HASH}}
MUTUAL = {"tls_server_config": {"client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}}
LIMIT = {"rate_limit": {"interval": "1s", "burst": 5}}
BASIC = {"username": {"name": "scrape", "key": "user"}, "password": {"name": "scrape", "key": "password"}}
ON = {"enabled": True}


NOWHERE = ("state.db", "/var/lib/state.db", "/data.db", "/database/state.db")
"""Places of a state that the pod can't write to, or that end with it."""


def configured(state: dict[str, Any] | None, /, **account: Any) -> dict[str, Any]:
    """Return values with a configuration of one account."""
    first = {"name": "a", "system": "inkit", "api_token_file": "/run/secrets/batch-exporter/a", **account}
    return {"config": {"accounts": [first], "state": state or {}}}


def probes(made: Manifests) -> list[dict[str, Any]]:
    container = pod(made)["containers"][0]
    return [container[name] for name in ("livenessProbe", "readinessProbe")]


def flags(made: Manifests) -> list[str]:
    return [flag.partition("=")[0] for flag in pod(made)["containers"][0]["args"]]


def endpoint(made: Manifests, kind: str = "ServiceMonitor") -> dict[str, Any]:
    spec = only(made, kind)["spec"]
    found: dict[str, Any] = spec["endpoints" if kind == "ServiceMonitor" else "podMetricsEndpoints"][0]
    return found


@pytest.mark.parametrize(
    ("web", "scheme", "asks", "unauthenticated"),
    [
        ({}, None, True, False),
        ({"config": USERS}, None, True, True),
        ({"config": {"http_server_config": {"headers": {"X-Frame-Options": "deny"}}}}, None, True, False),
        ({"config": {"tls_server_config": {"min_version": "TLS13"}}}, None, True, False),
        ({"config": {"tls_server_config": {"cert_file": "a", "key_file": "b"}}}, "HTTPS", True, False),
        ({"tlsSecret": "tls"}, "HTTPS", True, False),
        ({"tlsSecret": "tls", "config": USERS}, "HTTPS", True, True),
        ({"tlsSecret": "tls", "config": MUTUAL}, None, False, False),
        ({"config": LIMIT}, None, False, False),
        ({"config": {"rate_limit": {"interval": "0", "burst": 5}}}, None, True, False),
        ({"existingSecret": "web", "existingSecretSets": []}, None, True, False),
        ({"existingSecret": "web", "existingSecretSets": ["users"]}, None, True, True),
        ({"existingSecret": "web", "existingSecretSets": ["tls", "users"]}, "HTTPS", True, True),
        ({"existingSecret": "web", "existingSecretSets": []} | {"tlsSecret": "tls"}, "HTTPS", True, False),
        ({"existingSecret": "web", "existingSecretSets": ["clientCertificates"]}, None, False, False),
        ({"existingSecret": "web", "existingSecretSets": ["tls", "rateLimit"]}, None, False, False),
    ],
)
def test_probes_do_what_the_web_configuration_lets_the_kubelet_do(
    web: dict[str, Any], scheme: str | None, asks: bool, unauthenticated: bool
) -> None:
    made = rendered({"webConfig": web})
    for probe in probes(made):
        assert ("httpGet" in probe, "tcpSocket" in probe) == (asks, not asks)
        assert probe.get("httpGet", {}).get("scheme") == scheme
    assert ("--web.config.file" in flags(made)) == bool(web)
    assert ("--web.unauthenticated-health" in flags(made)) == unauthenticated


@pytest.mark.parametrize(
    ("web", "protocol"),
    [
        ({}, "http"),
        ({"config": USERS}, "http"),
        ({"tlsSecret": "tls"}, "https"),
        ({"existingSecret": "web", "existingSecretSets": ["clientCertificates"]}, "https"),
    ],
)
def test_a_service_mesh_is_told_the_protocol(web: dict[str, Any], protocol: str) -> None:
    [port] = only(rendered({"webConfig": web}), "Service")["spec"]["ports"]
    assert port["appProtocol"] == protocol


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_takes_scheme_and_authority_from_the_web_configuration(kind: str) -> None:
    monitor = kind[0].lower() + kind[1:]
    made = rendered({"webConfig": {"tlsSecret": "tls"}, monitor: ON}, "rel")
    assert endpoint(made, kind)["scheme"] == "https"
    assert endpoint(made, kind)["tlsConfig"] == {
        "ca": {"secret": {"name": "tls", "key": "ca.crt"}},
        "serverName": "rel-batch-exporter.batch-exporter.svc",
    }
    own = rendered({"webConfig": {"tlsSecret": "tls"}, monitor: {**ON, "tlsConfig": {"serverName": "x"}}})
    assert endpoint(own, kind)["tlsConfig"] == {"serverName": "x"}
    mesh = rendered({"webConfig": {"tlsSecret": "tls"}, monitor: {**ON, "scheme": "http"}})
    assert endpoint(mesh, kind) == {"interval": "30s", "port": "metrics", "scheme": "http"}


@pytest.mark.parametrize("monitor", ["serviceMonitor", "podMonitor"])
@pytest.mark.parametrize(
    ("web", "lacks"),
    [
        ({"config": USERS}, ["basicAuth"]),
        ({"existingSecret": "web", "existingSecretSets": ["users"]}, ["basicAuth"]),
        ({"existingSecret": "web", "existingSecretSets": ["tls"]}, ["tlsConfig"]),
        ({"existingSecret": "web", "existingSecretSets": ["tls", "users"]}, ["tlsConfig", "basicAuth"]),
        ({"config": {"tls_server_config": {"cert_file": "a", "key_file": "b"}}}, ["tlsConfig"]),
    ],
)
def test_a_monitor_that_could_not_scrape_is_refused(monitor: str, web: dict[str, Any], lacks: list[str]) -> None:
    given: dict[str, Any] = {"webConfig": web, monitor: ON}
    message = refusal(given)
    assert [f"{monitor}.{name}: " in message for name in ("tlsConfig", "basicAuth")] == [
        name in lacks for name in ("tlsConfig", "basicAuth")
    ]
    rendered({**given, monitor: {**ON, "basicAuth": BASIC, "tlsConfig": {"serverName": "x"}}})


def test_a_monitor_elsewhere_cannot_take_the_authority_from_a_secret_here() -> None:
    web = {"tlsSecret": "tls"}
    assert "serviceMonitor.tlsConfig: " in refusal({"webConfig": web, "serviceMonitor": {**ON, "namespace": "m"}})
    rendered({"webConfig": web, "serviceMonitor": {**ON, "namespace": "batch-exporter"}})


def test_links_lead_to_https_where_the_exporter_has_tls() -> None:
    made = rendered({"webConfig": {"tlsSecret": "tls"}, "prometheusRule": ON})
    rules = yaml.safe_dump(only(made, "PrometheusRule"))
    assert "https://batch-exporter.batch-exporter.svc:10977/runbooks#" in rules
    assert "http://batch-exporter" not in rules


def test_the_web_configuration_is_one_that_the_exporter_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = rendered({"webConfig": {"tlsSecret": "tls", "config": {**USERS, **LIMIT}}})
    secret = only(made, "Secret")
    volumes = {volume["name"]: volume for volume in pod(made)["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in pod(made)["containers"][0]["volumeMounts"]}
    assert volumes["web-config"]["secret"]["secretName"] == secret["metadata"]["name"]
    assert f"--web.config.file={mounts['web-config']}/web-config.yaml" in pod(made)["containers"][0]["args"]
    text = secret["stringData"]["web-config.yaml"]
    assert HASH in text
    assert f"cert_file: {mounts['tls']}/tls.crt" in text
    certificates.make(tmp_path)
    file = tmp_path / "web-config.yaml"
    file.write_text(
        text.replace(f"{mounts['tls']}/tls.crt", "server.pem").replace(f"{mounts['tls']}/tls.key", "server.key")
    )
    (tmp_path / "token").write_text("t0ken-of-length")
    config = tmp_path / "config.yaml"
    config.write_text("accounts: [{name: a, system: inkit, api_token_file: token}]\n")
    assert run(["check", f"--config.file={config}", f"--web.config.file={file}"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"webConfig": {"config": USERS, "existingSecret": "web", "existingSecretSets": []}}, "webConfig: config and"),
        ({"webConfig": {"existingSecret": "web"}}, "webConfig.existingSecretSets: "),
        ({"serviceMonitor": ON, "podMonitor": ON}, "podMonitor.enabled: "),
        ({"replicaCount": 2}, "replicaCount: "),
        ({"state": {"existingSecret": "s"}, "config": {"state": {"path": "/data/x"}}}, "config.state.path: "),
        ({"existingConfig": {"configMap": "a", "secret": "b"}}, "existingConfig: "),
        *((configured({"path": path}), f"config.state.path: {path} is not on a volume; ") for path in NOWHERE),
        *(
            (configured(None, **{key: value}), f"config.accounts[0].{place}: x.pem would be beside the configuration")
            for key, value, place in (
                ("api_token_file", "x.pem", "api_token_file"),
                ("webhook", {"secret_file": "x.pem"}, "webhook.secret_file"),
                ("tls_config", {"ca_file": "x.pem"}, "tls_config.ca_file"),
                ("tls_config", {"cert_file": "x.pem", "key_file": "/y"}, "tls_config.cert_file"),
                ("tls_config", {"cert_file": "/y", "key_file": "x.pem"}, "tls_config.key_file"),
            )
        ),
        ({"tokens": {"secretName": ""}}, "config.accounts[0].api_token_file: "),
        (
            {"config": {"accounts": [{"name": "a", "system": "inkit", "api_token_env": "TOKEN"}]}},
            "config.accounts[0].api_token_env: ",
        ),
        ({"extraArgs": ["--log.format=json", "--config.file=/x"]}, "extraArgs[1]: the chart sets --config.file; "),
        ({"extraArgs": ["--web.config.file=/x"]}, "extraArgs[0]: the chart sets --web.config.file; use webConfig"),
        ({"extraArgs": ["--web.listen-address=:80"]}, "extraArgs[0]: "),
        ({"extraArgs": ["--web.unauthenticated-health"]}, "extraArgs[0]: "),
        ({"extraArgs": ["--no-web.unauthenticated-health"]}, "extraArgs[0]: "),
        ({"image": {"registry": "a.example", "repository": "b.example/x"}}, "image.registry: "),
        ({"image": {"registry": "a.example", "repository": "localhost/x"}}, "image.registry: "),
        ({"service": {"nodePort": 30977}}, "service.nodePort: "),
        ({"ingress": ON}, "ingress.hosts: "),
        ({"route": {"main": ON}}, "route.main.parentRefs: "),
        ({"route": {"other": ON}}, "route.other.parentRefs: "),
        (
            {"prometheusRule": {"customRules": {"BatchExporterPollFailing": {"threshold": 2}}}},
            "PollFailing.threshold: ",
        ),
        (
            {"replicaCount": 2, "state": {"existingSecret": "s"}, "podDisruptionBudget": {"minAvailable": 2}},
            "podDisruptionBudget.minAvailable: ",
        ),
        (
            {"replicaCount": 2, "state": {"existingSecret": "s"}, "podDisruptionBudget": {"minAvailable": "100%"}},
            "podDisruptionBudget.minAvailable: ",
        ),
    ],
)
def test_values_that_do_not_fit_each_other_are_refused_with_the_place(given: dict[str, Any], place: str) -> None:
    assert place in refusal(given)


def test_files_and_the_state_may_be_on_volumes_of_yours() -> None:
    given = configured(
        {"path": "/mine/state.db"}, api_token_file="/vault/secrets/a", tls_config={"ca_file": "/etc/x.pem"}
    )
    rendered(given | {"extraVolumeMounts": [{"name": "mine", "mountPath": "/mine/"}]})
    rendered(configured({"path": "/data/below/state.db"}))
    rendered(configured({"path": None}))


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_scrapes_where_the_flags_put_the_metrics(kind: str) -> None:
    given = {kind[0].lower() + kind[1:]: ON}
    assert "path" not in endpoint(rendered(given), kind)
    flags = ["--web.telemetry-path=/first", "--log.format=json", "--web.telemetry-path=/m"]
    assert endpoint(rendered(given | {"extraArgs": flags}), kind)["path"] == "/m"


@pytest.mark.parametrize("maximum", [0, "0%"])
def test_a_budget_that_lets_no_pod_go_is_refused(maximum: int | str) -> None:
    replicas = {"replicaCount": 2, "state": {"existingSecret": "s"}}
    budget = {"maxUnavailable": maximum}
    assert "podDisruptionBudget.maxUnavailable: " in refusal({**replicas, "podDisruptionBudget": budget})
    rendered({"podDisruptionBudget": budget})
    made = rendered({**replicas, "podDisruptionBudget": {**budget, "minAvailable": 0}})
    assert only(made, "PodDisruptionBudget")["spec"]["minAvailable"] == 0


def test_all_that_is_wrong_is_said_at_once() -> None:
    message = refusal({"replicaCount": 2, "tokens": {"secretName": ""}, "ingress": ON})
    assert message.count("\n- ") == 3
