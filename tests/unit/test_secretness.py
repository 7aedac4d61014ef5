"""Secrets on their way through a whole stack: Pulumi secrets wherever they reach a resource, and nowhere else."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pulumi
import pytest

from commands.previews.drafts import Access
from commands.previews.registry import registries
from components.secret import SecretSource
from tests.programs import PASSWORDS, SECRETS, a_container, both, release_args
from tests.recording import COMMAND, Engine, Registration

BYTES = sorted(PASSWORDS.values())


@pytest.fixture(name="engine", scope="module")
def a_whole_stack() -> Engine:
    """The engine after a release, published as such, and its container."""
    return Engine().good(both, secrets=SECRETS)


def holders(resource: Registration, value: str) -> set[str]:
    """The inputs of a resource in which these bytes stand."""
    return {key for key, given in resource.inputs.items() if value in json.dumps(given)}


@pytest.mark.parametrize("value", BYTES)
def test_every_secret_reaches_a_resource_and_is_a_pulumi_secret_there(engine: Engine, value: str) -> None:
    reached = {resource.name: holders(resource, value) for resource in engine.resources if holders(resource, value)}
    assert reached
    for resource in engine.resources:
        assert holders(resource, value) <= resource.secrets, resource.name


@pytest.mark.parametrize("value", BYTES)
def test_a_command_gets_a_secret_through_standard_input_alone(engine: Engine, value: str) -> None:
    for resource in engine.of(COMMAND):
        assert holders(resource, value) <= {"stdin"}, resource.name


@pytest.mark.parametrize("value", BYTES)
def test_no_component_shows_a_secret_among_its_properties_or_outputs(engine: Engine, value: str) -> None:
    for resource in engine.resources:
        if resource.type.startswith("slipway:"):
            assert value not in json.dumps(resource.inputs)
    assert value not in json.dumps(list(engine.outputs.values()), default=str)


def test_no_command_is_a_secret_as_a_whole_so_that_a_preview_shows_what_changes(engine: Engine) -> None:
    for resource in engine.of(COMMAND):
        assert resource.secrets <= {"stdin"}, resource.name


def test_a_components_properties_name_the_secrets_that_it_uses(engine: Engine) -> None:
    release = engine.one("slipway:index:Release")
    assert release.inputs["key"]["password"] == {"config": "cosign"}
    assert release.inputs["image"]["secrets"] == {"pip_token": {"config": "token"}}


def test_what_a_command_prints_is_bounded_to_standard_error_in_the_log(engine: Engine) -> None:
    assert {resource.inputs["logging"] for resource in engine.of(COMMAND)} == {"stderr"}


def test_a_secret_of_a_file_is_a_pulumi_secret_too(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("bytes of a file\n")
    path.chmod(0o600)
    engine = Engine().good(a_container(secrets={"db_password": {"file": str(path)}}), secrets=SECRETS)
    written = engine.step("secret_file")
    assert written.inputs["stdin"] == "bytes of a file"
    assert written.secrets == {"stdin"}
    assert "bytes of a file" not in json.dumps([it.inputs for it in engine.resources if it is not written])


@pytest.mark.parametrize(
    ("content", "value"), [("a", "a"), ("a\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("a\nb\n", "a\nb"), ("", "")]
)
def test_one_newline_at_the_end_of_a_file_is_dropped_and_nothing_else(tmp_path: Path, content: str, value: str) -> None:
    path = tmp_path / "secret"
    path.write_text(content)
    path.chmod(0o600)
    engine = Engine().good(a_container(secrets={"db_password": {"file": str(path)}}), secrets=SECRETS)
    assert engine.step("secret_file").inputs["stdin"] == value


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00binary"])
def test_a_secret_that_cannot_be_read_ends_in_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret"
    if content:
        path.write_bytes(content)
    engine = Engine().run(a_container(secrets={"db_password": {"file": str(path)}}), secrets=SECRETS)
    [error] = engine.errors
    assert isinstance(error, pulumi.RunError)
    assert str(path) in str(error)
    assert "binary" not in str(error)


@pytest.mark.parametrize(("mode", "password"), [(0o600, "hunter2"), (0o400, "hunter2"), (0o640, ""), (0o604, "")])
def test_a_preview_logs_in_with_a_password_file_of_its_owner_alone(tmp_path: Path, mode: int, password: str) -> None:
    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(mode)
    access = Access("registry.example", "robot", {"file": str(path)})
    with registries([access], lambda _: "") as known:
        kept = json.loads(Path(known.environment["DOCKER_CONFIG"], "config.json").read_text())
    login = base64.b64encode(f"robot:{password}".encode()).decode()
    assert kept["auths"] == ({"registry.example": {"auth": login}} if password else {})


def test_a_pulumi_secret_that_is_not_set_ends_in_a_sentence() -> None:
    engine = Engine().run(a_container(), secrets={})
    assert engine.errors
    assert isinstance(engine.errors[0], pulumi.RunError)
    assert "slipway:" in str(engine.errors[0])


def test_arguments_print_without_the_value_of_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("bytes of a file")
    path.chmod(0o600)
    source = SecretSource(file=str(path))
    assert "bytes of a file" not in repr(source) + str(source.model_dump())
    assert not [value for value in BYTES if value in repr(release_args())]
