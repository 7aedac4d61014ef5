"""The program itself, from a stack's configuration to what it exports."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pulumi
import pytest

import reachability
from tests.recording import DIGEST, Engine
from tests.stacks import Stack, configuration

PROGRAM = Path(__file__).resolve().parents[2] / "__main__.py"


@pytest.fixture(autouse=True)
def in_the_project(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs in the stack's project, where every service answers."""
    monkeypatch.chdir(stack.project)
    monkeypatch.setattr(reachability, "check", lambda settings: None)


def run(stack: Stack, engine: Engine | None = None) -> Engine:
    """Run the program with the stack's configuration."""
    engine = engine or Engine()
    return engine.run(lambda: runpy.run_path(str(PROGRAM), run_name="__main__"), config=configuration(stack.settings))


def exported(engine: Engine) -> Any:
    """What the stack says when the program has run."""
    assert not engine.errors, engine.errors
    return engine.exports


def test_each_service_exports_its_release_and_its_container(stack: Stack) -> None:
    [name] = (outputs := exported(run(stack)))
    assert name == "web"
    service = outputs["web"]
    release = service["release"]
    assert release["digest"] == DIGEST
    assert release["reference"] == f"localhost:5443/driftwood/web@{DIGEST}"
    assert release["tag"] == "1.4.0-dev.0123456789ab"
    assert release["platforms"] == ["linux/amd64", "linux/arm64"]
    assert release["scan"]["counts"] == {"CRITICAL": 0, "HIGH": 0}
    assert release["signature"]["public_key"] == "cosign.pub"
    assert service["url"] == "http://127.0.0.1:8080"
    assert service["container"] == "web-container-id"


def test_what_is_exported_is_no_secret_and_holds_none(stack: Stack) -> None:
    assert "hunter2" not in json.dumps(exported(run(stack)))


def test_a_service_that_does_not_run_is_published_only(stack: Stack) -> None:
    stack.web.pop("run")
    engine = run(stack)
    assert set(exported(engine)["web"]) == {"release"}
    assert not engine.of("pulumi:providers:docker")
    assert engine.ran() == ["scan", "sign", "attest", "verify", "publish"]


def test_services_side_by_side_share_nothing_but_the_host(stack: Stack) -> None:
    other = json.loads(json.dumps(stack.web)) | {"repository": "driftwood/other"}
    other["run"] |= {"name": "driftwood-other", "ports": [{"container": 8080, "host": 8081}]}
    stack.settings["services"]["other"] = other
    engine = run(stack)
    assert set(exported(engine)) == {"web", "other"}
    assert len(engine.of("pulumi:providers:docker")) == 1
    urns = [it.urn for it in engine.resources]
    assert len(urns) == len(set(urns))
    of_web = {it.urn for it in engine.resources if it.name == "web" or it.name.startswith("web-")}
    for resource in engine.resources:
        if resource.name.startswith("other"):
            assert not of_web & set(resource.options.get("dependencies", ())), resource.name


def test_the_release_channel_claims_the_version(stack: Stack) -> None:
    stack.settings |= {"channel": "release", "series": True}
    engine = run(stack)
    assert exported(engine)["web"]["release"]["tag"] == "1.4.0"
    assert engine.step("publish").values("--tag") == ["1.4.0", "1.4", "1"]
    assert len(engine.calls) == 1


def test_the_scan_of_a_service_takes_the_place_of_the_stacks(stack: Stack) -> None:
    stack.web["scan"] = {"fail_on": ["HIGH", "CRITICAL", "MEDIUM"], "database": "localhost:5380/other-db:2"}
    scan = run(stack).step("scan")
    assert scan.values("--fail-on") == ["HIGH,CRITICAL,MEDIUM"]
    assert scan.values("--database") == ["localhost:5380/other-db:2"]


def test_reports_of_each_stack_and_service_have_a_folder_of_their_own(stack: Stack) -> None:
    assert run(stack, Engine(stack="staging")).step("scan").values("--reports") == [".slipway/reports/staging/web"]


def test_a_mistake_ends_the_program_before_the_first_resource(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    stack.web["version"] = "latest"
    engine = run(stack)
    assert engine.resources == []
    [error] = engine.errors
    assert isinstance(error, SystemExit | pulumi.RunError)
    told = caplog.text + str(error)
    assert "slipway:services.web.version: a tag that moves names no release" in told


def test_a_service_that_is_down_ends_the_program_before_the_first_resource(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(settings: object) -> None:
        raise pulumi.RunError("nothing was changed")

    monkeypatch.setattr(reachability, "check", down)
    engine = run(stack)
    assert engine.resources == []
    assert engine.errors
