"""The program itself, from a stack's configuration to what it exports."""

from __future__ import annotations

import json
import runpy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pulumi
import pytest

import reachability
from tests.recording import DIGEST, STAGING, Engine
from tests.stacks import Stack, configuration

PROGRAM = Path(__file__).resolve().parents[2] / "__main__.py"


@pytest.fixture(autouse=True)
def in_the_project(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program runs in the stack's project, where every service answers."""
    monkeypatch.chdir(stack.project)
    monkeypatch.setattr(reachability, "check", lambda settings: None)


def run(stack: Stack, engine: Engine | None = None) -> Engine:
    """Run the program with the stack's configuration, as Pulumi does: its module, then what that has named."""

    async def program() -> None:
        named: list[Callable[[], Awaitable[None]]] = []
        with mock.patch.object(pulumi, "run", named.append):
            runpy.run_path(str(PROGRAM), run_name="__main__")
        [main] = named
        await main()

    return (engine or Engine()).run(program, config=configuration(stack.settings))


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
    assert engine.step("publish").values("--immutable-tag") == ["1.4.0"]
    assert "--series" in engine.step("publish").command
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


# A stack that promotes.


def promoting(stack: Stack, **settings: Any) -> Stack:
    """The stack as production is: it takes its service from staging."""
    (stack.project / "staging.pub").write_text("a key of its own")
    stack.settings.pop("quarantine")
    stack.settings.pop("builder")
    stack.web.pop("build")
    stack.web.pop("version")
    stack.settings["registry"]["address"] = "localhost:5444"
    stack.settings |= {"channel": "release", "promote": {"from": ["staging"], "public_key": "staging.pub"}, **settings}
    return stack


def production() -> Engine:
    """The engine of production, where staging runs a release."""
    return Engine(stack="production", exported=STAGING)


def test_a_stack_that_promotes_runs_the_digest_of_another_and_proves_it(stack: Stack) -> None:
    engine = run(promoting(stack), production())
    service = exported(engine)["web"]
    here = f"localhost:5444/driftwood/web@{DIGEST}"
    assert service["release"]["reference"] == here
    assert service["proved"] == "2026-11-25T10:00:00Z"
    assert not engine.of("docker-build:index:Image")
    assert [module for module in engine.ran() if module != "secret_file"] == ["publish", "preflight", "settle", "prove"]
    assert engine.one("docker:index/container:Container").inputs["image"] == here
    prove = engine.step("prove")
    assert prove.values("--reference") == [here]
    assert prove.values("--container") == ["web-container-id"]
    assert prove.values("--commit") == [service["release"]["revision"]]
    assert engine.step("settle").urn in prove.options["propertyDependencies"]["environment"].urns


def test_a_release_that_is_promoted_is_protected_and_what_runs_it_can_be_replaced(stack: Stack) -> None:
    engine = run(promoting(stack), production())
    assert exported(engine)
    protected = {it.name for it in engine.resources if it.options.get("protect")}
    # What is destroyed first is the proof: where that is refused, nothing has been destroyed yet.
    assert protected == {"web", "web-publication", "web-publication-oras", "web-prove"}
    assert engine.one("slipway:index:Promotion").options.get("protect") is True
    assert not engine.one("slipway:index:HardenedContainer").options.get("protect")


def test_nothing_is_protected_where_the_stack_says_so(stack: Stack) -> None:
    engine = run(promoting(stack, protect=False), production())
    assert not [it.name for it in engine.resources if it.options.get("protect")]


def test_a_stack_that_builds_proves_only_where_it_is_asked_to(stack: Stack) -> None:
    assert "prove" not in run(stack).ran()
    stack.settings["prove"] = {"checks": [{"name": "page", "url": "/"}]}
    prove = run(stack).step("prove")
    assert json.loads(prove.values("--checks")[0]) == [{"name": "page", "url": "/"}]
    assert prove.values("--url") == ["http://127.0.0.1:8080"]
    assert prove.values("--stack") == ["dev"]


def test_a_smoke_test_that_fails_fails_the_run(stack: Stack) -> None:
    stack.settings["prove"] = {}
    engine = run(stack, Engine(refused=frozenset({"prove"})))
    assert engine.errors
    assert not [urn for urn in engine.outputs if "slipway:index:Proof" in urn]


def test_what_cannot_be_promoted_stops_everything_after_it(stack: Stack) -> None:
    engine = run(promoting(stack), Engine(stack="production"))
    assert engine.errors
    assert not engine.of("docker:index/container:Container")
    assert "publish" not in engine.ran()
