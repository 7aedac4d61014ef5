"""The user's own Docker configuration: the logins of `docker login`, of a credential store or of a helper.

Source: docs.docker.com, `docker login`, "Credential stores"; docker/cli, `cli/config/configfile`.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.artifact import registry_identity

HUB_KEY = "https://index.docker.io/v1/"
"""What clients call Docker Hub in a configuration and towards a helper."""


def has_login(registry: str) -> bool:
    """Whether the user's own configuration has a login for this registry, or a helper that is asked for it."""
    own = own_configuration()
    return any(of_registry(table(own, key), registry) is not None for key in ("auths", "credHelpers"))


def own_configuration() -> dict[str, Any]:
    """What the user's `config.json` holds; nothing where there is none that can be read."""
    folder = os.environ.get("DOCKER_CONFIG") or Path("~/.docker").expanduser()
    try:
        found = json.loads(Path(folder, "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def table(configuration: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """One of the configuration's tables by registry; empty where it has none."""
    found = configuration.get(key)
    return found if isinstance(found, dict) else {}


def of_registry(entries: Mapping[str, Any], registry: str) -> Any:
    """The entry of a registry, whose key may be spelled as an address with a scheme and a path; None without one."""
    if registry in entries:
        return entries[registry]
    return next((entry for key, entry in entries.items() if identity(key) == identity(registry)), None)


def identity(address: str) -> tuple[str, str]:
    """Host and port by which spellings of one registry compare equal, with a scheme and a path or without."""
    return registry_identity(address.removeprefix("https://").removeprefix("http://").partition("/")[0])
