"""Configurations that can't be written as a case: by their bytes, their place, or because there is no file."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config import Config, ConfigError, Token, from_environment, load
from exporter.config.source import files, yaml_document
from exporter.model.system import System
from tests.support.properties import examples

Systems = Mapping[str, System]
Written = Callable[[str | bytes], Path]
GOOD = "accounts: [{name: a, system: inkit, api_token: CANARY}]\n"


def problems(path: Path, systems: Systems, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, systems, environ or {})
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", ": the file is empty"),
        (b"\n# nothing\n---\n", ":4: must be a mapping, such as accounts: [...]"),
        (b"# nothing\n", ": the file is empty"),
        (b"accounts:\n  - name: CANARY\xff\n", ":2: the file is not text in UTF-8"),
        (GOOD.encode("utf-16"), ":1: the file is not text in UTF-8"),
        (b"accounts: \0CANARY\n", ":1: a control character, which YAML does not allow"),
        (b"\n\x07", ":2: a control character, which YAML does not allow"),
        (b"a: 1\nb: \x1b[31m\n", ":2: a control character, which YAML does not allow"),
        (b"#" * 2**23 + b"\n", ": the file is larger than 8388608 bytes; --config.file names the configuration"),
        (b"[" * 1_000_000, ":1: nested more than 20 deep; no configuration is"),
        (b"a:\n" * 10 + b"? " * 100_000, ":11: nested more than 20 deep; no configuration is"),
        (b"%YAML 1." + b"1" * 5000 + b"\n--- a\n", ":1: not valid YAML: a number that is too large"),
        (b"%YAML 2.0\n--- a\n", ":1: not valid YAML: a YAML version that is not 1 (column 1)"),
        (b"accounts:\n- name: CANARY\n - b\n", ":3: not valid YAML: "),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_bytes_that_are_no_configuration_are_one_problem(
    content: bytes, problem: str, systems: Systems, written: Written
) -> None:
    found = problems(written(content), systems)
    assert len(found) == 1
    assert found[0].startswith(problem)
    assert "CANARY" not in found[0]


def test_too_many_values_are_one_problem_in_the_line_that_exceeds_the_limit(
    systems: Systems, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yaml_document, "MAX_VALUES", 1000)
    [found] = problems(written(b"- x\n" * 1001), systems)
    assert found == ":1001: more than 1000 values, aliases counted each time; no configuration has so many"


def test_a_byte_order_mark_and_windows_line_ends_are_no_problem(systems: Systems, written: Written) -> None:
    path = written(b"\xef\xbb\xbfpoll_interval: 30s\r\n" + GOOD.encode())
    assert load(path, systems, {}).accounts[0].poll_interval == 30.0


def test_the_line_is_right_after_windows_line_ends(systems: Systems, written: Written) -> None:
    assert problems(written(b"lookback: 7d\r\nbananas: 1\r\n" + GOOD.encode()), systems) == [":2: bananas: unknown key"]


def test_a_file_that_is_not_there_is_said_with_the_flag_that_names_it(tmp_path: Path, systems: Systems) -> None:
    dangling = tmp_path / "dangling"
    dangling.symlink_to("nowhere")
    for path in (tmp_path / "nowhere", dangling):
        assert problems(path, systems) == [": there is no such file; --config.file names the configuration"]


def test_who_has_tokens_in_the_environment_and_names_a_file_is_told_to_choose(tmp_path: Path, systems: Systems) -> None:
    """The image names a file by default."""
    for tokens, named in (
        ({"INKIT_API_TOKEN": "CANARY-1"}, "INKIT_API_TOKEN"),
        ({"PX_API_KEY": "CANARY-2", "INKIT_API_TOKEN": "CANARY-1"}, "INKIT_API_TOKEN and PX_API_KEY"),
    ):
        with pytest.raises(ConfigError) as raised:
            load(tmp_path / "config.yaml", systems, tokens)
        assert str(raised.value).endswith(
            ": there is no such file; --config.file names the configuration, "
            f"and without it {named} would do: leave the flag out, or empty"
        )


@pytest.mark.parametrize("path", ["~/config.yaml", "$HOME/config.yaml", "etc/${NAME}.yaml"])
def test_of_a_path_that_a_shell_has_not_expanded_this_is_said(path: str, systems: Systems) -> None:
    [problem] = problems(Path(path), systems)
    assert problem.startswith(': there is no such file: "~" and variables are not expanded here; --config.file')


@pytest.mark.parametrize(
    ("path", "refused"),
    [("~/x.db", True), ("~admin/x.db", True), ("$HOME/x.db", True), ("/data/${NAME}.db", True), ("/~/x~.db", False)],
)
def test_a_state_path_that_needs_a_shell_is_refused(
    path: str, refused: bool, systems: Systems, written: Written
) -> None:
    file = written(f"state: {{path: '{path}'}}\n{GOOD}")
    if refused:
        assert problems(file, systems) == [
            ':1: state.path: "~" and variables ("$") are not expanded here: write the path itself'
        ]
    else:
        assert load(file, systems, {}).state_path == Path(path)


def test_a_directory_is_said_to_be_one(tmp_path: Path, systems: Systems) -> None:
    assert problems(tmp_path, systems) == [": it is a directory, not a file; --config.file names the configuration"]


def test_relative_paths_begin_where_the_file_is(systems: Systems, written: Written, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    for name in ("token", "ca", "cert", "key"):
        (tmp_path / "secrets" / name).write_text(f"CANARY-{name}\n")
    tls = "{ca_file: secrets/ca, cert_file: ./secrets/cert, key_file: %s}" % (tmp_path / "secrets" / "key")
    account = f"{{name: a, system: inkit, api_token_file: secrets/token, tls_config: {tls}}}"
    config = load(written(f"state: {{path: data/x.db}}\naccounts: [{account}]"), systems, {})
    found = config.accounts[0].tls_config
    assert config.state_path == tmp_path / "data" / "x.db"
    assert config.accounts[0].token == Token(tmp_path / "secrets" / "token")
    assert config.accounts[0].token.read() == "CANARY-token"
    assert found.ca_file == tmp_path / "secrets" / "ca"
    assert found.cert_file == tmp_path / "secrets" / "cert"
    assert found.key_file == tmp_path / "secrets" / "key"


def test_the_state_is_in_the_working_directory_unless_the_file_says_otherwise(
    systems: Systems, written: Written
) -> None:
    assert load(written(GOOD), systems, {}).state_path == Path("batch-exporter.db")
    assert load(written("state: {}\n" + GOOD), systems, {}).state_path == Path("batch-exporter.db")


def test_a_token_in_the_environment_is_taken_from_there(systems: Systems, written: Written) -> None:
    path = written("accounts: [{name: a, system: inkit, api_token_env: SOME_TOKEN}]")
    assert load(path, systems, {"SOME_TOKEN": "CANARY\n"}).accounts[0].token.read() == "CANARY"


def test_a_proxy_keeps_its_password_and_does_not_show_it(systems: Systems, written: Written) -> None:
    url = "http://user:CANARY@proxy:3128"
    account = load(written(GOOD.replace("}", f", proxy_url: '{url}'}}")), systems, {}).accounts[0]
    assert account.proxy_url is not None
    assert account.proxy_url.get_secret_value() == url
    assert "CANARY" not in repr(account)


def test_a_second_system_has_its_own_collectors_filters_and_address(systems: Systems, written: Written) -> None:
    other = System("other", "https://other.example/v2", "X-Key", "OTHER_KEY", ("things",), ("mode",))
    both = {**systems, "other": other}
    good = "{name: b, system: other, api_token: CANARY, filters: {mode: x}}"
    account = load(written(f"accounts: [{good}]"), both, {}).accounts[0]
    assert (account.base_url, account.collectors) == ("https://other.example/v2", ("things",))
    bad = "{name: b, system: other, api_token: CANARY, collectors: [invocations], filters: {search: x}}"
    assert problems(written(f"accounts: [{bad}]"), both) == [
        ':1: accounts[0].collectors[0]: unknown collector "invocations"; there is things',
        ":1: accounts[0].filters.search: unknown filter; there is mode",
    ]


def test_without_a_file_a_token_in_the_environment_is_enough(systems: Systems) -> None:
    config = from_environment(systems, {"INKIT_API_TOKEN": "CANARY\n"})
    [account] = config.accounts
    assert (account.name, account.system, account.base_url) == ("inkit", "inkit", "https://api.inkit.com/v1")
    assert account.token.read() == "CANARY"
    assert account.poll_interval == 60.0
    assert config.state_path == Path("batch-exporter.db")


def test_without_a_file_each_system_with_a_token_is_an_account(systems: Systems) -> None:
    other = System("other", "https://other.example/v2", "X-Key", "OTHER_KEY", ("things",), ())
    environ = {"OTHER_KEY": "CANARY", "INKIT_API_TOKEN": ""}
    assert [account.name for account in from_environment({**systems, "other": other}, environ).accounts] == ["other"]
    environ["INKIT_API_TOKEN"] = "CANARY"
    assert [account.name for account in from_environment({**systems, "other": other}, environ).accounts] == [
        "inkit",
        "other",
    ]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (
            {},
            (
                "environment: no API token: set INKIT_API_TOKEN or PX_API_KEY or OTHER_KEY, "
                "or name a configuration with --config.file"
            ),
        ),
        (
            {"INKIT_API_TOKEN": "\n", "OTHER_KEY": " "},
            "environment: INKIT_API_TOKEN: the token is empty\nenvironment: OTHER_KEY: the token is empty",
        ),
    ],
)
def test_without_a_file_what_is_wrong_is_said_of_the_variable(
    environ: Mapping[str, str], message: str, systems: Systems
) -> None:
    other = System("other", "https://other.example/v2", "X-Key", "OTHER_KEY", ("things",), ())
    with pytest.raises(ConfigError) as caught:
        from_environment({**systems, "other": other}, environ)
    assert str(caught.value) == message


def outcome(path: Path, systems: Systems) -> Config | ConfigError:
    try:
        return load(path, systems, os.environ)
    except ConfigError as error:
        return error


WORDS = ["accounts", "name", "system", "inkit", "api_token", "state", "path", "poll_interval", "60s", "tls_config"]
PIECES = st.sampled_from([*WORDS, *":-,[]{}\n\t &*!|>'\"%@`#?=~", "  ", ": ", "- ", "\n  ", "<<", "!!", "1:30", "\\U"])
TEXTS = st.lists(PIECES | st.characters(), max_size=40).map("".join).map(lambda text: text.encode(errors="replace"))
VALUES = st.recursive(
    st.sampled_from(
        ["null", "true", "1", "-1", "1.5", ".inf", "2024-01-01", "''", "x", "5m", "https://h", "inkit", "!y"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(
            st.sampled_from([*WORDS, "filters", "collectors", "workflow_batch_ids"]), inner, max_size=4
        ).map(lambda items: "{" + ", ".join(f"{key}: {value}" for key, value in items.items()) + "}")
    ),
    max_leaves=12,
)
DOCUMENTS = st.tuples(VALUES, VALUES).map(lambda pair: f"accounts: [{pair[0]}]\nstate: {pair[1]}\n".encode())


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=60) | TEXTS | DOCUMENTS)
def test_any_bytes_are_a_configuration_or_a_config_error(content: bytes, systems: Systems, written: Written) -> None:
    path = written(content)
    result = outcome(path, systems)
    assert isinstance(result, Config) or str(result).startswith(str(path))


@pytest.mark.parametrize(
    ("mode", "warned"), [(0o644, True), (0o604, True), (0o444, True), (0o640, False), (0o600, False), (0o622, False)]
)
def test_a_secret_file_that_every_user_can_read_is_a_warning_with_its_line(
    mode: int, warned: bool, systems: Systems, written: Written, tmp_path: Path
) -> None:
    for name in ("token", "key", "cert"):
        (tmp_path / name).write_text("CANARY")
        (tmp_path / name).chmod(mode)
    text = "accounts:\n- name: a\n  system: inkit\n  api_token_file: token\n"
    config = load(written(text + "  tls_config: {cert_file: cert, key_file: key}\n"), systems, {})
    fix = "every user of this machine can read the file: run chmod o-r"
    keys = ("4: accounts[0].api_token_file", "5: accounts[0].tls_config.key_file")
    assert [str(warning) for warning in config.warnings] == [
        f"{tmp_path}/config.yaml:{key}: {fix}" for key in keys if warned
    ]


def test_secrets_that_are_mounted_below_run_are_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "token").write_text("CANARY")
    (tmp_path / "token").chmod(0o444)
    assert files.is_open_to_all(tmp_path / "token", {})
    monkeypatch.setattr(files, "_MOUNTED", tmp_path)
    assert not files.is_open_to_all(tmp_path / "token", {})


def test_what_is_mounted_into_a_container_is_no_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # /proc is a mount of its own, and everybody may read this file in it.
    monkeypatch.setattr(files, "_IN_A_CONTAINER", (tmp_path / "marker",))
    assert files.is_open_to_all(Path("/proc/version"), {})
    (tmp_path / "marker").touch()
    assert not files.is_open_to_all(Path("/proc/version"), {})


@pytest.mark.parametrize(
    ("environ", "warned"),
    [
        ({}, True),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, False),
        ({"container": "podman"}, False),
        ({"container": ""}, True),
        ({"KUBERNETES_SERVICE_PORT": "443"}, True),
    ],
)
def test_a_container_that_has_no_file_to_be_known_by_is_known_by_its_variables(
    environ: dict[str, str], warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pods of containerd have no such file. Kubernetes mounts secrets into them that all users may read."""
    monkeypatch.setattr(files, "_IN_A_CONTAINER", (tmp_path / "marker",))
    assert files.is_open_to_all(Path("/proc/version"), environ) == warned
    (tmp_path / "token").touch(mode=0o644)
    (tmp_path / "token").chmod(0o644)
    if tmp_path.stat().st_dev == Path("/").stat().st_dev:
        assert files.is_open_to_all(tmp_path / "token", environ)
