"""The Docker configuration of one step: what it holds, and whose credentials are asked."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.docker_login import has_login
from steps.credentials import registry_credentials
from tests.running import ROOT


@pytest.fixture
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own Docker configuration, with a credential store, a helper and a login in plain text."""
    configuration = {
        "auths": {"plain.example": {"auth": "dTpw"}, "other.example": {"auth": "bzpw"}},
        "credHelpers": {"cloud.example": "ecr-login"},
        "credsStore": "secretservice",
    }
    (tmp_path / "config.json").write_text(json.dumps(configuration))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def written(logins: dict[str, tuple[str, str]], registries: list[str]) -> dict[str, Any]:
    """The configuration that a step's tools would read."""
    with registry_credentials(logins, registries) as folder:
        content: dict[str, Any] = json.loads((folder / "config.json").read_text())
        return content


def test_a_login_of_the_stack_is_the_only_credential_in_the_folder(own_configuration: Path) -> None:
    content = written({"registry.example": ("robot", "hunter2")}, ["registry.example"])
    assert content == {"auths": {"registry.example": {"auth": "cm9ib3Q6aHVudGVyMg=="}}, "credHelpers": {}}


def test_a_registry_without_a_login_is_asked_of_the_users_credential_store(own_configuration: Path) -> None:
    assert written({}, ["registry.example"])["credHelpers"] == {"registry.example": "secretservice"}


def test_a_helper_of_one_registry_goes_before_the_store_of_all(own_configuration: Path) -> None:
    assert written({}, ["cloud.example"])["credHelpers"] == {"cloud.example": "ecr-login"}


def test_a_login_in_the_users_file_is_taken_for_that_registry_alone(own_configuration: Path) -> None:
    assert written({}, ["plain.example"])["auths"] == {"plain.example": {"auth": "dTpw"}}


@pytest.mark.parametrize(
    ("registry", "known"),
    [
        ("plain.example", True),
        ("plain.example:443", True),
        ("cloud.example", True),
        ("unknown.example", False),
        ("plain.example:5000", False),
    ],
)
def test_hosts_pull_with_the_users_login_where_there_is_one(
    own_configuration: Path, registry: str, known: bool
) -> None:
    assert has_login(registry) is known


def test_a_login_in_a_credential_store_leaves_its_entry_empty(own_configuration: Path) -> None:
    (own_configuration / "config.json").write_text('{"auths": {"store.example": {}}, "credsStore": "desktop"}')
    assert has_login("store.example")
    assert not has_login("other.example")


HUB = "https://index.docker.io/v1/"


def test_docker_hub_is_asked_of_the_store_by_the_name_that_clients_use(own_configuration: Path) -> None:
    helpers = written({}, ["docker.io"])["credHelpers"]
    assert helpers == {"docker.io": "secretservice", HUB: "secretservice"}


def test_a_stacks_own_login_of_docker_hub_is_found_by_clients() -> None:
    auth = {"auth": "cm9ib3Q6aHVudGVyMg=="}
    assert written({"docker.io": ("robot", "hunter2")}, ["docker.io"])["auths"] == {"docker.io": auth, HUB: auth}


@pytest.mark.parametrize("table", ["auths", "credHelpers"])
@pytest.mark.parametrize(
    ("key", "registry", "expected"),
    [
        (HUB, "docker.io", {"docker.io", HUB}),
        ("index.docker.io", "docker.io", {"docker.io", HUB}),
        ("https://registry.example", "registry.example", {"registry.example"}),
        ("https://registry.example/v1/", "registry.example", {"registry.example"}),
        ("Registry.example:443", "registry.example", {"registry.example"}),
        ("http://registry.example:5000/v2/", "registry.example:5000", {"registry.example:5000"}),
        ("registry.example:5000", "registry.example", set()),
        ("https://registry.example.evil/", "registry.example", set()),
    ],
)
def test_an_entry_is_found_however_its_registry_is_spelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, key: str, registry: str, expected: set[str]
) -> None:
    entry: Any = {"auth": "dTpw"} if table == "auths" else "ecr-login"
    (tmp_path / "config.json").write_text(json.dumps({table: {key: entry}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert written({}, [registry])[table] == dict.fromkeys(expected, entry)


def test_without_a_docker_configuration_there_are_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "missing"))
    assert written({}, ["registry.example"]) == {"auths": {}, "credHelpers": {}}


def test_nobody_else_can_read_the_folder_and_nothing_is_left_of_it() -> None:
    with registry_credentials({"registry.example": ("robot", "hunter2")}) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert (folder / "config.json").stat().st_mode & 0o077 == 0
    assert not folder.exists()


def test_a_cancelled_step_leaves_no_credentials_behind(tmp_path: Path) -> None:
    program = """
import time
from steps.credentials import registry_credentials
from tests.running import ROOT
from steps.tool import run_step

def step():
    with registry_credentials({"registry.example": ("robot", "hunter2")}) as folder:
        print(folder, flush=True)
        time.sleep(60)

run_step(step)
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        folder = Path(running.stdout.readline().strip())
        assert (folder / "config.json").exists()
        running.send_signal(signal.SIGTERM)
        assert running.wait(timeout=20) == 1
    assert not folder.exists()


@pytest.mark.parametrize("content", ["[]", '{"auths": null, "credHelpers": []}', "no json"])
def test_a_docker_configuration_of_another_shape_holds_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "config.json").write_text(content)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert written({}, ["registry.example"]) == {"auths": {}, "credHelpers": {}}
