"""`make rules`: the alerts with links to another exporter and another Grafana, and nothing else changed."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import promtool
from tests.support.grafana_alerts import FILES as MANAGED_FILES
from tests.support.paths import ROOT
from tests.support.rules import ADDRESSES, FILES
from tools.rules import BadURL, base, main

EXPORTER = "https://batch-exporter.example.org"
GRAFANA = "https://grafana.example.org"


def written(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted(folder.iterdir()))


def annotations(text: str) -> dict[str, dict[str, str]]:
    """Return the annotations of each alert of a file of rules."""
    rules = [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule["annotations"] for rule in rules if "alert" in rule}


def test_every_link_of_the_rules_leads_to_the_address_that_is_given_and_nothing_else_changes(tmp_path: Path) -> None:
    given = {"EXTERNAL_URL": EXPORTER, "GRAFANA_URL": GRAFANA, "OUTPUT": str(tmp_path)}
    assert main(given) == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == [path.name for path in FILES]
    before = "".join(path.read_text() for path in FILES)
    after = written(tmp_path)
    assert "localhost" not in after
    assert after.replace(EXPORTER, "http://localhost:10977").replace(GRAFANA, "http://localhost:3000") == before


@pytest.mark.programs
def test_promtool_accepts_what_is_written(tmp_path: Path) -> None:
    assert (
        main({"EXTERNAL_URL": f"{EXPORTER}/%C3%A9", "GRAFANA_URL": "http://[::1]:3000", "OUTPUT": str(tmp_path)}) == 0
    )
    promtool.run("check", "rules", "--lint-fatal", *sorted(tmp_path.iterdir()))


def test_without_an_address_of_grafana_its_links_stay(tmp_path: Path) -> None:
    assert main({"EXTERNAL_URL": EXPORTER, "GRAFANA_URL": "", "OUTPUT": str(tmp_path)}) == 0
    assert set(re.findall(r"https?://[^/\s]+", written(tmp_path))) == {EXPORTER, "http://localhost:3000"}


@pytest.mark.parametrize("url", ADDRESSES["a URL"])
def test_a_url_may_have_a_path_and_a_slash_at_its_end(url: str, tmp_path: Path) -> None:
    assert main({"EXTERNAL_URL": url, "GRAFANA_URL": url, "OUTPUT": str(tmp_path)}) == 0
    for file in sorted(tmp_path.iterdir()):
        for alert, texts in annotations(file.read_text()).items():
            assert texts["runbook_url"] == f"{url.rstrip('/')}/runbooks#{alert.lower()}"
            assert texts["dashboard"].startswith(f"{url.rstrip('/')}/d/")


@pytest.mark.parametrize("url", [*ADDRESSES["no URL to append a path to"], "https://example.org:99999"])
@pytest.mark.parametrize("name", ["EXTERNAL_URL", "GRAFANA_URL"])
def test_what_is_no_url_is_refused_with_its_setting_and_nothing_is_written(
    name: str, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "rules"
    assert main({"EXTERNAL_URL": EXPORTER, name: url, "OUTPUT": str(folder)}) == 2
    assert capsys.readouterr().err.startswith(f"{name}: ")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("batch-exporter", "not an http or https URL with a host, such as https://batch-exporter.example.org"),
        ("https://a:99999", "not a URL: Port out of range 0-65535"),
        ("https://me:secret@a", "has a user name or password, which every alert would show: leave it out"),
        ("https://a/?b", "has a query or a fragment: leave it out"),
        ("https://a/ä", "has a character that is no letter, digit or one of . _ ~ : / -: percent-encode it"),
    ],
)
def test_a_url_that_is_refused_gets_the_reason_and_its_password_is_not_repeated(url: str, message: str) -> None:
    with pytest.raises(BadURL) as refused:
        base(url)
    assert str(refused.value) == message


def test_an_external_url_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main({}) == 2
    assert capsys.readouterr().err.startswith("EXTERNAL_URL: missing: the exporter's address, as in make rules EXT")


def test_the_rules_that_are_read_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(FILES[0].parent, tmp_path / "rules")
    before = written(tmp_path / "rules")
    for same in (tmp_path / "rules", tmp_path / "rules/../rules/"):
        assert main({"EXTERNAL_URL": EXPORTER, "OUTPUT": str(same)}, tmp_path / "rules") == 2
        assert capsys.readouterr().err == "OUTPUT: the folder that the rules are read from: choose another\n"
    assert written(tmp_path / "rules") == before


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main({"EXTERNAL_URL": EXPORTER, "OUTPUT": str(tmp_path / "file")}) == 2
    assert capsys.readouterr().err == f"OUTPUT: {tmp_path / 'file'}: File exists\n"


def test_make_takes_the_addresses_and_the_folder_as_variables(tmp_path: Path) -> None:
    settings = (f"EXTERNAL_URL={EXPORTER}/it's;a&b", f"OUTPUT={tmp_path / 'a b'}")
    done = subprocess.run(["make", "-s", "rules", *settings], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition(":")[0]) == (2, "EXTERNAL_URL")
    settings = (f"EXTERNAL_URL={EXPORTER}/a/", f"OUTPUT={tmp_path / 'a b'}")
    subprocess.run(["make", "-s", "rules", *settings], cwd=ROOT, capture_output=True, check=True)
    assert f"{EXPORTER}/a/runbooks#" in written(tmp_path / "a b")


def test_the_alerts_of_grafana_get_the_addresses_and_the_data_source_and_nothing_else_changes(tmp_path: Path) -> None:
    given = {"EXTERNAL_URL": EXPORTER, "GRAFANA_URL": GRAFANA, "DATASOURCE_UID": "mimir_1", "OUTPUT": str(tmp_path)}
    assert main(given) == 0
    assert [path.name for path in sorted(tmp_path.iterdir())] == [path.name for path in MANAGED_FILES]
    after = written(tmp_path)
    assert "localhost" not in after
    documents = [yaml.safe_load(path.read_text()) for path in sorted(tmp_path.iterdir())]
    queries = [query for group in documents for rule in group["groups"][0]["rules"] for query in rule["data"]]
    assert {query["datasourceUid"] for query in queries} == {"mimir_1", "__expr__"}
    assert {query["model"]["datasource"]["uid"] for query in queries} == {"mimir_1", "__expr__"}
    before = "".join(path.read_text() for path in MANAGED_FILES)
    usual = after.replace(EXPORTER, "http://localhost:10977").replace(GRAFANA, "http://localhost:3000")
    assert usual.replace("id: mimir_1", "id: prometheus") == before


@pytest.mark.parametrize("uid", ["a b", "a" * 41, "${UID}", "a\n", "é", "a.b", "'"])
def test_what_is_no_uid_of_a_data_source_is_refused(
    uid: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "alerting"
    assert main({"EXTERNAL_URL": EXPORTER, "DATASOURCE_UID": uid, "OUTPUT": str(folder)}) == 2
    assert capsys.readouterr().err == ("DATASOURCE_UID: not a data source's UID: at most 40 letters, digits, - and _\n")
    assert not folder.exists()


def test_the_alerts_of_grafana_that_are_read_are_not_written_over(capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(MANAGED_FILES[0].parent)
    assert main({"EXTERNAL_URL": EXPORTER, "DATASOURCE_UID": "prometheus", "OUTPUT": folder}) == 2
    assert capsys.readouterr().err == "OUTPUT: the folder that the rules are read from: choose another\n"


def test_the_manifest_of_the_operator_can_be_made_from_what_was_written(tmp_path: Path) -> None:
    assert main({"EXTERNAL_URL": EXPORTER, "OUTPUT": str(tmp_path)}) == 0
    script = ROOT / "deploy/kubernetes/operator/prometheusrule.sh"
    done = subprocess.run([script, tmp_path], capture_output=True, text=True, check=True)
    committed = script.with_suffix(".yaml").read_text()
    assert done.stdout == committed.replace("http://localhost:10977", EXPORTER)
