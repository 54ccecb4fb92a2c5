"""The workflows of GitHub, which can't run here: they are valid, pin what they use, and do what the docs say."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from exporter import __version__
from tests.support.container_engine import output, run
from tests.support.paths import ROOT
from tests.support.workflows import GITHUB, Yaml, jobs, read, step_named, steps
from tools.packages import ARCHITECTURES

pytestmark = pytest.mark.slow

WORKFLOWS = sorted((GITHUB / "workflows").iterdir())
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").iterdir() if path.name != "config.yml")
SCHEMAS = {
    **dict.fromkeys(WORKFLOWS, "vendor.github-workflows"),
    **dict.fromkeys(FORMS, "vendor.github-issue-forms"),
    GITHUB / "ISSUE_TEMPLATE/config.yml": "vendor.github-issue-config",
    GITHUB / "dependabot.yml": "vendor.dependabot",
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = re.compile(r"[\w.-]+/[\w.-]+(?:/[\w./-]+)?@[0-9a-f]{40} # v\d+\.\d+\.\d+")
OWN = re.compile(r"\$/\.github/workflows/[\w-]+\.yml")
WRITES = {"contents", "packages", "id-token"}


def actions(text: str) -> list[str]:
    return re.findall(r"^ *(?:- )?uses: *(.+?) *$", text, re.MULTILINE)


def before(graph: Mapping[str, Yaml], job: str) -> set[str]:
    """Return the jobs that have ended when this one begins."""
    needs = graph[job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*(before(graph, requirement) for requirement in direct))


def extra(name: str) -> dict[str, str]:
    return {
        requirement.name: str(requirement.specifier)
        for requirement in map(Requirement, PROJECT["optional-dependencies"][name])
    }


def zizmor(*inputs: Path) -> "subprocess.CompletedProcess[str]":
    words = ("--offline", "--no-online-audits", "--no-progress", "--strict-collection")
    return run(Path(sys.prefix, "bin/zizmor"), *words, *inputs)


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: str(path.relative_to(GITHUB)))
def test_a_file_has_the_form_that_github_reads(path: Path) -> None:
    output(sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[path], path)


def test_each_job_ends_by_itself() -> None:
    schema = "custom.github-workflows-require-timeout"
    output(sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *WORKFLOWS)


def test_a_misspelled_key_of_a_workflow_does_not_pass(tmp_path: Path) -> None:
    wrong = tmp_path / "test.yml"
    wrong.write_text((GITHUB / "workflows/test.yml").read_text().replace("runs-on:", "run-on:"))
    with pytest.raises(AssertionError, match="run-on"):
        output(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", wrong)


def test_zizmor_finds_nothing() -> None:
    done = zizmor(*WORKFLOWS, GITHUB / "dependabot.yml", ROOT / ".pre-commit-config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "zizmor: ignore" not in "".join(path.read_text() for path in SCHEMAS)


@pytest.mark.parametrize(
    ("old", "new", "audit"),
    [
        ('"$GITHUB_REF_NAME" != ', '"${{ github.ref_name }}" != ', "template-injection"),
        ("  push:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
    ],
)
def test_zizmor_finds_what_it_is_there_for(tmp_path: Path, old: str, new: str, audit: str) -> None:
    wrong = tmp_path / ".github/workflows/release.yml"
    wrong.parent.mkdir(parents=True)
    text = (GITHUB / "workflows/release.yml").read_text()
    assert old in text
    wrong.write_text(text.replace(old, new))
    done = zizmor(wrong)
    assert done.returncode != 0
    assert audit in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_by_its_commit_with_its_version_beside_it(path: Path) -> None:
    used = actions(path.read_text())
    assert used
    assert [action for action in used if not PINNED.fullmatch(action) and not OWN.fullmatch(action)] == []


def test_an_action_is_the_same_wherever_it_is_used() -> None:
    used = {action for path in WORKFLOWS for action in actions(path.read_text())}
    names = [action.partition("@")[0] for action in used]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_container_is_pinned_by_its_digest(path: Path) -> None:
    images = [job["container"]["image"] for job in jobs(path).values() if "container" in job]
    assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_job_has_the_rights_that_it_names_and_no_secret(path: Path) -> None:
    assert read(path)["permissions"] == {}
    for name, job in jobs(path).items():
        assert "permissions" in job, name
        assert {right for right, how in job["permissions"].items() if how == "write"} <= WRITES
    assert "secrets." not in path.read_text()


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_checkout_leaves_no_credentials(path: Path) -> None:
    checkouts = [step for step in steps(path) if "actions/checkout" in step.get("uses", "")]
    assert checkouts
    assert all(checkout["with"]["persist-credentials"] is False for checkout in checkouts)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_nothing_is_put_into_a_script_but_by_its_environment(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


def test_the_tests_run_on_each_python_that_the_package_is_for() -> None:
    tried = jobs(GITHUB / "workflows/test.yml")["test"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: 3."
    assert tried == [
        classifier.rpartition(" ")[2] for classifier in PROJECT["classifiers"] if classifier.startswith(prefix)
    ]
    minors = [int(version.removeprefix("3.")) for version in tried]
    assert minors == list(range(minors[0], minors[-1] + 1))
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert tried[0] in allowed
    assert f"3.{minors[0] - 1}.99" not in allowed


def test_the_workflow_runs_what_contributors_run() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    scripts = [step.get("run", "") for step in steps(GITHUB / "workflows/test.yml")]
    targets = {found for script in scripts for found in re.findall(r"^make [\w-]+", script)}
    assert targets == {"make test", "make test-all", "make coverage", "make audit"}
    assert all(f"$ {target} " in page for target in targets)


def test_every_lock_file_is_audited() -> None:
    locks = sorted((ROOT / "deploy/image").glob("*requirements.txt"))
    assert len(locks) == 2
    command = output("make", "-n", "-C", ROOT, "audit")
    assert [lock for lock in locks if f"--requirement {lock.relative_to(ROOT)}" not in command] == []


def test_nothing_is_published_before_all_tests_have_passed() -> None:
    graph = jobs(GITHUB / "workflows/release.yml")
    assert graph["test"]["uses"] == "$/.github/workflows/test.yml"
    publishing = {name for name, job in graph.items() if "write" in job["permissions"].values()}
    assert publishing == {"pypi", "image", "chart", "github"}
    assert [name for name in publishing if not {"test", "build"} <= before(graph, name)] == []
    assert {"pypi", "image", "chart"} <= before(graph, "github")


def test_packages_are_built_for_each_python_and_architecture_of_the_page_about_deployment() -> None:
    matrix = jobs(GITHUB / "workflows/release.yml")["packages"]["strategy"]["matrix"]
    page = (ROOT / "docs/deployment.md").read_text()
    assert [f"python{version}" for version in matrix["python"]] == re.findall(
        r"^\| .+ \| `(python3\.\d+)` \|$", page, re.MULTILINE
    )
    assert matrix["runner"] == ["ubuntu-24.04", "ubuntu-24.04-arm"]
    assert len(matrix["runner"]) == len(ARCHITECTURES)


def test_a_release_has_all_that_was_built_and_the_checksums_of_it(tmp_path: Path) -> None:
    graph = jobs(GITHUB / "workflows/release.yml")
    assert {"build", "packages"} <= before(graph, "github")
    files = {
        "dist": ["batch_exporter-1.whl", "batch_exporter-1.tar.gz"],
        "packages-3.11-ubuntu-24.04": ["batch-exporter_1-1+python3.11_amd64.deb", "batch-exporter-1.x86_64.rpm"],
        "packages-3.13-ubuntu-24.04-arm": ["batch-exporter_1-1+python3.13_arm64.deb", "batch-exporter-1.aarch64.rpm"],
        "notes": ["notes.md"],
        "bin": [],
    }
    for folder, names in files.items():
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).write_text(name)
    gh = tmp_path / "bin/gh"
    gh.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > given\n')
    gh.chmod(0o755)
    script = step_named("release.yml", "Create the release")["run"]
    given = {"PATH": f"{gh.parent}:{os.environ['PATH']}", "GITHUB_REF_NAME": "v1", "GITHUB_REPOSITORY": "o/r"}
    subprocess.run(["sh", "-ec", script], cwd=tmp_path, env=given, check=True)
    words = (tmp_path / "given").read_text().splitlines()
    attached = words[words.index("notes/notes.md") + 1 :]
    names = [name for folder, names in files.items() if folder != "notes" for name in names]
    assert sorted(Path(word).name for word in attached) == sorted([*names, "SHA256SUMS"])
    sums = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert sums == [f"{sha256(name.encode()).hexdigest()}  {name}" for name in sorted(names)]


def test_the_wheel_is_published_by_trust_and_not_by_a_token() -> None:
    job = jobs(GITHUB / "workflows/release.yml")["pypi"]
    assert job["permissions"] == {"id-token": "write"}
    assert job["environment"] == "pypi"
    assert "with" not in step_named("release.yml", "pypa/gh-action-pypi-publish")


def test_the_image_is_for_both_architectures_and_says_what_is_in_it() -> None:
    given = step_named("release.yml", "docker/build-push-action")["with"]
    assert given["platforms"] == "linux/amd64,linux/arm64"
    assert (given["sbom"], given["provenance"], given["push"]) == (True, "mode=max", True)
    arguments = re.findall(r"^ARG (\w+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {line.partition("=")[0] for line in given["build-args"].splitlines()} <= set(arguments)


def test_the_image_and_the_chart_are_signed_by_their_digests() -> None:
    image, chart = step_named("release.yml", "Sign the image"), step_named("release.yml", "Push the chart")
    assert image["env"]["IMAGE"].endswith("@${{ steps.build.outputs.digest }}")
    assert re.findall(r'cosign sign --yes .*"\$IMAGE"', image["run"])
    assert re.findall(r'cosign sign --yes ".+@\$\{digest', chart["run"])


def test_the_chart_gets_the_published_image_in_the_place_of_its_default() -> None:
    (pattern,) = re.findall(r"s\|(\^.+?)\\\$\|", step_named("release.yml", "Push the chart")["run"])
    values = (ROOT / "deploy/helm/batch-exporter/values.yaml").read_text()
    assert len(re.findall(rf"{pattern}$", values, re.MULTILINE)) == 1


@pytest.mark.parametrize(("tag", "passes"), [(f"v{__version__}", True), (__version__, False), ("v9.9.9", False)])
def test_a_tag_that_is_not_the_version_is_refused(tmp_path: Path, tag: str, passes: bool) -> None:
    script = step_named("release.yml", "Check that the tag")["run"]
    given = {**os.environ, "MAKEFLAGS": "", "GITHUB_REF_NAME": tag, "GITHUB_OUTPUT": str(tmp_path / "outputs")}
    done = subprocess.run(["sh", "-ec", script], cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is passes, done.stdout + done.stderr
    if passes:
        assert re.fullmatch(rf"version={re.escape(__version__)}\nepoch=\d+\n", (tmp_path / "outputs").read_text())
    else:
        assert f"the tag is {tag} and the version is {__version__}" in done.stdout


def test_dependabot_finds_what_it_is_to_update() -> None:
    files = {
        "pip": ("pyproject.toml", "requirements.txt"),
        "github-actions": (".github/workflows",),
        "docker": ("Dockerfile",),
        "docker-compose": ("compose.yaml",),
        "npm": ("package-lock.json",),
    }
    updates = read(GITHUB / "dependabot.yml")["updates"]
    assert {update["package-ecosystem"] for update in updates} == files.keys()
    for update in updates:
        for folder in update.get("directories") or [update["directory"]]:
            there = ROOT / folder.lstrip("/")
            assert any((there / file).exists() for file in files[update["package-ecosystem"]]), (folder, update)


def test_a_hook_has_the_version_that_make_lint_and_the_tests_have() -> None:
    (local,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    tested = extra("test")
    for hook in local["hooks"]:
        (pin,) = map(Requirement, hook["additional_dependencies"])
        assert str(pin.specifier) == tested[pin.name], hook["id"]
        assert hook["entry"].split()[0] == pin.name
