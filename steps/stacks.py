"""What Pulumi knows about stacks, read through its own command line: never through a backend's files.

Works with every backend alike, and needs no passphrase: secrets stay encrypted, or are left out.
Source: pulumi.com/docs/iac/cli, `pulumi stack ls`, `history`, `output`, `export`.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steps.proofs import moment
from steps.tool import StepError, ToolError, run_tool

_PAGE = 100
"""Updates that are read at a time."""
_CONTAINER = "docker:index/container:Container"


@dataclass(frozen=True)
class Stack:
    """A stack by its full name: organization, project and its own name."""

    organization: str
    project: str
    name: str

    def __str__(self) -> str:
        return f"{self.organization}/{self.project}/{self.name}"


@dataclass(frozen=True)
class Update:
    """One entry of a stack's history."""

    kind: str
    """`update`, `destroy`, `refresh`, …"""
    result: str
    """`succeeded`, `failed` or `in-progress`."""
    start: datetime
    end: datetime | None
    message: str
    commit: str
    """Commit of the project as it was deployed; empty where Pulumi saw none."""
    dirty: bool
    """Whether the tree had changes that were not committed."""
    author: str
    """Author of that commit."""
    config: Mapping[str, Any]
    """The stack's configuration at that time by full key, without secrets."""

    @property
    def deployed(self) -> bool:
        """Whether this update changed what runs, and came to its end."""
        return self.kind == "update" and self.result == "succeeded"


def stacks(everywhere: bool = False) -> list[Stack]:
    """The stacks of the project in this folder; with `everywhere`, of all projects in the backend."""
    found = _json("stack", "ls", "--fully-qualify-stack-names", "--json", *(["--all"] if everywhere else []))
    return [_stack(entry["name"]) for entry in found]


def backend() -> str:
    """Address of the backend that Pulumi is logged in to."""
    return str(_json("whoami", "--json").get("url") or "an unnamed backend")


def find_stack(name: str) -> Stack:
    """The stack of this project with this name.

    Raises:
        StepError: there is none; with those that there are.
    """
    known = stacks()
    for stack in known:
        if name in (stack.name, str(stack)):
            return stack
    names = ", ".join(stack.name for stack in known) or "none yet"
    raise StepError(f"there is no stack {name} in this project: write one of: {names}")


def _stack(text: str) -> Stack:
    parts = text.split("/")
    if len(parts) != 3:
        raise StepError(f"pulumi names a stack {text!r}, not ORGANIZATION/PROJECT/STACK: use Pulumi 3 or newer")
    return Stack(*parts)


def outputs(stack: Stack) -> dict[str, Any]:
    """The stack's outputs, without secrets."""
    return dict(_json("stack", "output", "--json", "--stack", str(stack)))


def exported(stack: Stack) -> dict[str, Any]:
    """The stack's state, its secrets encrypted."""
    return dict(_json("stack", "export", "--stack", str(stack)))


def containers(stack: Stack) -> set[str]:
    """The ids of the Docker containers in the stack's state.

    They alone tell its containers from those of another checkout's stack of the same name, whose labels are the same.
    """
    resources = (exported(stack).get("deployment") or {}).get("resources") or ()
    return {str(it["id"]) for it in resources if it["type"] == _CONTAINER and it.get("id")}


def configuration(stack: Stack) -> dict[str, Any]:
    """The stack's configuration in this checkout by full key, without secrets."""
    return _plain(_json("config", "--json", "--stack", str(stack)))


def secret(stack: Stack, key: str) -> str:
    """The value of a Pulumi secret, for the moment in which it is used.

    Args:
        stack: the stack.
        key: its key, as settings name it: without a namespace, which is that of the project, as in its program.
    """
    return _pulumi("config", "get", key, "--stack", str(stack)).removesuffix("\n")


def history(stack: Stack) -> list[Update]:
    """Every update of a stack, the latest first."""
    found: list[Update] = []
    while True:
        page = ["--page-size", str(_PAGE), "--page", str(len(found) // _PAGE + 1)]
        entries = _json("stack", "history", "--json", *page, "--stack", str(stack))
        found += [_update(entry) for entry in entries]
        if len(entries) < _PAGE:
            return found


def histories(of: list[Stack]) -> dict[Stack, list[Update]]:
    """The history of each of these stacks, read side by side."""
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(of, pool.map(history, of), strict=True))


def _update(entry: Mapping[str, Any]) -> Update:
    known: Mapping[str, str] = entry.get("environment") or {}
    return Update(
        kind=entry["kind"],
        result=entry.get("result") or "in-progress",
        start=moment(entry["startTime"]),
        end=moment(entry["endTime"]) if entry.get("endTime") else None,
        message=entry.get("message") or "",
        commit=known.get("git.head", ""),
        dirty=known.get("git.dirty") == "true",
        author=known.get("git.author", ""),
        config=_plain(entry.get("config") or {}),
    )


def _plain(config: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {key: it.get("objectValue", it.get("value")) for key, it in config.items() if not it.get("secret")}


def _json(*arguments: str) -> Any:
    printed = _pulumi(*arguments)
    try:
        return json.loads(printed or "null") or {}
    except ValueError:
        raise StepError(f"pulumi {' '.join(arguments[:2])} printed no JSON: {printed[:200]!r}") from None


def _pulumi(*arguments: str) -> str:
    try:
        return run_tool(["pulumi", *arguments, "--non-interactive", "--color", "never"])
    except ToolError as error:
        raise StepError(f"Pulumi cannot say what this needs (`pulumi {' '.join(arguments)}`):\n{error}") from None
