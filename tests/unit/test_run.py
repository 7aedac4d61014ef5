"""How a workload runs: secrets stay out of the environment, and what weakens a container has a written reason."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.run import Run

WEAKENINGS: dict[str, dict[str, Any]] = {
    "read_only": {"read_only": False},
    "capabilities": {"capabilities": ["NET_RAW"]},
    "temporary": {"temporary": {"/tmp": "rw,nosuid"}},
    "ports": {"ports": [{"container": 80, "host": 8080, "address": "0.0.0.0"}]},
    "logs": {"logs": {"maximum_size": "11m", "maximum_files": 100}},
}
words = st.text(string.ascii_uppercase, min_size=1, max_size=8)
separators = st.sampled_from(["_", "-"])


def mistakes(**given_: Any) -> list[str]:
    """What is said about these settings, one text a mistake, with the setting's name."""
    with pytest.raises(ValidationError) as caught:
        Run.model_validate({"name": "web"} | given_)
    return [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in caught.value.errors()]


def accepted(**given_: Any) -> Run:
    """These settings, which have to be accepted."""
    return Run.model_validate({"name": "web"} | given_)


SECRET_NAMES = ["PASSWORD", "PASSWD", "PASS", "SECRET", "TOKEN", "API_KEY", "APIKEY", "PRIVATE_KEY", "CREDENTIALS"]
SECRET_NAMES += ["ACCESS_KEY", "PASSPHRASE", "PWD"]


@given(words, separators, st.sampled_from(SECRET_NAMES), st.booleans())
def test_a_variable_named_like_a_secret_is_refused(prefix: str, joint: str, name: str, lower: bool) -> None:
    variable = f"{prefix}{joint}{name}"
    variable = variable.lower() if lower else variable
    [mistake] = mistakes(environment={variable: "harmless"})
    assert mistake.startswith("environment: ")
    assert variable in mistake
    assert "run.secrets" in mistake


@pytest.mark.parametrize(
    "name",
    [
        "PASSWORD",
        "password",
        "DB_PASSWORD",
        "PGPASSWORD",
        "MYSQL_ROOT_PASSWORD",
        "PASSWORD2",
        "DB_PASS1",
        "dbPassword",
        "SECRET_KEY",
        "SECRET_KEY_BASE",
        "AWS_SECRET_ACCESS_KEY",
        "GITHUB_TOKEN",
        "TOKEN",
        "ApiKey",
        "STRIPE_API_KEY",
    ],
)
def test_the_usual_names_of_secrets_are_refused(name: str) -> None:
    assert name in mistakes(environment={name: "x"})[0]


@pytest.mark.parametrize(
    "value",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----",
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2" * 9,
        "glpat-" + "a1B2" * 6,
        "xoxb-123456789012-abcdefghij",
        "sk_live_" + "a1B2" * 6,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig",
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig",
        "postgres://app:hunter2@db/app",
        "POSTGRES://app:hunter2@db/app",
        "redis://:hunter2@cache:6379/0",
        "host=db user=app password=hunter2 dbname=app",
        "Server=db;User Id=app;Password=hunter2;",
        "jdbc:postgresql://db/app?user=app&password=hunter2",
        "https://hooks.example/x?token=abcdef",
    ],
)
def test_a_value_that_looks_like_a_secret_is_refused_and_never_repeated(value: str) -> None:
    [mistake] = mistakes(environment={"SETTING": value})
    assert "SETTING" in mistake
    assert value not in mistake
    assert "hunter2" not in mistake


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LOG_LEVEL", "info"),
        ("DATABASE_URL", "postgres://db.example/app"),
        ("DATABASE_URL", "postgres://app@db.example/app"),
        ("PUBLIC_URL", "https://driftwood.example:8443/path?page=2"),
        ("DB_PASSWORD_FILE", "/run/secrets/db_password"),
        ("AUTHOR", "Ada"),
        ("KEYBOARD", "dvorak"),
        ("MONKEY", "yes"),
        ("TOKENIZER", "bert"),
        ("SECRETARY", "Bo"),
        ("SORT_KEY", "name"),
        ("PORT", "8080"),
        ("EMPTY", ""),
    ],
)
def test_an_ordinary_variable_is_accepted(name: str, value: str) -> None:
    assert accepted(environment={name: value}).environment == {name: value}


def test_a_password_in_a_variable_that_is_named_like_a_files_path_is_refused() -> None:
    assert "DB_PASSWORD_FILE" in mistakes(environment={"DB_PASSWORD_FILE": "hunter2"})[0]


def test_all_secrets_in_the_environment_are_named_at_once() -> None:
    [mistake] = mistakes(environment={"DB_PASSWORD": "x", "FINE": "y", "API_TOKEN": "z"})
    assert "DB_PASSWORD" in mistake
    assert "API_TOKEN" in mistake
    assert "FINE" not in mistake


@pytest.mark.parametrize("setting", WEAKENINGS)
def test_what_weakens_a_container_needs_a_reason(setting: str) -> None:
    [mistake] = mistakes(**WEAKENINGS[setting])
    assert setting in mistake
    assert f"reasons.{setting}" in mistake


@pytest.mark.parametrize("setting", WEAKENINGS)
@given(st.text(st.sampled_from("abc xyz"), min_size=10).filter(lambda text: len(text.strip()) >= 10))
def test_with_a_reason_it_is_accepted(setting: str, reason: str) -> None:
    run = accepted(**WEAKENINGS[setting], reasons={setting: reason})
    assert run.reasons == {setting: reason}


@pytest.mark.parametrize("setting", WEAKENINGS)
@given(st.text(" \tx", max_size=12).filter(lambda text: len(text.strip()) < 10))
def test_an_empty_or_curt_reason_is_none(setting: str, reason: str) -> None:
    assert setting in mistakes(**WEAKENINGS[setting], reasons={setting: reason})[0]


@given(st.sets(st.sampled_from(sorted(WEAKENINGS)), min_size=2))
def test_all_weakenings_without_a_reason_are_told_at_once(settings: set[str]) -> None:
    given_: dict[str, Any] = {}
    for setting in settings:
        given_ |= WEAKENINGS[setting]
    told = "\n".join(mistakes(**given_))
    for setting in settings:
        assert f"reasons.{setting}" in told


@pytest.mark.parametrize("setting", [*WEAKENINGS, "memory", "anything"])
def test_a_reason_for_what_is_not_weakened_is_refused(setting: str) -> None:
    assert f"reasons.{setting}" in mistakes(reasons={setting: "a reason that is long enough"})[0]


@pytest.mark.parametrize(
    "given_",
    [
        {},
        {"capabilities": ["NET_BIND_SERVICE"]},
        {"capabilities": ["CAP_NET_BIND_SERVICE"]},
        {"temporary": {}},
        {"temporary": {"/tmp": "noexec", "/run": "rw,noexec,size=1m"}},
        {"ports": [{"container": 80, "host": 1024}]},
        {"ports": [{"container": 80, "host": 8080, "address": "192.0.2.7"}]},
        {"logs": {"maximum_size": "512m", "maximum_files": 2}},
        {"logs": {"maximum_size": "1g", "maximum_files": 1}},
        {"logs": {"maximum_size": "1k", "maximum_files": 100}},
        {"logs": {"driver": "journald", "options": {"tag": "web"}}},
    ],
)
def test_what_weakens_nothing_needs_no_reason(given_: dict[str, Any]) -> None:
    assert accepted(**given_).reasons == {}


@pytest.mark.parametrize(
    "port",
    [
        {"container": 80, "host": 80},
        {"container": 80, "host": 1023},
        {"container": 80, "host": 8080, "address": "::"},
        {"container": 80, "host": 8080, "address": "0.0.0.0"},
    ],
)
def test_a_privileged_port_or_every_address_needs_a_reason(port: dict[str, Any]) -> None:
    assert "reasons.ports" in mistakes(ports=[{"container": 81, "host": 8081}, port])[0]


@pytest.mark.parametrize("address", ["localhost", "", "driftwood.example", "127.0.0.1:80", "256.0.0.1", "1.2.3"])
def test_a_port_is_bound_to_an_address_and_to_no_name(address: str) -> None:
    assert mistakes(ports=[{"container": 80, "host": 8080, "address": address}])[0].startswith("ports.0.address: ")


def test_a_port_of_the_container_is_published_once() -> None:
    ports = [{"container": 80, "host": 8080}, {"container": 81, "host": 8081}, {"container": 80, "host": 8082}]
    [told] = mistakes(ports=ports)
    assert (
        "port 80 of the container is published 2 times, which the Docker provider reads back in another order" in told
    )


def test_a_port_of_the_host_is_given_away_once() -> None:
    [told] = mistakes(ports=[{"container": 80, "host": 8080}, {"container": 81, "host": 8080}])
    assert "127.0.0.1:8080 on the host is given to 2 ports of the container: write another host port" in told


@pytest.mark.parametrize("name", ["ALL", "CAP_ALL", "net_raw", "", "NET RAW", "NET_RAW,SYS_ADMIN"])
def test_a_capability_is_named_one_by_one(name: str) -> None:
    given_ = {"capabilities": [name], "reasons": {"capabilities": "a reason that is long enough"}}
    assert mistakes(**given_)[0].startswith("capabilities: ")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("NET_BIND_SERVCE", "did you mean NET_BIND_SERVICE?"),
        ("CAP_NET_BIND_SERVCE", "did you mean NET_BIND_SERVICE?"),
        ("cap_net_raw", "did you mean NET_RAW?"),
        ("SYSADMIN", "did you mean SYS_ADMIN?"),
        ("WEATHER", "name each that is needed, such as NET_BIND_SERVICE"),
    ],
)
def test_a_misspelt_capability_is_told_which_was_meant(name: str, meant: str) -> None:
    given_ = {"capabilities": [name], "reasons": {"capabilities": "a reason that is long enough"}}
    [line] = mistakes(**given_)
    assert line.endswith(f"is no capability of Linux: {meant}")


@given(st.text(max_size=20))
def test_what_is_no_capability_is_refused_whatever_it_is(name: str) -> None:
    given_ = {"capabilities": [f"{name}!"], "reasons": {"capabilities": "a reason that is long enough"}}
    assert "is no capability of Linux" in mistakes(**given_)[0]


@pytest.mark.parametrize("name", ["SYS_PTRACE", "CAP_SYS_PTRACE", "CHECKPOINT_RESTORE", "CAP_SETFCAP", "KILL"])
def test_a_capability_of_linux_is_accepted_with_its_prefix_and_without(name: str) -> None:
    run = accepted(capabilities=[name], reasons={"capabilities": "a reason that is long enough"})
    assert run.capabilities == (name.removeprefix("CAP_"),)


@given(st.text(max_size=20))
def test_the_name_of_a_secret_is_one_file_name(name: str) -> None:
    try:
        run = accepted(secrets={name: {"config": "key"}})
    except ValidationError as error:
        assert "secrets" in str(error)
        return
    [kept] = run.secrets
    assert kept == name
    assert "/" not in name
    assert name not in (".", "..")
    assert name.isascii()


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b", ".", "..", ".hidden", "", "a b", "a\n", "a" * 64])
def test_a_secret_whose_name_is_a_path_is_refused(name: str) -> None:
    assert mistakes(secrets={name: {"config": "key"}})


@given(st.sampled_from(["interval", "timeout", "start_period", "retries", "wait"]), st.sampled_from([-1, 10**6]))
def test_a_health_check_without_measure_is_refused(field: str, value: int) -> None:
    assert mistakes(health={field: value})[0].startswith(f"health.{field}: ")


@pytest.mark.parametrize("value", [0, 0.0, -0.0])
def test_a_start_period_that_the_engine_would_take_from_the_image_is_refused(value: float) -> None:
    [told] = mistakes(health={"start_period": value})
    assert told.startswith("health.start_period: ")
    assert "takes 0 as the image's own period" in told
    assert "leave it out for the image's, or write 0.001 for none" in told


@pytest.mark.parametrize("value", [0.0001, 0.00099])
def test_a_start_period_that_is_too_short_for_the_engine_is_refused(value: float) -> None:
    assert mistakes(health={"start_period": value})[0].startswith("health.start_period: ")


@pytest.mark.parametrize("value", [None, 0.001, 30])
def test_a_start_period_is_left_to_the_image_or_has_a_length(value: float | None) -> None:
    assert accepted(health={"start_period": value}).health.start_period == value


@pytest.mark.parametrize("test", [["NONE"], ["python", "healthcheck.py"], [""]])
def test_a_health_check_cannot_be_switched_off(test: list[str]) -> None:
    assert "CMD" in mistakes(health={"test": test})[0]


@pytest.mark.parametrize(
    "test",
    [
        *(["CMD", "true"], ["CMD", "/bin/true"], ["CMD", "sh", "-c", "true"], ["CMD", "/bin/sh", "-c", "exit 0"]),
        *(["CMD-SHELL", line] for line in ("true", " exit 0 ", ":", "true;", "exit", "/usr/bin/true")),
        *(["CMD-SHELL", f"curl localhost{end}"] for end in (" || true", " || exit 0", "; :", "||:", "\ntrue\n")),
    ],
)
def test_a_health_check_that_never_fails_is_none(test: list[str]) -> None:
    assert f"{test[-1].strip()!r} never fails" in mistakes(health={"test": test})[0]


@pytest.mark.parametrize("test", [["CMD"], ["CMD", ""], ["CMD-SHELL", " "]])
def test_a_health_check_without_a_command_is_none(test: list[str]) -> None:
    assert f"there is no command after {test[0]}" in mistakes(health={"test": test})[0]


@pytest.mark.parametrize(
    "test",
    [
        *(["CMD", "python", "healthcheck.py"], ["CMD", "truecheck"], ["CMD", "check", "true"], ["CMD", "exit", "0"]),
        *(["CMD-SHELL", line] for line in ("curl localhost || exit 1", "test -e /tmp/true", "true && curl localhost")),
    ],
)
def test_a_health_check_that_can_fail_is_one(test: list[str]) -> None:
    assert accepted(health={"test": test}).health.test == tuple(test)


@pytest.mark.parametrize("options", [{"fluentd-token": "tide-and-salt"}, {"gelf-address": "tcp://a:b@logs.example"}])
def test_a_secret_among_the_options_of_a_log_driver_is_refused_and_not_repeated(options: dict[str, str]) -> None:
    [told] = mistakes(logs={"driver": "gelf", "options": options})
    assert "looks like a secret, and `docker inspect` shows it" in told
    assert not any(value in told for value in options.values())
    assert accepted(logs={"driver": "gelf", "options": {"gelf-address": "udp://logs.example:12201", "tag": "web"}})


@pytest.mark.parametrize("field", ["memory", "cpus", "pids", "open_files", "stop_timeout", "secrets_owner"])
@given(st.one_of(st.integers(max_value=0), st.floats(max_value=0, allow_nan=False), st.just(float("nan"))))
def test_no_limit_can_be_switched_off(field: str, value: float) -> None:
    assert mistakes(**{field: value})[0].startswith(f"{field}: ")


@given(st.floats(min_value=0, max_value=0.009))
def test_processors_too_few_for_the_engine_would_mean_no_limit_and_are_refused(cpus: float) -> None:
    assert mistakes(cpus=cpus)[0].startswith("cpus: ")


@given(st.text(string.ascii_letters + "_", min_size=1, max_size=12))
def test_an_unknown_setting_is_refused_by_name(name: str) -> None:
    assume(name not in Run.model_fields)
    assert mistakes(**{name: "x"})[0].startswith(f"{name}: ")


def test_settings_cannot_be_changed_afterwards() -> None:
    run = accepted()
    with pytest.raises(ValidationError, match="frozen"):
        run.read_only = False  # type: ignore[misc]


@pytest.mark.parametrize(
    ("temporary", "what"),
    [
        ("rw,noexec,exec", "without noexec"),
        ("rw,noexec,suid,dev", "without nosuid and nodev"),
        ("rw,size=64m", "without noexec"),
    ],
)
def test_a_tmpfs_is_weaker_by_any_word_that_undoes_its_protection(temporary: str, what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Run(name="web", temporary={"/tmp": temporary})


@pytest.mark.parametrize("path", ["run", "/", "/tmp/../run", "/run/secrets", "/run/secrets/deeper"])
def test_a_tmpfs_lies_at_an_absolute_path_and_hides_no_secret(path: str) -> None:
    with pytest.raises(ValidationError, match="no place for a tmpfs"):
        Run(name="web", temporary={path: "noexec,nosuid,nodev"})


def test_every_address_in_another_spelling_needs_a_reason_too() -> None:
    with pytest.raises(ValidationError, match="listening on every address"):
        Run(name="web", ports=({"container": 8080, "host": 8080, "address": "::ffff:0.0.0.0"},))


@pytest.mark.parametrize("name", ["MYSQL_ROOT_PW", "JWT_KEY", "ENCRYPTION_KEY", "GITHUB_PAT", "SSH_KEY"])
def test_more_names_of_secrets_are_refused_in_the_environment(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Run(name="web", environment={name: "anything"})
