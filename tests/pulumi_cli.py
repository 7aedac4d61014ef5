"""Stacks in memory, and what the pulumi command line would say about them: it records what it was asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from steps.tool import ToolError

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
PROJECT = "slipway"


def time(hours: float) -> str:
    """A time so many hours after the first, as Pulumi writes it."""
    return (START + timedelta(hours=hours)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reference(digit: str, repository: str = "localhost:5443/driftwood/web") -> str:
    """An artifact whose digest is made of one digit."""
    return f"{repository}@sha256:{digit * 64}"


@dataclass
class FakeStack:
    """One stack."""

    outputs: dict[str, Any] = field(default_factory=dict)
    resources: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    """The latest first, as Pulumi shows it."""
    broken: str = ""
    """What Pulumi says where it cannot read the stack."""

    def updated(self, hours: float, version: str | None = None, **more: Any) -> None:
        """Add an update to its history, which sets a version of `web`."""
        config = {"slipway:services": {"web": {"version": version}}} if version else dict(self.config)
        entry: dict[str, Any] = {
            "version": 0,
            "kind": "update",
            "startTime": time(hours),
            "endTime": time(hours + 0.1),
            "message": "deploy",
            "environment": {"git.head": f"{int(hours):040x}", "git.dirty": "false", "git.author": "Ada"},
            "config": {key: _entry(value) for key, value in config.items()} | {"slipway:pw": {"secret": True}},
            "result": "succeeded",
        }
        self.history.insert(0, entry | more)

    def release(self, digit: str, version: str, since: float, repository: str = "localhost:5443/driftwood/web") -> None:
        """Let it run a release of `web` in a container."""
        at = reference(digit, repository)
        record = {
            "schema_version": 1,
            "digest": at.partition("@")[2],
            "reference": at,
            "tag": version,
            "version": version,
        }
        self.outputs["web"] = {"release": record, "container": "c" * 64, "url": "http://127.0.0.1:8080"}
        self.resources = [
            {"type": "docker:index/remoteImage:RemoteImage", "custom": True, "outputs": {"name": at}}
            | {"created": time(since), "modified": time(since)}
        ]


def _entry(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"value": value, "secret": False}
    return {"value": json.dumps(value), "objectValue": value, "secret": False}


class FakePulumi:
    """The command line."""

    def __init__(self) -> None:
        self.stacks: dict[str, FakeStack] = {}
        self.calls: list[list[str]] = []
        self.backend = "file:///srv/pulumi"

    def stack(self, name: str) -> FakeStack:
        """Make a stack of the project, or of another one where the name says so."""
        full = name if "/" in name else f"organization/{PROJECT}/{name}"
        return self.stacks.setdefault(full, FakeStack())

    def run(self, command: Sequence[str | Path], **_: Any) -> str:
        """Be pulumi once."""
        arguments = [str(part) for part in command[1:]]
        self.calls.append(arguments)
        if arguments[:2] == ["whoami", "--json"]:
            return json.dumps({"user": "ada", "url": self.backend})
        if arguments[:2] == ["stack", "ls"]:
            known = [it for it in self.stacks if "--all" in arguments or it.split("/")[1] == PROJECT]
            return json.dumps([{"name": name} for name in sorted(known)])
        stack = self.stacks[arguments[arguments.index("--stack") + 1]]
        if stack.broken:
            raise ToolError("pulumi", stack.broken)
        return self._answer(stack, arguments)

    def _answer(self, stack: FakeStack, arguments: list[str]) -> str:
        if arguments[:2] == ["stack", "output"]:
            return json.dumps(stack.outputs)
        if arguments[:2] == ["stack", "export"]:
            return json.dumps({"version": 3, "deployment": {"resources": stack.resources}})
        if arguments[:2] == ["stack", "history"]:
            size, page = (int(arguments[arguments.index(flag) + 1]) for flag in ("--page-size", "--page"))
            return json.dumps(stack.history[(page - 1) * size : page * size])
        if arguments[:2] == ["config", "get"]:
            name = arguments[2] if ":" in arguments[2] else f"slipway:{arguments[2]}"  # the project's namespace
            return stack.secrets[name] + "\n"
        assert arguments[0] == "config", arguments
        plain = {key: _entry(value) for key, value in stack.config.items()}
        return json.dumps(plain | {key: {"secret": True} for key in stack.secrets})


@pytest.fixture(name="pulumi_cli")
def fake_pulumi(monkeypatch: pytest.MonkeyPatch) -> FakePulumi:
    """A command line that knows no stack yet, in the place of the real one."""
    fake = FakePulumi()
    monkeypatch.setattr("steps.stacks.run_tool", fake.run)
    return fake
