"""Secrets in a stack's configuration: where they may lie, who may read them, and that none is ever repeated."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pulumi.runtime import set_all_config
from pydantic import ValidationError

from components.image import Build
from components.secret import SecretSource, read_secret_file
from settings import SettingsError, configuration
from tests.recording import Engine
from tests.stacks import Stack


def test_what_has_to_be_below_a_setting_is_named(stack: Stack) -> None:
    stack.settings["sign"] = "cosign.key"
    assert stack.mistake().startswith("slipway:sign: settings of its own belong here: key and public_key")
    assert stack.mistake().endswith("write `sign: { key: …, public_key: … }`")


def test_settings_of_its_own_in_a_list_are_shown_without_a_name(stack: Stack) -> None:
    stack.settings["services"]["web"]["run"]["ports"] = [8080]
    assert stack.mistake() == (
        "slipway:services.web.run.ports.0: settings of its own belong here: container and host: "
        "write `{ container: …, host: … }`"
    )


@pytest.mark.parametrize("value", ["hunter2", 7, True, ["hunter2"]])
def test_a_value_in_the_place_of_a_secrets_source_is_told_what_belongs_there(stack: Stack, value: object) -> None:
    stack.settings["registry"]["password"] = value
    told = stack.mistake()
    assert told.startswith("slipway:registry.password: settings of its own belong here: config or file")
    assert told.endswith("write `password: { config: … }`")
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("mode", "told"), [(0o644, "0644"), (0o640, "0640"), (0o604, "0604"), (0o620, "0620"), (0o666, "0666")]
)
def test_a_secret_file_that_others_can_reach_is_refused(stack: Stack, mode: int, told: str) -> None:
    path = stack.secrets / "db_password"
    path.chmod(mode)
    line = stack.mistake()
    assert line.startswith("slipway:services.web.run.secrets.db_password: ")
    assert told in line
    assert f"chmod 600 {path}" in line


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_secret_file_of_its_owner_alone_is_accepted(stack: Stack, mode: int) -> None:
    (stack.secrets / "db_password").chmod(mode)
    assert stack.load()


def test_a_pipe_of_a_shell_is_read_where_a_secret_is_handed_over_once() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"hunter2\n")
    os.close(writing)
    try:
        assert read_secret_file(f"/dev/fd/{reading}") == "hunter2"
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"a\r\nb\rc\r\n", "a\r\nb\rc"),
        (b"hunter2\r\n", "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\n\n", "hunter2\n"),
        (b"hunter2\r\n\r\n", "hunter2\r\n"),
        (b"hunter2\n\r", "hunter2\n\r"),
        (b"hunter2", "hunter2"),
        (b"", ""),
    ],
)
def test_a_secret_file_is_read_byte_for_byte_without_the_newline_at_its_end(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_bytes(content)
    assert read_secret_file(path) == secret


def test_a_pipe_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    path.chmod(0o644)
    descriptor = os.open(path, os.O_RDWR)  # else to open it would wait for somebody who writes
    try:
        with pytest.raises(ValueError, match="no regular file"):
            read_secret_file(path)
    finally:
        os.close(descriptor)


SECRET_KEYS = {
    "slipway:registry.password": lambda s: s.settings["registry"]["password"],
    "slipway:sign.password": lambda s: s.settings["sign"]["password"],
    "slipway:services.web.build.secrets.pip_token": lambda s: s.web["build"]["secrets"]["pip_token"],
    "slipway:services.web.run.secrets.db_password": lambda s: s.web["run"]["secrets"]["db_password"],
}


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_every_secret_file_that_is_missing_is_told_by_its_key(stack: Stack, key: str) -> None:
    SECRET_KEYS[key](stack)["file"] = str(stack.secrets / "missing")
    line = stack.mistake()
    assert line.startswith(f"{key}: the file cannot be read (No such file or directory): ")


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_every_secret_file_in_the_project_is_refused(stack: Stack, key: str) -> None:
    path = stack.project / "app" / "secret"
    path.touch(mode=0o600)
    SECRET_KEYS[key](stack)["file"] = str(path)
    line = stack.mistake()
    assert line.startswith(f"{key}: the file lies in the project")
    assert ".slipway/" in line


def test_a_link_out_of_the_projects_state_folder_into_the_project_is_refused(stack: Stack) -> None:
    path = stack.project / "app" / "secret"
    path.touch(mode=0o600)
    link = stack.project / ".slipway" / "keys" / "link"
    link.symlink_to(path)
    stack.web["run"]["secrets"]["db_password"]["file"] = str(link)
    assert "lies in the project" in stack.mistake()


@pytest.mark.parametrize("path", ["{secrets}", "/dev/null"])
def test_a_secret_that_is_no_regular_file_is_refused(stack: Stack, path: str) -> None:
    stack.web["run"]["secrets"]["db_password"]["file"] = path.replace("{secrets}", str(stack.secrets))
    assert "no regular file" in stack.mistake()


@pytest.mark.parametrize("path", ["~nobody-of-this-name/secret", "a\0b"])
def test_a_path_that_means_nothing_is_told_and_not_thrown(stack: Stack, path: str) -> None:
    stack.web["run"]["secrets"]["db_password"]["file"] = path
    assert stack.mistake().startswith("slipway:services.web.run.secrets.db_password: ")


@pytest.mark.parametrize("value", [{}, {"file": "a", "config": "b"}])
def test_a_secret_has_exactly_one_source(stack: Stack, value: dict[str, str]) -> None:
    stack.web["run"]["secrets"]["db_password"] = value
    line = stack.mistake()
    assert line.startswith("slipway:services.web.run.secrets.db_password: write either config: KEY")


def test_secrets_on_the_host_are_kept_out_of_the_project(stack: Stack) -> None:
    stack.settings["secrets_directory"] = str(stack.project / "secrets")
    line = stack.mistake()
    assert line.startswith("slipway:secrets_directory: ")
    assert "project" in line


@pytest.mark.parametrize("folder", ["relative/path", "/", "/var/../etc", ""])
def test_the_folder_for_secrets_is_an_absolute_path_of_its_own(stack: Stack, folder: str) -> None:
    stack.settings["secrets_directory"] = folder
    assert stack.mistake().startswith("slipway:secrets_directory: ")


VALUE = "hunter2-hunter2"


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.settings["registry"].update(password=VALUE),
        lambda s: s.settings["registry"].update(password=[VALUE]),
        lambda s: s.settings["registry"].update(passwort=VALUE),
        lambda s: s.settings["registry"].update(password={"file": VALUE}),
        lambda s: s.settings["registry"].update(password={"value": VALUE}),
        lambda s: s.settings["registry"].update(password={"config": f"{VALUE}!"}),
        lambda s: s.settings["registry"].update(address=f"slipway:{VALUE}@localhost:5443"),
        lambda s: s.settings["registry"].update(address=f"https://slipway:{VALUE}@localhost:5443"),
        lambda s: s.settings.update(sign=VALUE),
        lambda s: s.settings["sign"].update(password=VALUE),
        lambda s: s.settings["sign"].update(key=f"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{VALUE}\n"),
        lambda s: s.web["run"].update(secrets=VALUE),
        lambda s: s.web["run"]["secrets"].update(db_password=VALUE),
        lambda s: s.web["run"]["secrets"].update(db_password={"file": VALUE}),
        lambda s: s.web["run"]["environment"].update(DB_PASSWORD=VALUE),
        lambda s: s.web["run"]["environment"].update(DATABASE=f"postgres://app:{VALUE}@db/app"),
        lambda s: s.web["run"].update(environment=[f"DB_PASSWORD={VALUE}"]),
        lambda s: s.web["run"].update(environment=f"DB_PASSWORD={VALUE}"),
        lambda s: s.web["run"].update(db_password=VALUE),
        lambda s: s.web["build"]["arguments"].update(PIP_TOKEN=VALUE),
        lambda s: s.web["build"]["arguments"].update(INDEX=f"https://me:{VALUE}@index.example"),
        lambda s: s.web["build"].update(arguments=[f"PIP_TOKEN={VALUE}"]),
        lambda s: s.web["build"]["secrets"].update(pip_token=VALUE),
        lambda s: s.web["build"].update(secrets=[VALUE]),
        lambda s: s.web.update(repository=f"me:{VALUE}@localhost/web"),
        lambda s: s.web["build"].update(source=f"https://ci:{VALUE}@git.example/web"),
        lambda s: s.web["build"].update(source=f"https://{VALUE}@git.example/web"),
        lambda s: s.web["run"]["health"].update(test=["CMD", "curl", f"http://probe:{VALUE}@localhost"]),
        lambda s: s.web["run"]["health"].update(test=["CMD-SHELL", f"curl http://probe:{VALUE}@localhost || true"]),
        lambda s: s.settings.update(prove={"checks": [{"name": "page", "url": f"/?access_token={VALUE}"}]}),
        lambda s: s.web.update(prove={"checks": [{"name": "page", "url": f"https://probe:{VALUE}@driftwood.example"}]}),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_never_repeated(
    stack: Stack, change: Callable[[Stack], None]
) -> None:
    change(stack)
    assert VALUE not in "\n".join(stack.mistakes())


def test_a_secret_among_the_build_arguments_is_refused_by_name(stack: Stack) -> None:
    stack.web["build"]["arguments"]["PIP_TOKEN"] = VALUE
    line = stack.mistake()
    assert line.startswith("slipway:services.web.build.arguments: ")
    assert "PIP_TOKEN" in line
    assert "build.secrets" in line


CREDENTIALS = [
    f"https://ci:{VALUE}@git.example/driftwood/web",
    f"HTTPS://ci:{VALUE}@git.example/driftwood/web",
    f"https://{VALUE}@git.example/driftwood/web",
    f"git+https://{VALUE}@git.example/driftwood/web",
    f"https://git.example/web?token={VALUE}",
    f"https://git.example/web?page=2&private_token={VALUE}",
    f"https://git.example/web#access_token={VALUE}",
    "https://git.example/" + "ghp_" + "a1B2" * 9,
]


@pytest.mark.parametrize("url", CREDENTIALS)
def test_a_credential_in_the_source_of_a_build_is_refused_before_it_becomes_a_label(stack: Stack, url: str) -> None:
    stack.web["build"]["source"] = url
    assert stack.mistake() == (
        "slipway:services.web.build.source: a credential is in this URL, which stays in the image: "
        "write the URL without it"
    )


@pytest.mark.parametrize("url", [*CREDENTIALS, f"/tides?token={VALUE}", f"/?api_key={VALUE}"])
def test_a_credential_in_the_url_of_a_check_is_refused(stack: Stack, url: str) -> None:
    stack.settings["prove"] = {"checks": [{"name": "page", "url": url}]}
    line = stack.mistake()
    assert line.startswith("slipway:prove.checks.0.url: a credential is in this URL, which stays in the state: write ")


@pytest.mark.parametrize("url", CREDENTIALS)
@pytest.mark.parametrize(
    "form", [["CMD", "curl", "{}"], ["CMD-SHELL", "curl -f '{}'"], ["CMD", "sh", "-c", 'curl "$0"', "{}"]]
)
def test_a_credential_in_a_health_check_is_refused(stack: Stack, form: list[str], url: str) -> None:
    stack.web["run"]["health"]["test"] = [part.replace("{}", url) for part in form]
    line = stack.mistake()
    assert line.startswith(
        "slipway:services.web.run.health.test: a credential is in this command, and `docker inspect`"
    )
    assert "$(cat /run/secrets/NAME)" in line


@pytest.mark.parametrize(
    "url",
    [
        "https://git.example/driftwood/web",
        "ssh://git@git.example/driftwood/web",
        "git@git.example:driftwood/web.git",
        "https://git.example/web?page=2&author=ada",
        "https://git.example/@driftwood/web",
    ],
)
def test_an_address_without_a_credential_is_accepted(stack: Stack, url: str) -> None:
    stack.web["build"]["source"] = url
    stack.settings["prove"] = {"checks": [{"name": "page", "url": "/tides?page=2&of=salt-mill"}]}
    stack.web["run"]["health"]["test"] = ["CMD", "curl", url]
    assert stack.load()


@pytest.mark.parametrize(
    "line",
    [
        'curl "http://localhost/health?token=$(cat /run/secrets/probe)"',
        'curl "http://probe:$(cat /run/secrets/probe)@localhost"',
        "curl http://probe:${PROBE}@localhost",
        "curl http://localhost/?token=$PROBE",
        "curl http://localhost/?token=`cat /run/secrets/probe`",
    ],
)
def test_a_health_check_may_have_its_shell_read_a_secret(stack: Stack, line: str) -> None:
    stack.web["run"]["health"]["test"] = ["CMD-SHELL", line]
    assert stack.load()
    stack.web["run"]["health"]["test"] = ["CMD", "sh", "-c", line]
    assert stack.load()


def test_an_error_that_nobody_catches_repeats_no_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Build.model_validate({"context": "app", "source": CREDENTIALS[0]})
    assert VALUE not in str(caught.value)
    with pytest.raises(ValidationError) as caught:
        SecretSource.model_validate({"value": VALUE})
    assert VALUE not in str(caught.value)


def test_a_pulumi_secret_is_left_out_of_the_configuration() -> None:
    set_all_config({"slipway:channel": "dev", "slipway:db_password": VALUE}, ["slipway:db_password"])
    assert configuration() == {"slipway:channel": "dev"}


def hidden(key: str, value: object) -> list[str]:
    """The lines about a setting that Pulumi hands over as one secret, as after `config set --secret --path`."""
    set_all_config({f"slipway:{key}": json.dumps(value)}, [f"slipway:{key}"])
    with pytest.raises(SettingsError) as caught:
        configuration()
    set_all_config({}, [])
    assert VALUE not in str(caught.value)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


def test_a_secret_that_was_set_in_the_middle_of_a_setting_is_told_where_to_go() -> None:
    assert hidden("registry", {"address": "localhost:5443", "username": "robot", "password": VALUE}) == [
        "slipway:registry.password: the secret itself stands here, which makes one of all of slipway:registry: "
        "run `pulumi config set --secret registry_password`, and write { config: registry_password } here"
    ]


def test_every_secret_in_the_middle_of_a_setting_is_told() -> None:
    secrets = {"db_password": VALUE, "other": {"config": "other"}}
    services = {"web": {"run": {"name": "web", "secrets": secrets}, "build": {"secrets": {"pip_token": VALUE}}}}
    first, second = hidden("services", services)
    assert first.startswith("slipway:services.web.build.secrets.pip_token: ")
    assert "`pulumi config set --secret pip_token`" in first
    assert second.startswith("slipway:services.web.run.secrets.db_password: ")
    [line] = hidden("promote", {"registries": [{"address": "localhost:5443", "password": VALUE}]})
    assert line.startswith("slipway:promote.registries.0.password: ")
    assert "{ config: promote_registries_0_password }" in line


@pytest.mark.parametrize(("key", "value"), [("channel", VALUE), ("sign", {"key": VALUE}), ("registry", [VALUE])])
def test_a_setting_that_is_a_secret_for_another_reason_is_told_to_be_none(key: str, value: object) -> None:
    [line] = hidden(key, value)
    assert line.startswith(f"slipway:{key}: it was set with --secret, and no setting is a secret: set it without; ")


def test_a_secret_in_plain_text_is_told_beside_mistakes_of_form(stack: Stack) -> None:
    Engine().run(lambda: None)
    set_all_config({"slipway:plain": VALUE}, [])
    stack.settings["plain"] = VALUE
    stack.web["run"]["secrets"]["db_password"] = {"config": "plain"}
    stack.web["run"]["memory"] = "plenty"
    memory, secret = stack.mistakes()
    assert memory.startswith("slipway:services.web.run.memory: ")
    assert secret.startswith("slipway:services.web.run.secrets.db_password: ")
    assert "in plain text" in secret
    assert VALUE not in memory + secret


def test_a_secret_that_pulumi_does_not_know_is_told_with_the_command_that_sets_it(stack: Stack) -> None:
    Engine().run(lambda: None)  # pulumi.Config asks for the name of the project
    set_all_config({"slipway:plain": VALUE}, [])
    for key, told in (("absent", "is not set"), ("plain", "in plain text")):
        stack.web["run"]["secrets"]["db_password"] = {"config": key}
        line = stack.mistake()
        assert line.startswith("slipway:services.web.run.secrets.db_password: ")
        assert told in line
        assert f"pulumi config set --secret {key}" in line
        assert VALUE not in line
