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


_HUB_KEY = "https://index.docker.io/v1/"
"""What clients call Docker Hub in a configuration and towards a helper (docker/cli, `cli/config/configfile`)."""
_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def _configuration(logins: Logins, others: Sequence[str]) -> dict[str, dict[str, Any]]:
    own = _own_configuration() if others else {}
    found = {at: (_of_registry(_table(own, "auths"), at), _helper(own, at)) for at in others}
    auths: dict[str, Any] = {key: auth for at, (auth, _) in found.items() if auth for key in _keys(at)}
    auths |= {key: _login(*login) for at, login in logins.items() for key in _keys(at)}
    helpers = {key: helper for at, (_, helper) in found.items() if helper for key in _keys(at)}
    return {"auths": auths, "credHelpers": helpers}


def _helper(own: Mapping[str, Any], registry: str) -> Any:
    return _of_registry(_table(own, "credHelpers"), registry) or own.get("credsStore")


def _keys(registry: str) -> list[str]:
    """What clients look a registry up as."""
    return [registry, _HUB_KEY] if _identity(registry) == "docker.io" else [registry]


def _of_registry(entries: Mapping[str, Any], registry: str) -> Any:
    """The entry of a registry, whose key may be spelled as an address with a scheme and a path."""
    if registry in entries:
        return entries[registry]
    return next((entry for key, entry in entries.items() if _identity(key) == _identity(registry)), None)


def _identity(address: str) -> str:
    """Host and port by which spellings of one registry compare equal."""
    host = address.removeprefix("https://").removeprefix("http://").partition("/")[0].lower().removesuffix(":443")
    return "docker.io" if host in _HUB_NAMES else host


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
