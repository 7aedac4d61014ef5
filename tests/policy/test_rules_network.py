"""How a container is reached: each rule by mutations of a compliant resource."""

from __future__ import annotations

import pytest

from rules import network
from tests.policy.answers import Answer
from tests.policy.compliant import SERVICE
from tests.policy.hardening import DEPLOYMENT, Case, docker, listed, swarm, unknown_in
from tests.policy.kubernetes_pods import UNKNOWN

ADDRESS, LOW, LISTED = (
    "container-ports-name-an-address",
    "container-publishes-no-privileged-port",
    "container-publishes-only-listed-ports",
)
OWN = "container-has-a-network-of-its-own"
ANY = "ports[0] names no address, so it is bound to all; write one address of the host, such as 127.0.0.1"
LOWER = "write 1024 or more, or list the port in the configuration of this rule"
BRIDGE = "names {}, so it joins the default bridge; make a network for the service and join it"
FIRST = "spec.containers[0]."


def bound(address: str) -> Case:
    said = f"ports[0] is bound to {address}; write one address of the host, such as 127.0.0.1"
    return docker(ADDRESS, said, ports=[{"internal": 80, "external": 8080, "ip": address}])


def low(port: object, shown: int) -> Case:
    said = f"ports[0] publishes port {shown} of the host; {LOWER}"
    return docker(LOW, said, ports=[{"internal": 8080, "external": port, "ip": "127.0.0.1"}])


BROKEN = [
    docker(ADDRESS, ANY, ports=[{"internal": 80, "external": 8080}]),
    docker(ADDRESS, ANY, ports=[{"internal": 80, "external": 8080, "ip": ""}]),
    docker(ADDRESS, ANY, ports=[{"internal": 80}]),
    *(bound(it) for it in ("0.0.0.0", "::", "[::]", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0", "0")),
    *(bound(it) for it in ("localhost", "*", "0.0.0.0/0")),
    docker(
        ADDRESS,
        "publishAllPorts names no address, so it is bound to all; write one address of the host, such as 127.0.0.1",
        publishAllPorts=True,
    ),
    low(80, 80),
    low(1023, 1023),
    low(1, 1),
    low("443", 443),
    swarm(
        LOW,
        f"endpointSpec.ports[0] publishes port 80 of the host; {LOWER}",
        {"endpointSpec": {"ports": [{"targetPort": 8080, "publishedPort": 80}]}},
    ),
    docker(LISTED, "publishAllPorts publishes whatever the image exposes; list the ports", publishAllPorts=True),
]  # fmt: skip
ADVISED = [
    docker(OWN, f"networksAdvanced {BRIDGE}".format("no network"), networksAdvanced=...),
    docker(OWN, f"networksAdvanced {BRIDGE}".format("no network"), networksAdvanced=[], networkMode="bridge"),
    docker(OWN, f"networksAdvanced {BRIDGE}".format("no network"), networksAdvanced=..., networkMode="default"),
    docker(OWN, f"networksAdvanced {BRIDGE}".format("bridge"), networksAdvanced=[{"name": "bridge"}]),
    swarm(OWN, f"taskSpec.networksAdvanceds {BRIDGE}".format("no network"), {"networksAdvanceds": ...}),
]
FINE = [
    *(docker(ADDRESS, "", ports=[{"internal": 80, "ip": it}]) for it in ("127.0.0.1", "10.1.2.3", "::1", "[fe80::1]")),
    docker(ADDRESS, "", ports=...),
    docker(ADDRESS, "", publishAllPorts=False),
    docker(LOW, "", ports=[{"internal": 80, "ip": "127.0.0.1"}]),
    docker(LOW, "", ports=[{"internal": 80, "external": 1024}]),
    docker(LOW, "", ports=[{"internal": 80, "external": 0}]),
    listed(LOW, {"ports": [{"internal": 8080, "external": 443, "ip": "127.0.0.1"}]}, allowed=[80, 443]),
    docker(OWN, "", networksAdvanced=..., networkMode="none"),
    docker(OWN, "", networksAdvanced=..., networkMode="shop"),
    docker(OWN, "", networksAdvanced=..., networkMode="host"),  # a matter of the network namespace
]
UNKNOWNS = [
    unknown_in(ADDRESS, "ports[0].ip", "ports.0.ip"),
    unknown_in(ADDRESS, "ports", "ports"),
    unknown_in(LOW, "ports[0].external", "ports.0.external"),
    unknown_in(LISTED, "publishAllPorts", "publishAllPorts"),
    unknown_in(OWN, "networksAdvanced", "networksAdvanced"),
    unknown_in(LOW, "endpointSpec", "endpointSpec", SERVICE),
]


@pytest.mark.parametrize("case", BROKEN, ids=str)
def test_a_weakness_is_a_violation_that_says_where_and_what_to_write(case: Case) -> None:
    assert case.answer == Answer([case.message], [], [])


@pytest.mark.parametrize("case", ADVISED, ids=str)
def test_the_default_bridge_is_advised_against(case: Case) -> None:
    assert case.answer == Answer([], [case.message], [])


@pytest.mark.parametrize("case", FINE, ids=str)
def test_a_safe_spelling_is_fine(case: Case) -> None:
    assert case.answer.nothing


@pytest.mark.parametrize(("case", "expected"), UNKNOWNS, ids=lambda it: str(it)[:80])
def test_an_unknown_value_is_an_advisory_with_its_path(case: Case, expected: Answer) -> None:
    assert case.answer == expected


def test_swarm_cannot_bind_a_port_to_an_address() -> None:
    reason = "Swarm publishes on every address of a node: a firewall on the nodes limits it, no service does"
    assert swarm(ADDRESS, "", {}).answer == Answer([], [], [reason])
    assert swarm(ADDRESS, "", {"endpointSpec": {}}).answer.nothing


def test_a_port_of_a_node_is_judged_in_a_pod_too() -> None:
    found = Case(LOW, {f"{FIRST}ports": [{"containerPort": 8080, "hostPort": 80}]}, "", DEPLOYMENT).answer
    assert len(found.violations) == 1
    assert "spec.template.spec.containers[0].ports[0].hostPort publishes port 80 of the host" in found.violations[0]


def test_a_known_weakness_is_found_beside_an_unknown_value() -> None:
    found = docker(ADDRESS, "", ports=[{"internal": 1, "ip": UNKNOWN}, {"internal": 2, "ip": "0.0.0.0"}]).answer
    assert len(found.violations) == 1
    assert len(found.advice) == 1


def test_a_port_is_judged_while_its_address_is_unknown() -> None:
    case = docker(LOW, f"ports[0] publishes port 80 of the host; {LOWER}", ports=[{"external": 80, "ip": UNKNOWN}])
    assert case.answer == Answer([case.message], [], [])


def test_another_unknown_property_keeps_no_rule_from_judging() -> None:
    for rule in network.RULES:
        assert Case(rule.name, {"image": UNKNOWN, "mounts": UNKNOWN, "user": UNKNOWN}).answer.nothing, rule.name


def test_every_rule_of_the_family_has_a_case_and_an_unknown_case() -> None:
    names = {rule.name for rule in network.RULES}
    assert {case.rule for case in (*BROKEN, *ADVISED)} == names
    assert {case.rule for case, _ in UNKNOWNS} == names
