"""A project with its stacks and registries in memory, for the verbs of the command line that operate releases."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.notary import PASSWORD, Notary, a_notary
from tests.pulumi_cli import FakePulumi, FakeStack, fake_pulumi

__all__ = ["a_notary", "fake_pulumi"]
STAGED = "localhost:5443/driftwood/web"
CANDIDATES = "localhost:5380/driftwood/web"
SHIPPED = "localhost:5444/driftwood/web"
LONG_AGO = datetime.now(UTC) - timedelta(days=90)


class Project:
    """Staging builds 1.4.0 and runs it, production may take it; the files that their settings name."""

    def __init__(self, folder: Path, pulumi: FakePulumi, notary: Notary, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.pulumi, self.notary, self.monkeypatch = folder, pulumi, notary, monkeypatch
        self.shelf = notary.shelf
        for name in ("staging", "production", "ada", "eve"):
            notary.keys(folder, name)
        for name in ("staging.password", "registry.password"):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(f"{PASSWORD}\n")
        (folder / "ca.crt").write_text("x")
        monkeypatch.chdir(folder)
        monkeypatch.setattr(
            "steps.choose.Registries.oras", lambda _, verb, _repo, *rest: self.shelf.run(["oras", *verb, *rest])
        )
        self.index = self.shelf.image(STAGED, "web", "1.4.0")
        notary.complete(STAGED, self.index, "staging.pub")
        self.staging, self.production = pulumi.stack("staging"), pulumi.stack("production")
        self.settle()
        self.containers: dict[str, dict[str, Any]] = {}
        for module in ("running", "prove"):
            monkeypatch.setattr(f"steps.{module}.inspect", self.inspect)

    def settle(self) -> None:
        """Give both stacks their settings and staging its release."""
        registry = {"username": "slipway", "password": {"file": "registry.password"}, "certificate_authority": "ca.crt"}
        service = {"repository": "driftwood/web", "version": "1.4.0", "run": {"name": "driftwood-web"}}
        build = {"build": {"context": "app", "base_images": "bases.json"}}
        (self.folder / "bases.json").write_text(
            json.dumps({"python:3": f"localhost:5380/base/python@sha256:{'b' * 64}"})
        )
        key = {"key": "staging.key", "public_key": "staging.pub", "password": {"file": "staging.password"}}
        self.set(
            self.staging,
            quarantine={"address": "localhost:5380"},
            registry={"address": "localhost:5443", **registry},
            sign=key,
            scan={"database": "localhost:5380/trivy-db:2"},
            prove={},
            services={"web": service | build},
        )
        approval = {"approvers": {"ada": "ada.pub"}}
        promote = {"from": ["staging"], "public_key": "staging.pub", "approval": approval}
        self.set(
            self.production,
            registry={"address": "localhost:5444", **registry},
            sign=key | {"key": "production.key", "public_key": "production.pub"},
            promote=promote | {"registries": [{"address": "localhost:5443", **registry}]},
            services={"web": {key: value for key, value in service.items() if key != "version"}},
        )
        self.run_in(self.staging, f"{STAGED}@{self.index}", "staging")

    @staticmethod
    def set(stack: FakeStack, **settings: Any) -> None:
        """Write a stack's settings."""
        stack.config = {f"slipway:{key}": value for key, value in settings.items()}

    def run_in(self, stack: FakeStack, reference: str, name: str, version: str = "1.4.0") -> None:
        """Let a stack run a release."""
        stack.updated(5, version)
        stack.release("a", version, since=5.05)
        record = {
            "schema_version": 2,
            "project": "slipway",
            "stack": name,
            "digest": reference.partition("@")[2],
            "reference": reference,
            "tag": version,
            "version": version,
            "revision": "f" * 40,
            "platforms": ["linux/amd64"],
            "scan": {},
            "signature": {"public_key": "staging.pub", "repository": STAGED, "version": version},
        }
        stack.outputs["web"]["release"] = record
        stack.resources[0]["outputs"] = {"name": reference}

    def runs(self, **changes: Any) -> dict[str, Any]:
        """Let the engine run what staging says, with some of it changed."""
        container: dict[str, Any] = {
            "Id": "c" * 64,
            "Image": "sha256:1",
            "Config": {
                "Image": f"{STAGED}@{self.index}",
                "Labels": {"io.slipway.stack": "organization/slipway/staging"},
            },
            "State": {"Running": True, "Status": "running", "Health": {"Status": "healthy"}},
        }
        self.containers = {"c" * 64: container | changes, f"{STAGED}@{self.index}": {"Id": "sha256:1"}}
        return self.containers["c" * 64]

    def inspect(self, _host: str, _kind: str, names: list[str]) -> list[dict[str, Any]]:
        """Be the Docker Engine."""
        return [self.containers[name] for name in names if name in self.containers]

    def cli(self, verb: Callable[..., None], *arguments: str, input: str | None = None) -> Result:
        """Run a verb."""
        application = typer.Typer()
        application.command()(verb)
        return CliRunner().invoke(application, list(arguments), input=input)

    def deleted(self) -> list[list[str]]:
        """What somebody asked the registries to delete."""
        return self.shelf.ran("manifest", "delete")


@pytest.fixture(name="project")
def a_project(tmp_path: Path, pulumi_cli: FakePulumi, notary: Notary, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of two stacks."""
    monkeypatch.setenv("COLUMNS", "200")
    return Project(tmp_path, pulumi_cli, notary, monkeypatch)


def good(result: Result) -> str:
    """What a run printed that went well."""
    assert result.exit_code == 0, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.stdout


def bad(result: Result, code: int) -> str:
    """What a run told that did not."""
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stderr
