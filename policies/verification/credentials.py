"""Who a registry is asked as: what the pack's configuration says, else what the Docker credential store holds.

Sources: docker/cli, `cli/config` (config.json: `credHelpers`, `credsStore`, `auths`, in this order) and
docker/docker-credential-helpers (the protocol of the helper programs).
"""

import base64
import binascii
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verification.references import DOCKER_HUB, registry_identity

_TOKEN_USER = "<token>"
_HUB_KEY = "https://index.docker.io/v1/"
_LONGEST_ANSWER = 10.0
"""Seconds that a helper program may take; some unlock a key chain."""


class CredentialsError(Exception):
    """The credential store cannot be read; the message says what to repair and holds no secret."""


@dataclass(frozen=True)
class Credentials:
    """A user's name with a password, or an identity token that a token service takes."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def stored_credentials(registry: str) -> Credentials | None:
    """What the Docker credential store holds for a registry; None where it holds nothing.

    Args:
        registry: HOST[:PORT]; Docker Hub is `docker.io`.

    Raises:
        CredentialsError: the store's file is damaged, or its helper program does not work.
    """
    path = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker", "config.json")
    store = _read(path)
    helpers = store.get("credHelpers")
    helper = _of_registry(helpers, registry) if isinstance(helpers, Mapping) else None
    helper = helper or store.get("credsStore")
    if isinstance(helper, str) and helper:
        return _ask_helper(helper, registry)
    auths = store.get("auths")
    entry = _of_registry(auths, registry) if isinstance(auths, Mapping) else None
    return _decode(entry, path) if isinstance(entry, Mapping) else None


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise CredentialsError(
            f"{path} cannot be read ({type(error).__name__}): repair it with `docker login`"
        ) from None
    return content if isinstance(content, Mapping) else {}


def _of_registry(entries: Mapping[str, Any], registry: str) -> Any:
    """The entry of a registry, whose key may be spelled as an address with a scheme and a path."""
    if registry in entries:
        return entries[registry]
    wanted = registry_identity(registry)
    for key, entry in entries.items():
        address = key.removeprefix("https://").removeprefix("http://").partition("/")[0]
        if registry_identity(address) == wanted:
            return entry
    return None


def _decode(entry: Mapping[str, Any], path: Path) -> Credentials | None:
    token = entry.get("identitytoken")
    if isinstance(token, str) and token:
        return Credentials(identity_token=token)
    encoded = entry.get("auth")
    if not isinstance(encoded, str) or not encoded:
        username, password = entry.get("username"), entry.get("password")
        return Credentials(str(username), str(password)) if username and password else None
    try:
        username, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise CredentialsError(f"{path} holds a damaged login: log in again with `docker login`") from None
    return Credentials(username, password.strip("\0"))


def _ask_helper(helper: str, registry: str) -> Credentials | None:
    program = f"docker-credential-{helper}"
    if "/" in helper or os.sep in helper:
        raise CredentialsError(f"{program} is no name of a credential helper: write it without a folder")
    server = _HUB_KEY if registry == DOCKER_HUB else registry
    try:
        ended = subprocess.run(
            [program, "get"], input=server, capture_output=True, text=True, timeout=_LONGEST_ANSWER, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CredentialsError(
            f"{program} cannot be asked for {server} ({type(error).__name__}): install or unlock it"
        ) from None
    if ended.returncode:
        # The protocol has no code for "nothing stored": every helper says it in these words. Its output may hold a
        # secret, so no other words of it are handed on.
        if "credentials not found" in ended.stdout.lower():
            return None
        raise CredentialsError(f"{program} failed for {server} (exit code {ended.returncode}): unlock or repair it")
    try:
        answer = json.loads(ended.stdout)
        username, secret = str(answer["Username"]), str(answer["Secret"])
    except (ValueError, KeyError, TypeError):
        raise CredentialsError(f"{program} gave no login for {server} in the helpers' format: repair it") from None
    if username == _TOKEN_USER:
        return Credentials(identity_token=secret)
    return Credentials(username, secret)
