"""Registry credentials for one step: a Docker configuration folder of its own that is gone when the step ends.

A password never stands in an argument or a variable. Where a stack names none for a registry, the user's own Docker
configuration is asked, through its credential store or helper (docs.docker.com, `docker login`, "Credential stores").
"""

import argparse
import base64
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.artifact import DOCKER_HUB
from components.docker_login import HUB_KEY, identity, of_registry, own_configuration, table

Logins = Mapping[str, tuple[str, str]]
"""User name and password by registry address."""


@contextmanager
def registry_credentials(logins: Logins, registries: Sequence[str] = ()) -> Iterator[Path]:
    """A folder with a `config.json` for these registries and no others, for as long as the step needs it.

    Args:
        logins: user name and password by registry.
        registries: every registry that the step speaks to; one without a login is looked up in the user's own.

    Yields:
        The folder, mode 0700, in memory where the system has /dev/shm.
    """
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="slipway-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        configuration = Path(folder, "config.json")
        configuration.touch(mode=0o600)
        configuration.write_text(json.dumps(_configuration(logins, [at for at in registries if at not in logins])))
        yield Path(folder)


def _configuration(logins: Logins, others: Sequence[str]) -> dict[str, dict[str, Any]]:
    own = own_configuration() if others else {}
    found = {at: (of_registry(table(own, "auths"), at), _helper(own, at)) for at in others}
    auths: dict[str, Any] = {key: auth for at, (auth, _) in found.items() if auth for key in _keys(at)}
    auths |= {key: _login(*login) for at, login in logins.items() for key in _keys(at)}
    helpers = {key: helper for at, (_, helper) in found.items() if helper for key in _keys(at)}
    return {"auths": auths, "credHelpers": helpers}


def _helper(own: Mapping[str, Any], registry: str) -> Any:
    return of_registry(table(own, "credHelpers"), registry) or own.get("credsStore")


def _keys(registry: str) -> list[str]:
    """What clients look a registry up as."""
    return [registry, HUB_KEY] if identity(registry) == identity(DOCKER_HUB) else [registry]


def _login(username: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def add_registry_flags(parser: argparse.ArgumentParser) -> None:
    """How to reach registries, each by its address; the passwords come on standard input, by address too."""
    parser.add_argument("--login", action="append", default=[], type=_pair, metavar="REGISTRY=USERNAME")
    parser.add_argument("--authority", action="append", default=[], type=_pair, metavar="REGISTRY=PEM")


def registry_logins(request: argparse.Namespace, secrets: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """User name and password by registry, as the flags and standard input give them."""
    return {address: (username, secrets.get(address, "")) for address, username in request.login}


def _pair(text: str) -> tuple[str, str]:
    address, _, value = text.partition("=")
    return address, value
