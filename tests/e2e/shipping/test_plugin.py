"""Slipway as a plugin: another project, in YAML, uses Release and HardenedContainer.

The program is run by the vendor's own YAML host, `pulumi-language-yaml` of pulumi-yaml. The plugin is run by the
machine's Python host: the vendor's where Pulumi was installed, else the stand-in of toolchain/go/standins.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from tests.e2e.conftest import Checkout, free_port
from tests.e2e.names import PREFIX

COMPONENTS = {
    "Image",
    "Scan",
    "Signature",
    "Evidence",
    "Verification",
    "Publication",
    "Release",
    "Promotion",
    "Host",
    "HardenedContainer",
    "Proof",
}
CONTAINER = f"{PREFIX}-yaml"


@dataclass
class Consumer:
    """The YAML project in a checkout, with a stack of its own."""

    checkout: Checkout
    folder: Path
    port: int

    def pulumi(self, *arguments: str, check: bool = True) -> str:
        """Run pulumi in the project; returns everything that it printed."""
        command = ["pulumi", *arguments, "--non-interactive", "--color", "never"]
        return self.checkout.run(*command, check=check, cwd=self.folder).stdout

    def preview_with(self, change: Callable[[dict[str, Any]], None]) -> tuple[int, str]:
        """Exit code and output of a preview of the project with a changed program."""
        path = self.folder / "Pulumi.yaml"
        program = path.read_text()
        document = yaml.safe_load(program)
        change(document["resources"])
        try:
            path.write_text(yaml.safe_dump(document))
            ended = self.checkout.run("pulumi", "preview", "--color", "never", cwd=self.folder, check=False)
        finally:
            path.write_text(program)
        return ended.returncode, ended.stdout


@pytest.fixture(scope="module", name="consumer")
def yaml_consumer(checkout: Checkout) -> Iterator[Consumer]:
    """The example project, with this checkout's registries and a port of its own."""
    host = shutil.which("pulumi-language-yaml", path=checkout.environment["PATH"])
    assert host, "pulumi-language-yaml is not on PATH: `python3 -m toolchain ensure` installs it beside pulumi"
    consumer = Consumer(checkout, checkout.root / "examples" / "yaml-consumer", free_port())
    consumer.pulumi("stack", "init", "e2e")
    settings = {
        "quarantine": f"localhost:{checkout.environment['SLIPWAY_QUARANTINE_PORT']}",
        "registry": f"localhost:{checkout.environment['SLIPWAY_REGISTRY_PORT']}",
        "containerName": CONTAINER,
        "port": str(consumer.port),
    }
    for key, value in settings.items():
        consumer.pulumi("config", "set", key, value)
    try:
        yield consumer
    finally:
        consumer.pulumi("destroy", "--yes", "--skip-preview")
        consumer.pulumi("stack", "rm", "--yes")


def document(printed: str) -> dict[str, Any]:
    """The JSON document in what pulumi printed, after its warnings and progress."""
    found: dict[str, Any] = json.loads(printed[printed.index("{") :])
    return found


def test_the_schema_lists_every_component_with_its_docs(checkout: Checkout) -> None:
    printed = checkout.run("pulumi", "package", "get-schema", "./plugin").stdout
    schema = document(printed)
    resources = {token.removeprefix("slipway:index:"): found for token, found in schema["resources"].items()}
    assert set(resources) == COMPONENTS
    for name, resource in resources.items():
        assert resource["isComponent"], name
        assert len(resource["description"]) > 40, name
        described = {**resource["inputProperties"], **resource["properties"]}
        assert [key for key, found in described.items() if not found.get("description")] == [], name
    for name, found in schema["types"].items():
        undescribed = [key for key, inner in found["properties"].items() if not inner.get("description")]
        assert undescribed == [], name


def test_a_yaml_project_previews_the_whole_pipeline(consumer: Consumer) -> None:
    planned = document(consumer.pulumi("preview", "--json"))
    types = [step["newState"]["type"] for step in planned["steps"]]
    # The project builds: what takes and proves releases is not in it.
    assert {f"slipway:index:{name}" for name in COMPONENTS - {"Promotion", "Proof"}} <= set(types)
    assert {"docker-build:index:Image", "docker:index/container:Container"} <= set(types)


def test_wrong_inputs_are_told_by_property_without_a_traceback(consumer: Consumer) -> None:
    def spoil(resources: dict[str, Any]) -> None:
        resources["release"]["properties"]["image"] |= {"version": "latest", "platforms": ["amd64"]}

    code, printed = consumer.preview_with(spoil)
    assert code != 0
    assert "2 mistake(s) in the inputs of release:" in printed
    assert "image.version: 'latest' is not a semantic version: write MAJOR.MINOR.PATCH, such as 1.4.0" in printed
    assert "image.platforms: 'amd64' is not a platform: write OS/ARCHITECTURE, such as linux/arm64" in printed
    assert "Traceback" not in printed
    assert ".py" not in printed


def test_a_password_in_the_environment_is_refused_and_not_repeated(consumer: Consumer) -> None:
    def spoil(resources: dict[str, Any]) -> None:
        properties = resources["container"]["properties"]
        properties["run"]["environment"] = {"API_TOKEN": "hunter2-in-the-open"}
        properties["reference"] = f"localhost:5443/driftwood/web@sha256:{'0' * 64}"

    code, printed = consumer.preview_with(spoil)
    assert code != 0
    assert "run.environment: API_TOKEN looks like a secret: move it to run.secrets" in printed
    assert "hunter2-in-the-open" not in printed


def test_a_yaml_project_releases_and_runs_a_hardened_container(consumer: Consumer) -> None:
    printed = consumer.pulumi("up", "--yes", "--skip-preview")
    outputs = document(consumer.pulumi("stack", "output", "--json"))
    release = outputs["release"]
    assert outputs["url"] == f"http://127.0.0.1:{consumer.port}"
    assert release["platforms"] == ["linux/amd64", "linux/arm64"]
    assert release["tag"].startswith("1.4.0-dev.")
    with urlopen(f"{outputs['url']}/healthz", timeout=10) as answer:
        assert answer.status == 200

    container = consumer.checkout.inspect(CONTAINER)
    assert container["Config"]["Image"] == release["reference"]
    assert container["State"]["Health"]["Status"] == "healthy"
    assert container["HostConfig"]["ReadonlyRootfs"] is True
    assert container["HostConfig"]["CapDrop"] == ["ALL"]
    assert container["HostConfig"]["PidsLimit"] == 100

    consumer.pulumi("preview", "--expect-no-changes")
    state = consumer.pulumi("stack", "export")
    for name in ("registry.password", "cosign.password", "db_password"):
        assert consumer.checkout.key(name) not in state + printed + json.dumps(container), name
