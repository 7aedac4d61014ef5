"""What a container's name and ports are checked for before the old one goes, with a shell script in docker's place."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from steps.preflight import Service, check_name, check_port
from steps.tool import StepError
from tests.conftest import ToolMaker
from tests.engine import CONTAINER, HOST, REFERENCE, STACK, docker, image
from tests.running import calls, run_step_program

URN = "urn:pulumi:dev::slipway::slipway:index:HardenedContainer$docker:index/container:Container::web-container"
OTHER = URN.replace("web-container", "shop-container")


def named(stack: str | None) -> list[dict[str, Any]]:
    """What the engine says of a container of this stack."""
    labels = {"io.slipway.stack": stack, "io.slipway.urn": URN} if stack else {}
    return [{"Id": CONTAINER, "Config": {"Labels": labels}}]


def test_a_free_name_and_ones_own_are_accepted(tool: ToolMaker) -> None:
    docker(tool)
    check_name(HOST, "web", Service(STACK, "web"))
    path = docker(tool, container=named(STACK))
    check_name(HOST, "web", Service(STACK, "web"))
    assert calls(path)[-1].endswith("container inspect web")


@pytest.mark.parametrize(("owner", "words"), [(None, "not ours"), ("driftwood/slipway/prod", "driftwood/slipway/prod")])
def test_a_name_that_somebody_else_has_is_refused(tool: ToolMaker, owner: str | None, words: str) -> None:
    docker(tool, container=named(owner))
    with pytest.raises(StepError) as caught:
        check_name(HOST, "web", Service(STACK, "web"))
    assert str(caught.value).startswith(f"container name web is taken by {CONTAINER[:12]} ({words}):")
    assert "run.name" in str(caught.value)


def test_a_state_that_moved_to_another_organization_keeps_its_container(tool: ToolMaker) -> None:
    docker(tool, container=named("acme/" + STACK.partition("/")[2]))
    check_name(HOST, "web", Service(STACK, "web"))
    with pytest.raises(StepError, match="is taken by"):
        check_name(HOST, "web", Service(STACK, "web", first=True))


def test_a_container_that_the_service_does_not_know_is_told_with_both_ways_out(tool: ToolMaker) -> None:
    container = named(STACK)
    container[0]["Config"]["Labels"]["io.slipway.urn"] = OTHER
    docker(tool, container=container)
    with pytest.raises(StepError) as caught:
        check_name(HOST, "web", Service(STACK, "web", first=True))
    assert str(caught.value) == (
        f"container name web is taken by {CONTAINER[:12]} (shop of {STACK}, which this service does not know): "
        "if shop was given up or renamed, take its container down first "
        "(`pulumi destroy --target '**:HardenedContainer::shop' --target-dependents`); "
        "if it belongs to another checkout with a stack of this name, choose another run.name"
    )


def test_the_name_of_another_service_of_the_stack_is_refused(tool: ToolMaker) -> None:
    docker(tool, container=named(STACK))
    check_name(HOST, "web", Service(STACK, "web"))
    with pytest.raises(StepError, match="is taken by"):
        check_name(HOST, "web", Service(STACK, "shop"))


@pytest.mark.parametrize("previous", [None, "{}"], ids=["a first up", "a later one"])
def test_the_step_knows_by_what_it_printed_before_whether_there_was_one(
    tool: ToolMaker, monkeypatch: pytest.MonkeyPatch, previous: str | None
) -> None:
    monkeypatch.delenv("PULUMI_COMMAND_STDOUT", raising=False)
    if previous:
        monkeypatch.setenv("PULUMI_COMMAND_STDOUT", previous)
    docker(tool, image=image(), container=named(STACK), network=[{}])
    arguments = ["--docker", HOST, "--reference", REFERENCE, "--network", "own", "--name", "web", "--stack", STACK]
    arguments += ["--service", "web"]
    ended = run_step_program("preflight", arguments)
    assert (ended.returncode == 0) == bool(previous), ended.stderr


@pytest.mark.parametrize(
    ("printed", "passes"),
    [
        (json.dumps({"stack": "driftwood/slipway/qa"}), True),
        (json.dumps({"stack": "elsewhere/slipway/qa"}), True),
        (json.dumps({"stack": "driftwood/slipway/other"}), False),
        (json.dumps({"reference": REFERENCE}), False),
        ("[]", False),
    ],
)
def test_after_a_stack_was_renamed_its_container_is_still_the_one_that_goes(
    tool: ToolMaker, printed: str, passes: bool
) -> None:
    docker(tool, image=image(), container=named("driftwood/slipway/qa"), network=[{}])
    arguments = ["--docker", HOST, "--reference", REFERENCE, "--network", "own", "--name", "web", "--stack", STACK]
    arguments += ["--service", "web"]
    ended = run_step_program("preflight", arguments, environment={"PULUMI_COMMAND_STDOUT": printed})
    assert (ended.returncode == 0) == passes, ended.stderr
    assert not passes or json.loads(ended.stdout)["stack"] == STACK


def test_a_container_without_labels_is_not_ours(tool: ToolMaker) -> None:
    docker(tool, container=[{"Id": CONTAINER, "Config": {"Labels": None}}])
    with pytest.raises(StepError, match="not ours"):
        check_name(HOST, "web", Service(STACK, "web"))


@pytest.fixture(name="taken", params=["127.0.0.1", "::1", "0.0.0.0"])
def listening(request: pytest.FixtureRequest) -> Iterator[tuple[str, int]]:
    """An address and port on which a real socket listens."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((request.param, 0))
        server.listen()
        yield request.param, server.getsockname()[1]


def test_a_port_that_another_process_listens_on_is_refused(tool: ToolMaker, taken: tuple[str, int]) -> None:
    docker(tool, ps="exit 0")
    address, port = taken
    with pytest.raises(StepError) as caught:
        check_port(HOST, address, port, Service(STACK, "web"))
    assert str(caught.value).startswith(f"port {address}:{port} is taken by another process:")
    assert "ss -ltnp" in str(caught.value)
    assert "run.ports[].host" in str(caught.value)


def test_a_port_of_another_container_is_refused_with_its_name(tool: ToolMaker, taken: tuple[str, int]) -> None:
    docker(tool, ps="echo 'nginx '")
    with pytest.raises(StepError, match="is taken by container nginx:"):
        check_port(HOST, *taken, Service(STACK, "web"))


def test_a_port_of_the_container_that_is_replaced_is_accepted_whatever_its_name(
    tool: ToolMaker, taken: tuple[str, int]
) -> None:
    path = docker(tool, ps=f"printf '%s\\n' 'before {STACK} {URN}'")
    check_port(HOST, *taken, Service(STACK, "web"))
    assert f"publish={taken[1]}" in calls(path)[0]


@pytest.mark.parametrize("service", [Service(STACK, "shop"), Service(STACK, "web", first=True)])
def test_a_port_of_another_service_of_the_stack_is_refused_with_what_to_do(
    tool: ToolMaker, taken: tuple[str, int], service: Service
) -> None:
    docker(tool, ps=f"printf '%s\\n' 'other {STACK} {URN}'")
    with pytest.raises(StepError) as caught:
        check_port(HOST, *taken, service)
    assert str(caught.value) == (
        f"port {taken[0]}:{taken[1]} is taken by container other of this stack: where this update takes the port from "
        "it, run `pulumi up` once more; two that change ports with each other need a third one in between; one that is "
        "given up has to go first (`pulumi destroy --target`)"
    )


def test_a_port_that_is_taken_on_every_address_is_taken_on_each(tool: ToolMaker) -> None:
    docker(tool, ps="exit 0")
    with socket.create_server(("0.0.0.0", 0)) as server, pytest.raises(StepError, match="is taken"):
        check_port(HOST, "127.0.0.1", server.getsockname()[1], Service(STACK, "web"))


def test_a_free_port_needs_no_question(tool: ToolMaker, taken: tuple[str, int]) -> None:
    path = docker(tool)
    with socket.socket(socket.AF_INET) as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    check_port(HOST, "127.0.0.1", free, Service(STACK, "web"))
    assert calls(path) == []


def test_an_address_of_a_family_that_this_machine_lacks_is_told_as_such(
    tool: ToolMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks_it(*_: object) -> None:
        raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")

    monkeypatch.setattr("socket.socket", lacks_it)
    with pytest.raises(StepError, match="::1 is no address of this machine: correct run"):
        check_port(HOST, "::1", 8080, Service(STACK, "web"))


def test_an_address_that_this_machine_does_not_have_is_told_as_such(tool: ToolMaker) -> None:
    docker(tool, ps="exit 0")
    with pytest.raises(StepError) as caught:
        check_port(HOST, "192.0.2.7", 8080, Service(STACK, "web"))
    assert "taken" not in str(caught.value)
    assert "192.0.2.7" in str(caught.value)
    assert "run.ports[].address" in str(caught.value)
