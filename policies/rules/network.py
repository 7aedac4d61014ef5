"""Rules about how a container is reached."""

from collections.abc import Callable, Iterator
from functools import partial

from pulumi_policy import EnforcementLevel, Severity

from judging.pods import judged
from judging.rule import Problem, Rule, Subject
from judging.workload import Container, Published, each
from rules.sources import CIS

LOWEST = 1024
"""The first port that needs no privilege to listen on."""


def ports_name_an_address(subject: Subject) -> Iterator[Problem]:
    """A port without an address is open on every interface, also on the one that faces the internet, past the firewall
    that the engine's own rules go around.
    """

    def judge(container: Container, port: Published) -> Iterator[Problem]:
        if container.names_addresses and not _is_one_address(port.address):
            seen = f"is bound to {port.address}" if port.address else "names no address, so it is bound to all"
            yield Problem(f"{port.path} {seen}", "write one address of the host, such as 127.0.0.1", container.where)

    return _each_port(subject, judge)


def _each_port(subject: Subject, judge: Callable[[Container, Published], Iterator[Problem]]) -> Iterator[Problem]:
    return each(subject, lambda container: judged(container.ports, partial(judge, container)))


def _is_one_address(text: str | None) -> bool:
    """Whether a text is an address, and not the one that stands for all of them in any spelling."""
    from ipaddress import IPv6Address, ip_address  # only a stack that publishes ports needs it

    try:
        address = ip_address((text or "").strip().strip("[]"))
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return not (mapped or address).is_unspecified


def no_privileged_port(subject: Subject) -> Iterator[Problem]:
    """Users trust what answers on a well-known port of the host; only its administrator should decide who does.

    CIS warns of every port below 1024 of the host; here those that somebody listed are fine.
    """
    allowed = {int(port) for port in subject.options["allowed"]}

    def judge(container: Container, port: Published) -> Iterator[Problem]:
        if port.host is not None and port.host < LOWEST and port.host not in allowed:
            yield Problem(
                f"{port.path} publishes port {port.host} of the host",
                f"write {LOWEST} or more, or list the port in the configuration of this rule",
                container.where,
            )

    return _each_port(subject, judge)


def publishes_only_listed_ports(subject: Subject) -> Iterator[Problem]:
    """An image exposes what its author likes, and may expose more tomorrow."""

    def judge(container: Container, port: Published) -> Iterator[Problem]:
        if port.container is None:
            yield Problem(f"{port.path} publishes whatever the image exposes", "list the ports", container.where)

    return _each_port(subject, judge)


def has_a_network_of_its_own(subject: Subject) -> Iterator[Problem]:
    """On the engine's default bridge every container reaches every other one, and none finds another by its name."""

    def judge(container: Container) -> Iterator[Problem]:
        if "network" not in container.namespaces and not container.own_network:
            yield Problem(
                f"{container.path('own_network')} names {container.seen('own_network') or 'no network'}, "
                "so it joins the default bridge",
                "make a network for the service and join it",
                container.where,
            )

    return each(subject, judge)


RULES: tuple[Rule, ...] = (
    Rule(
        name="container-ports-name-an-address",
        statement="Each published port is bound to one address of the host",
        check=ports_name_an_address,
        source=CIS(control="5.14"),
        severity=Severity.HIGH,
        fix="Write ip in each entry of ports.",
    ),
    Rule(
        name="container-publishes-no-privileged-port",
        statement="A container publishes no port below 1024 of the host unless that is listed",
        check=no_privileged_port,
        source=CIS(control="5.8"),
        severity=Severity.MEDIUM,
        fix="Publish 1024 or more behind a proxy, or list the port in the configuration of this rule.",
        options={
            "allowed": {
                "type": "array",
                "items": {"type": "integer"},
                "default": [],
                "description": "ports below 1024 that containers may publish",
            }
        },
    ),
    Rule(
        name="container-publishes-only-listed-ports",
        statement="A container publishes only ports that it lists",
        check=publishes_only_listed_ports,
        source=CIS(control="5.9"),
        severity=Severity.MEDIUM,
        fix="Remove publishAllPorts, and list the ports that are needed.",
    ),
    Rule(
        name="container-has-a-network-of-its-own",
        statement="A container keeps off the engine's default bridge",
        check=has_a_network_of_its_own,
        source=CIS(control="5.30"),
        severity=Severity.MEDIUM,
        level=EnforcementLevel.ADVISORY,
        fix="Make a docker Network and name it in networksAdvanced.",
    ),
)
