"""Somebody else's Pulumi program, of one resource and nothing of Slipway, judged by the policy pack."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.record import ReleaseRecord
from tests.e2e.conftest import Checkout, free_port
from tests.e2e.names import PREFIX
from tests.e2e.shipped import PLATFORMS
from tests.e2e.small import APP, container_of, containers, refused, resources, small_stack, write_context

STACK = "released"
REPOSITORY = f"{STACK}/web"
"""Where that stack's release is that the programs here run."""

NAME = f"{PREFIX}-bare"
PROJECT = "name: bare\nruntime: {name: python, options: {toolchain: pip, virtualenv: ../.venv}}\n"
PROGRAM = """\
import json
from pathlib import Path

import MODULE

RESOURCE("bare", **json.loads(Path("inputs.json").read_text()))
"""
CONTAINER = "pulumi_docker.Container"
_NAMED = re.compile(r"\[(mandatory|advisory|remediate)\]\s+(?:\[severity: \w+\]\s+)?([a-z-]+)")


def only(resource: str) -> str:
    """The program that declares one resource of a class, such as `pulumi_docker.Container`."""
    return PROGRAM.replace("MODULE", resource.partition(".")[0]).replace("RESOURCE", resource)


@dataclass
class Released:
    """A stack of two small services that the policy pack has let through."""

    checkout: Checkout
    record: ReleaseRecord
    """What programs here run."""
    other: ReleaseRecord
    """The release of the other service."""


def release(checkout: Checkout) -> Released:
    """Build, publish and run two small services for both platforms."""
    write_context(checkout, "tide", {"app.py": f"{APP}print('it has ended')\n"})
    small_stack(checkout, STACK, _two_services)
    checkout.write_policy(STACK)
    checkout.up(STACK, "--skip-preview")
    outputs = checkout.outputs(STACK)
    return Released(checkout, *(ReleaseRecord.model_validate(outputs[it]["release"]) for it in ("web", "tide")))


def _two_services(settings: dict[str, Any]) -> None:
    services = settings["services"]
    services["web"]["build"]["platforms"] = list(PLATFORMS)
    services["tide"] = second = json.loads(json.dumps(services["web"]))
    second["repository"] = f"{STACK}/tide"
    second["build"]["context"] = "small/tide"
    second["run"]["name"] = f"{container_of(STACK)}-tide"
    second["run"]["ports"][0]["host"] = free_port()


@dataclass
class Bare:
    """A Pulumi project whose program reads its inputs from a file, judged by the policy pack."""

    released: Released
    folder: Path

    @property
    def checkout(self) -> Checkout:
        """Where the pack and the tools are."""
        return self.released.checkout

    @property
    def configuration(self) -> Path:
        """What the pack is told for the stack of the release."""
        return self.checkout.root / "stacks" / f"policy.{STACK}.json"

    def inputs(self, **changes: Any) -> dict[str, Any]:
        """The inputs of a locked-down container of the release, with some changed; None leaves one out."""
        safe: dict[str, Any] = {
            "name": NAME,
            "image": self.released.record.reference,
            "read_only": True,
            "capabilities": {"drops": ["ALL"]},
            "security_opts": ["no-new-privileges:true"],
            "memory": 64,
            "memory_swap": 64,
            "cpus": "0.5",
            "ulimits": [{"name": "nproc", "soft": 64, "hard": 64}],
            "restart": "on-failure",
            "max_retry_count": 3,
            "log_driver": "json-file",
            "log_opts": {"max-size": "1m", "max-file": "2"},
            "network_mode": "none",
            "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=16m"},
        }
        return {key: value for key, value in {**safe, **changes}.items() if value is not None}

    def told(self, shared: Mapping[str, Any], levels: Mapping[str, str] | None = None) -> Path:
        """Write a configuration of the pack: the stack's, with settings that all rules share, and levels of rules."""
        document = json.loads(self.configuration.read_text())
        document["pack-is-configured"] |= shared
        document |= {rule: {"enforcementLevel": level} for rule, level in (levels or {}).items()}
        path = self.folder / "told.json"
        path.write_text(json.dumps(document))
        return path

    def run(
        self,
        verb: str,
        inputs: Mapping[str, Any],
        *flags: str,
        told: Path | None = None,
        program: str = only(CONTAINER),
    ) -> Any:
        """Run `pulumi up` or `pulumi preview` of a program on these inputs, under the pack."""
        (self.folder / "__main__.py").write_text(program)
        (self.folder / "inputs.json").write_text(json.dumps(inputs))
        judged = ["--policy-pack", "../policies", "--policy-pack-config", str(told or self.configuration)]
        command = ["pulumi", verb, "--stack", "bare", *judged, *flags]
        return self.checkout.run(*command, cwd=self.folder, check=False)

    def up(self, inputs: Mapping[str, Any], **options: Any) -> Any:
        """Run `pulumi up` without a question and without its preview."""
        return self.run("up", inputs, "--yes", "--skip-preview", **options)

    def stopped(self, inputs: Mapping[str, Any], *rules: str, **options: Any) -> str:
        """Make sure that `up` ends by these rules, all of them mandatory, and that nothing was made."""
        output = refused(self.up(inputs, **options))
        assert set(rules) <= named(output), output
        assert containers(self.checkout, NAME) == []
        assert "bare" not in self.made(), output
        return output

    @contextmanager
    def running(self, inputs: Mapping[str, Any], **options: Any) -> Iterator[str]:
        """Make sure that `up` is let through and the container is there, hand on its output, and take all down."""
        try:
            ended = self.up(inputs, **options)
            assert ended.returncode == 0, ended.stdout
            assert len(containers(self.checkout, NAME)) == 1
            yield ended.stdout
        finally:
            self.destroy()

    def made(self) -> set[str]:
        """Names of the resources in the stack's state, beside the stack itself and its components and providers."""
        return resources(self.checkout, "bare", self.folder.name)

    def destroy(self) -> None:
        """Take down what the program has made."""
        self.checkout.run("pulumi", "destroy", "--yes", "--skip-preview", "--stack", "bare", cwd=self.folder)


def named(output: str, level: str = "mandatory") -> set[str]:
    """The rules that a run without colours has named under `mandatory`, `advisory` or `remediate`."""
    return {rule for said, rule in _NAMED.findall(output) if said == level}


@contextmanager
def bare_project(released: Released, name: str) -> Iterator[Bare]:
    """The project with its stack in a folder of the checkout; taken down at the end.

    Args:
        released: the stack whose release it runs.
        name: the folder.
    """
    folder = released.checkout.root / name
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(PROJECT.replace("bare", name, 1))
    project = Bare(released, folder)
    released.checkout.run("pulumi", "stack", "init", "bare", cwd=folder)
    try:
        yield project
    finally:
        project.destroy()
