"""The rules and alerts of prometheus/, their texts and their runbooks."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from exporter.cli import flags
from exporter.config.durations import parse
from exporter.config.schema import Tuning
from exporter.exposition.catalog import catalog
from exporter.model.family import Outcome
from exporter.systems import families
from exporter.web.pages.failures_query import Query
from tests.support import promtool
from tests.support.html_reader import Reader
from tests.support.paths import ROOT
from tests.support.rules import CASES, FILES, Rule, alerts, cases, compared, named, rules, templated, tricks
from tests.support.serving import Program, ask, serving

FAMILIES = {family.name: family for family in catalog(families())}
OUTCOMES = {name: family.outcome for name, family in FAMILIES.items() if family.outcome is not None}
OF_PROMETHEUS = {"up", "process_cpu_seconds_total"}
OF_TARGETS = {"cluster", "job", "instance", "pod"}
RECORDED = {rule.name for rule in rules() if rule.recorded}
MADE_BY_RULES = {label for rule in rules() for label in rule.labels}
LABELS = {label for family in FAMILIES.values() for label in family.labels} | OF_TARGETS | MADE_BY_RULES
RUNBOOKS = (ROOT / "docs" / "alerts.md").read_text()
ALERTS = alerts()
EVERY_ALERT = pytest.mark.parametrize("alert", list(ALERTS.values()), ids=list(ALERTS))


def anchor(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading of one word."""
    return heading.lower()


def sections() -> list[str]:
    """Return the sections of the page that are runbooks."""
    return re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE)


@pytest.mark.programs
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    promtool.run("check", "config", "--lint-fatal", ROOT / "prometheus" / "prometheus.yml")
    promtool.run("check", "rules", "--lint-fatal", *FILES)


@pytest.mark.programs
def test_the_run_says_which_promtools_have_judged_the_rules() -> None:
    promtool.run("--version")
    summary = promtool.used()
    assert re.match(r"rules judged by promtool \d+\.\d+\.\d+", summary)
    assert (
        ("no 3.x: Go is not installed" in summary) == (len(promtool.promtools()) == 1) == (shutil.which("go") is None)
    )


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
@pytest.mark.programs
def test_alerts_fire_when_they_should_and_are_silent_when_they_should(file: Path) -> None:
    promtool.run("test", "rules", file)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_names_only_metrics_and_labels_that_there_are(rule: Rule) -> None:
    found = named(rule.expr)
    assert found.labels | templated(rule) <= LABELS
    for metric, matchers in found.selected:
        assert metric in FAMILIES or metric in RECORDED | OF_PROMETHEUS, metric
        family = FAMILIES.get(metric)
        assert set(matchers) <= (LABELS if family is None else {*family.labels, *OF_TARGETS}), metric


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_a_rule_means_by_failure_what_the_systems_declare(rule: Rule) -> None:
    """A recorded metric combines several families, and has the statuses of all of them."""
    recorded = {value for outcome in OUTCOMES.values() if outcome.label == "status" for value in outcome.failures}
    for metric, matchers in named(rule.expr).selected:
        for label in ("status", "outcome"):
            if label in matchers:
                declared = OUTCOMES.get(metric, Outcome("status", frozenset(recorded), ""))
                assert (label, frozenset(matchers[label].split("|"))) == (declared.label, declared.failures)


@pytest.mark.parametrize("family", OUTCOMES)
def test_the_alert_of_a_family_s_failures_exists_and_selects_them(family: str) -> None:
    outcome = OUTCOMES[family]
    assert outcome.alert in ALERTS
    selected = dict(named(ALERTS[outcome.alert].expr).selected)
    assert family in selected
    assert outcome.label in selected[family]


def test_a_rule_adds_up_what_exporters_count_one_by_one() -> None:
    """A maximum or sum over exporters falls when one of them restarts, so that no rate can be taken of it."""
    for rule in rules():
        assert not tricks(rule.expr), rule.name


@pytest.mark.parametrize(
    ("expr", "found"),
    [
        ("sum without (instance, pod) (increase(a_total[15m])) > 0", []),
        ("max without (instance, pod) (a) > 0", []),
        ("a > (min_over_time(a[15m]) > 0)", []),
        ("increase(max without (instance) (a_total)[15m:])", ["increase of max"]),
        ("last_over_time(a_total[15m]) > 0", ["last_over_time"]),
        ("a_total - a_total offset 15m > 0", ["offset"]),
        ("sum(rate(job:a_total:max[5m]))", ["rate of job:a_total:max"]),
    ],
)
def test_what_is_wrong_with_a_rule_is_seen(expr: str, found: list[str]) -> None:
    assert tricks(expr) == found


def test_no_rule_compares_with_a_duration_of_the_configuration() -> None:
    """Configured times are exposed: stale_after and poll_interval as metrics, stuck_after by what is stuck."""
    configured = {parse(field.default) for field in Tuning.model_fields.values() if isinstance(field.default, str)}
    assert {rule.name: found for rule in rules() if (found := compared(rule.expr) & configured)} == {}


def test_a_ratio_must_last_before_it_fires() -> None:
    """In the first minutes after a restart of Prometheus, a ratio is based on a few scrapes only."""
    assert [name for name, alert in ALERTS.items() if "Ratio" in name or "Burn" in name if alert.pending == "0s"] == []


def test_the_kind_of_a_batch_gives_the_name_of_its_collector() -> None:
    for family in FAMILIES.values():
        for collector, known in family.zeros.items():
            assert [f"{kind}_batches" for kind in known.get("kind", ())] in ([], [collector])


@EVERY_ALERT
def test_an_alert_says_how_bad_it_is_what_it_means_and_what_to_do(alert: Rule) -> None:
    assert alert.labels["severity"] in {"critical", "warning", "info"}
    assert alert.annotations.keys() >= {"summary", "description", "dashboard", "runbook_url"}
    assert alert.annotations["runbook_url"] == f"http://localhost:10977/runbooks#{anchor(alert.name)}"


def test_every_runbook_that_an_alert_links_to_is_served_by_the_exporter() -> None:
    with serving(Program()) as place:
        for alert in ALERTS.values():
            url = urlsplit(alert.annotations["runbook_url"])
            answer, body = ask(place, "GET", url.path)
            headings = [heading["id"] for heading in Reader(body.decode()).attributes("h3")]
            assert (answer.status, url.fragment in headings) == (200, True), alert.name


def test_the_address_that_alerts_link_to_is_where_the_exporter_serves_by_default() -> None:
    default = flags.parse([]).listen_address
    assert {urlsplit(alert.annotations["runbook_url"]).netloc for alert in ALERTS.values()} == {
        f"localhost{label}" for label in default
    }


@EVERY_ALERT
def test_an_alert_has_a_unit_test_in_which_it_fires_and_one_in_which_it_is_silent(alert: Rule) -> None:
    assert {bool(expected) for name, expected in cases() if name == alert.name} == {True, False}


def test_there_is_a_runbook_for_each_alert_and_for_nothing_else() -> None:
    assert sorted(sections()) == sorted(ALERTS)


def test_each_runbook_says_what_it_means_how_to_confirm_and_how_to_fix_it() -> None:
    for text in re.split(r"^### ", RUNBOOKS, flags=re.MULTILINE)[1:]:
        assert re.findall(r"^\*\*(.+?)\*\*", text, re.MULTILINE) == ["Meaning", "Confirm", "Fix"], text.split()[0]


def test_the_table_of_alerts_has_their_severities() -> None:
    listed = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \|", RUNBOOKS, re.MULTILINE)
    assert sorted(listed) == sorted(
        (alert.name, anchor(alert.name), alert.labels["severity"]) for alert in ALERTS.values()
    )


def test_the_queries_of_the_runbooks_name_metrics_and_labels_that_there_are() -> None:
    blocks = re.findall(r"^```promql\n(.+?)```$", RUNBOOKS, re.MULTILINE | re.DOTALL)
    assert blocks
    for query in (line for block in blocks for line in block.splitlines()):
        found = named(query)
        assert found.labels <= LABELS | {"le"}, query
        for metric, matchers in found.selected:
            family = FAMILIES.get(metric.removesuffix("_bucket"))
            assert family is not None or metric in RECORDED | OF_PROMETHEUS, query
            assert set(matchers) <= (OF_TARGETS if family is None else {*family.labels, *OF_TARGETS}), query


def test_an_alert_about_failed_records_links_to_those_of_its_account() -> None:
    linked = [alert for _, expected in cases() for alert in expected if "failures" in alert["exp_annotations"]]
    assert linked
    for alert in linked:
        account = alert["exp_labels"]["account"]
        assert alert["exp_annotations"]["failures"] == f"http://localhost:10977/failures?account={account}"
        query = Query.of(parse_qs(urlsplit(alert["exp_annotations"]["failures"]).query))
        assert query.accounts == {account}


def test_the_dashboards_that_alerts_link_to_are_there_with_their_variables() -> None:
    dashboards = [json.loads(path.read_text()) for path in (ROOT / "grafana" / "dashboards").glob("*.json")]
    variables = {
        dashboard["uid"]: {item["name"] for item in dashboard["templating"]["list"]} for dashboard in dashboards
    }
    for _, expected in cases():
        for alert in expected:
            link = urlsplit(alert["exp_annotations"]["dashboard"])
            wanted = {name.removeprefix("var-") for name in parse_qs(link.query)}
            assert wanted <= variables[link.path.removeprefix("/d/")]
