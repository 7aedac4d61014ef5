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
    own = _own_configuration() if others else {}
    auths: dict[str, Any] = {at: _table(own, "auths")[at] for at in others if at in _table(own, "auths")}
    auths |= {at: _login(*login) for at, login in logins.items()}
    helpers = {at: _table(own, "credHelpers").get(at) or own.get("credsStore") for at in others}
    return {"auths": auths, "credHelpers": {at: helper for at, helper in helpers.items() if helper}}


def _own_configuration() -> dict[str, Any]:
    folder = os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()
    try:
        found = json.loads(Path(folder, "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _table(configuration: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = configuration.get(key)
    return found if isinstance(found, dict) else {}


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
