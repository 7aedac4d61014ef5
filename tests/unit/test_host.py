"""Host: the provider of one Docker Engine, and with whose login it pulls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.host import Host, HostArgs
from tests.programs import SECRETS, host_args
from tests.recording import Engine, Registration

REGISTRY = "registry.driftwood.example"


def provider_of(args: HostArgs) -> Registration:
    """The docker provider of a host."""
    return Engine().good(lambda: Host("host", args), secrets=SECRETS).one("pulumi:providers:docker")


def logins(provider: Registration) -> Any:
    """The logins that it was given; a provider takes what is no text as JSON."""
    given = provider.inputs.get("registryAuth")
    return json.loads(given) if isinstance(given, str) else given


@pytest.fixture(autouse=True)
def _nobody_is_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))


def test_it_pulls_with_the_login_of_the_settings() -> None:
    provider = provider_of(host_args())
    [login] = logins(provider)
    assert login["address"] == "localhost:5443"
    assert login["username"] == "puller"
    assert "registryAuth" in provider.secrets


def test_without_one_it_pulls_with_that_of_docker_login(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": {REGISTRY: {"auth": "cm9ib3Q6aHVudGVyMg=="}}}))
    provider = provider_of(HostArgs(registry=REGISTRY))
    assert logins(provider) == [{"address": REGISTRY}], "the provider looks it up itself: it is in no state"


def test_where_nobody_has_logged_in_it_asks_for_no_login() -> None:
    assert not logins(provider_of(HostArgs(registry=REGISTRY)))
