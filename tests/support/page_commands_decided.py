"""What is done with each command of the documentation: run to its end, kept running, or not run here, and why."""

import json
import re
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace

from exporter import __version__
from tests.support.page_commands import Checkout, Command, File, steps
from tests.support.paths import ROOT
from tests.support.rig import TOKEN


@dataclass(frozen=True, slots=True)
class Run:
    """Run it to its end, with this input. It must succeed and say what the page shows."""

    stdin: str = ""
    programs: bool = False
    """Whether it needs more than Python, git, make and a shell."""
    says: str = ""
    """What it says instead, as a regular expression, where that is left to chance."""
    patience: float = 0.0
    """Seconds that it may take until it says so."""
    of_the_demo: bool = False
    """Whether the record that it names is one of the demo, which makes up other IDs each time."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Keep it running: it must answer at this port and path."""

    at: str = "10977/-/ready"
    programs: bool = False
    flags: str = ""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Don't run it here."""

    why: str


Decision = Run | Serve | Elsewhere

_CONTAINERS = Elsewhere("pulls images; tests/deploy reads these files, and builds and runs the image")
_CLUSTER = Elsewhere("needs a cluster; tests/deploy renders and judges what would be applied")
_SERVICES = Elsewhere("changes this machine's packages or services")
_CERTIFICATES = Elsewhere(
    "needs certificates; test_web_commands.py and test_curl.py of tests/integration make them and do it"
)
_STATE = Elsewhere("needs a service's state file; tests/unit/state/test_log.py makes both copies")
_COMPOSE = "docker compose -f deploy/compose.yaml"
_REAL = f"{_COMPOSE} -f deploy/compose.real.yaml"
_RULES = "make rules EXTERNAL_URL=https://batch-exporter.example.org GRAFANA_URL=https://grafana.example.org"
_CHECK = "check --config.file=config.yaml --online"

DECIDED: Mapping[str, Mapping[str, Decision]] = {
    "README.md": {
        "make run": Serve(),
        "curl -s localhost:10977/metrics | grep '^inkit_batch_generations{.*status=\"failed\"'": Run(programs=True),
        "curl -s 'localhost:10977/failures?format=json&limit=3'": Run(programs=True),
        "python3 -m venv ~/venvs/batch-exporter": Run(),
        ". ~/venvs/batch-exporter/bin/activate": Run(),
        "pip install .": Run(),
        "INKIT_API_TOKEN=… PX_API_KEY=… batch-exporter": Serve(),
        f"batch-exporter {_CHECK}": Run(),
        "batch-exporter --config.file=config.yaml": Serve(),
    },
    "docs/getting-started.md": {
        f"{_COMPOSE} up --build": _CONTAINERS,
        "make run": Serve(),
        "apt-get install --no-install-recommends prometheus prometheus-alertmanager": _SERVICES,
        "systemctl disable --now prometheus prometheus-alertmanager": _SERVICES,
        "prometheus --config.file=prometheus/prometheus.yml --storage.tsdb.path=/tmp/prometheus "
        "--enable-feature=exemplar-storage": Serve("9090/-/ready", True, "--web.listen-address=127.0.0.1:9090"),
        "prometheus-alertmanager --config.file=prometheus/alertmanager.yml --storage.path=/tmp/alertmanager "
        "--cluster.listen-address=": Serve("9093/-/ready", True, "--web.listen-address=127.0.0.1:9093"),
        "amtool alert query --alertmanager.url=http://localhost:9093": Run(
            programs=True, says=r"^(Inkit|PackageX)\w+ .+, account (demo|logistics) +active", patience=120
        ),
        "curl -s -H 'Accept: application/openmetrics-text' localhost:10977/metrics | "
        "grep -m 1 'batch_items_finished_total.*record_id'": Run(
            programs=True,
            says=r'^packagex_batch_items_finished_total\{.+\} \d.* # \{record_id="batch_\w{22}"\} \d.* \d+\.\d+$',
            patience=120,
        ),
        ".venv/bin/batch-exporter inspect --config.file=demo.yaml logistics batch_5ut7pnBBNX5Kajq79F81Az --errors": Run(
            of_the_demo=True, says=r"^Errors of \d+ rows?:\n +\d+  \w+: .* \[\w+\]$"
        ),
        "install -m 600 /dev/stdin inkit.token      # paste the token; end with Enter and Ctrl-D": Run(TOKEN),
        f".venv/bin/batch-exporter {_CHECK}": Run(),
    },
    "docs/inspect.md": {
        "batch-exporter inspect --config.file=config.yaml logistics batch_1ZzLifO2hurcwKoCEHkylb --errors": Run(),
    },
    "docs/alerts.md": {
        _RULES: Run(),
        "fuser -v /var/lib/batch-exporter/batch-exporter.db": Elsewhere("needs a service's state file"),
    },
    "docs/failures.md": {
        "curl -s 'localhost:10977/failures?format=json&account=production&collector=invocations&limit=1'": Run(
            programs=True
        ),
    },
    "docs/configuration.md": {
        "batch-exporter check --config.file=config.yaml && systemctl reload batch-exporter": _SERVICES,
        "curl -X POST localhost:10977/-/reload": Run(programs=True),
    },
    "docs/intervals.md": {"batch-exporter check --online --config.file=config.yaml": Run()},
    "docs/web-configuration.md": {
        "batch-exporter check --config.file=config.yaml --web.config.file=web-config.yaml": _CERTIFICATES,
        "batch-exporter --config.file=config.yaml --web.config.file=web-config.yaml": _CERTIFICATES,
        "curl --cacert ca.pem --user prometheus https://exporter.example:10977/metrics": _CERTIFICATES,
    },
    "docs/grafana.md": {
        f"{_COMPOSE} up --build": _CONTAINERS,
        "kubectl apply --server-side --namespace monitoring -k grafana/dashboards": _CLUSTER,
        "kubectl apply --server-side --namespace monitoring -k grafana/alerting": _CLUSTER,
        f"{_RULES} DATASOURCE_UID=prometheus": Run(),
        f"{_COMPOSE} -f deploy/compose.grafana-alerts.yaml up --build": _CONTAINERS,
    },
    "docs/deployment.md": {
        "sqlite3 /var/lib/batch-exporter/batch-exporter.db \"VACUUM INTO '/backup/batch-exporter.db'\"": _STATE,
        'sqlite3 /var/lib/batch-exporter/batch-exporter.db ".backup /backup/batch-exporter.db"': _STATE,
        "/opt/batch-exporter/bin/batch-exporter check --config.file=/etc/batch-exporter/config.yaml": Elsewhere(
            "the README's installation in another folder"
        ),
        f"{_COMPOSE} up --build": _CONTAINERS,
        "mkdir -m 700 deploy/secrets": Run(),
        "mkdir -m 755 deploy/secrets/exporter": Run(),
        "cat > deploy/secrets/exporter/inkit.token        # the API token; end with Enter and Ctrl-D": Run(TOKEN),
        "openssl rand -base64 24 > deploy/secrets/grafana_admin_password": Run(programs=True),
        "chmod 444 deploy/secrets/grafana_admin_password deploy/secrets/exporter/*": Run(programs=True),
        f"{_REAL} up --build": _CONTAINERS,
        f"{_REAL} kill --signal=HUP exporter": _CONTAINERS,
        "cosign verify ghcr.io/OWNER/REPOSITORY:VERSION "
        "--certificate-oidc-issuer=https://token.actions.githubusercontent.com "
        "--certificate-identity=https://github.com/OWNER/REPOSITORY/.github/workflows/release.yml@refs/tags/vVERSION": (
            Elsewhere("asks a registry for what a release has published there")
        ),
        "docker run --read-only --cap-drop ALL --security-opt no-new-privileges --publish 127.0.0.1:10977:10977 "
        "--volume batch-exporter:/data --volume ./batch-exporter:/etc/batch-exporter:ro "
        f"batch-exporter:{__version__}": _CONTAINERS,
        "kubectl create namespace batch-exporter": _CLUSTER,
        "kubectl --namespace batch-exporter create secret generic batch-exporter-tokens "
        "--from-file=inkit=./token": _CLUSTER,
        "kubectl apply --server-side -k deploy/kubernetes/operator": _CLUSTER,
        "kubectl --namespace batch-exporter create secret generic batch-exporter-state --from-file=url=./url": _CLUSTER,
        "kubectl apply --server-side -k deploy/kubernetes/replicas": _CLUSTER,
        "openssl rand -hex 24 > deploy/secrets/postgres_password": Run(programs=True),
        'echo "postgresql://batch_exporter:$(cat deploy/secrets/postgres_password)@postgres/batch_exporter" '
        "> deploy/secrets/exporter/state-url": Run(programs=True),
        "chmod 444 deploy/secrets/postgres_password deploy/secrets/exporter/*": Run(programs=True),
        f"{_REAL} -f deploy/compose.replicas.yaml up --build": _CONTAINERS,
        _RULES: Run(),
        "make manifests RULES=build/rules": Run(),
        "helm install batch-exporter deploy/helm/batch-exporter --namespace batch-exporter --create-namespace "
        "--set serviceMonitor.enabled=true --set prometheusRule.enabled=true --set dashboards.enabled=true "
        "--values mine.yaml": _CLUSTER,
        "python3 -m venv /opt/batch-exporter && /opt/batch-exporter/bin/pip install .": Elsewhere(
            "the README's installation in another folder"
        ),
        "install -D -m 644 deploy/systemd/config.yaml /etc/batch-exporter/config.yaml": Run(),
        "install -m 600 /dev/stdin /etc/batch-exporter/inkit.token    # the API token; end with Enter and Ctrl-D": Run(
            TOKEN
        ),
        "install -m 644 deploy/systemd/batch-exporter.service /etc/systemd/system/": Run(),
        "systemctl enable --now batch-exporter": _SERVICES,
        "make packages PYTHON=python3.11": Elsewhere("takes another Python; tests/deploy/test_packages.py builds both"),
        f"apt-get install ./dist/batch-exporter_{__version__}-1+python3.11_amd64.deb": _SERVICES,
        f"dnf install ./dist/batch-exporter-{__version__}-1.python3.11.x86_64.rpm": _SERVICES,
    },
    "docs/high-availability.md": {
        "batch-exporter demo --replicas 2": Elsewhere(
            "needs PostgreSQL and psycopg; tests/integration/cli/test_demo_replicas.py runs it"
        ),
        "kubectl --namespace batch-exporter create secret generic batch-exporter-state --from-file=url=./url": _CLUSTER,
    },
}
"""By page and command, as the page has them. A command that is not here fails a test, and so does one that is gone."""

BEFORE: Mapping[str, Decision] = {
    "docs/failures.md": Serve(),
    "docs/configuration.md": Serve(flags="--web.enable-lifecycle"),
}
"""What a page takes for granted is running already."""


def walk(name: str, made: Checkout, *, programs: bool) -> dict[str, str]:
    """Do what a page says, in a checkout. Returns what each command printed.

    Commands that need other programs are left out unless they are asked for.
    """
    outputs: dict[str, str] = {}
    page = (ROOT / name).read_text()
    if not any(isinstance(step, File) for step in steps(page)):
        (config,) = (step for step in steps((ROOT / "README.md").read_text()) if isinstance(step, File))
        made.write(config.name, config.text)
    if name in BEFORE and programs:
        _serve(made, "batch-exporter --config.file=config.yaml", BEFORE[name])
    for step in steps(page):
        if isinstance(step, File):
            made.write(step.name, step.text)
            continue
        decided = DECIDED[name][step.text]
        if isinstance(decided, Elsewhere) or (decided.programs and not programs):
            continue
        if isinstance(decided, Serve):
            _serve(made, made.here(step.text.replace("…", TOKEN)), decided)
        else:
            outputs[step.text] = _run(made, step, decided)
    if name == "docs/deployment.md":
        made.run(Command("batch-exporter check --config.file=deploy/secrets/exporter/config.yaml"))
    return outputs


def _serve(made: Checkout, command: str, decided: Decision) -> None:
    assert isinstance(decided, Serve)
    made.serve(made.here(f"{command} {decided.flags}"), decided.at)


def _run(made: Checkout, command: Command, decided: Run) -> str:
    here = replace(command, text=made.here(command.text))
    if decided.of_the_demo:
        here = replace(here, text=re.sub(r"batch_\w{22}", _with_errors(made), here.text))
    return made.run(here, decided.stdin, decided.says, decided.patience)


def _with_errors(made: Checkout) -> str:
    """Return the ID of a batch of the demo's PackageX some of whose items failed."""
    url = made.here("http://127.0.0.1:10978/v1/batches?status=completed&limit=100")
    with urllib.request.urlopen(urllib.request.Request(url, headers={"PX-API-KEY": "demo-key"}), timeout=10) as answer:
        found = json.load(answer)
    return next(str(item["id"]) for item in found["data"] if any(phase["error"] for phase in item["phases"]))
