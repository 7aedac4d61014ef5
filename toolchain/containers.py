"""Whether the containers in a stack's state run: `pulumi up` looks at the state alone, and takes them to do so."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

from toolchain.errors import ToolchainError
from toolchain.services.probe import ask_engine

CONTAINER = "docker:index/container:Container"
ANEW = "`make up ARGS=--refresh` looks at what is really there, and brings it back"


def refuse_standstill(state: Mapping[str, Any]) -> None:
    """Refuses a state with a container that does not run; one question for each engine, which takes milliseconds.

    Args:
        state: the latest deployment of a stack.

    Raises:
        ToolchainError: with each such container and what starts it, or the engine that does not tell.
    """
    problems = []
    for host, wanted in _containers(state).items():
        if not host.startswith("unix://"):
            continue  # another tool's: Slipway's own settings take nothing else
        known = {item["Id"]: item for item in _asked(host, wanted)}
        problems += [said for identity, name in wanted.items() if (said := _problem(name, known.get(identity)))]
    if problems:
        raise ToolchainError("\n".join(problems))


def _containers(state: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """Returns the name of each container by its id, by the engine that it is on."""
    resources = [it for it in state.get("resources") or [] if not it.get("delete")]
    hosts = {f"{it['urn']}::{it.get('id')}": (it.get("inputs") or {}).get("host") for it in resources}
    found: dict[str, dict[str, str]] = {}
    for it in resources:
        if it["type"] == CONTAINER and it.get("id"):
            host = str(hosts.get(it.get("provider")) or "")
            found.setdefault(host, {})[it["id"]] = str((it.get("inputs") or {}).get("name") or it["id"][:12])
    return found


def _problem(name: str, item: Mapping[str, Any] | None) -> str | None:
    if item is None:
        return f"container {name} is in the stack's state, and gone from the engine: {ANEW}"
    if item["State"] == "running":
        return None
    if item["State"] == "restarting":
        return f"container {name} ends and is started again, over and over ({item['Status']}): see `docker logs {name}`"
    verb = "unpause" if item["State"] == "paused" else "start"
    return f"container {name} does not run ({item['Status']}): `docker {verb} {name}` makes it go on; {ANEW}"


def _asked(host: str, identities: Iterable[str]) -> list[dict[str, Any]]:
    """Returns those of these containers that the engine knows, running or not."""
    filters = urllib.parse.quote(json.dumps({"id": list(identities)}))
    items: list[dict[str, Any]] = ask_engine(
        host.removeprefix("unix://"), f"/containers/json?all=true&filters={filters}"
    )
    return items
