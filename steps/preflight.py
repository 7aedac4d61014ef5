"""Check what a container needs before the old one goes: user and health check of its image, name, ports, network.

The result hands on the reference of the image that may run.
"""

import argparse
import errno
import json
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steps.engine import STACK_LABEL, docker, inspect
from steps.image_config import Needs, shortcomings
from steps.previous import printed
from steps.tool import StepError, run_step

_URN = "io.slipway.urn"
_SECOND = 1_000_000_000
_DURATIONS = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start_period": "StartPeriod",
    "start_interval": "StartInterval",
}


def check_image(
    host: str, reference: str, changes: Mapping[str, Any], secrets_owner: int | None = None
) -> dict[str, Any]:
    """Refuse an image that its container cannot run, see steps.image_config, and return its health check.

    Args:
        host: address of the Docker Engine.
        reference: the image, by digest.
        changes: what the stack changes of the image's own health check: `tests`, durations in seconds, `retries`.
        secrets_owner: numeric id of the user who may read the secret files; None where there are none.

    Returns:
        The whole health check as the container's resource takes it, so that a preview shows each of its values.
    """
    images = inspect(host, "image", [reference])
    if not images:
        raise StepError(f"{reference} is not on the host: the pull did not bring it")
    config = images[0]["Config"]
    if problems := list(shortcomings(config, Needs("tests" not in changes, secrets_owner))):
        raise StepError("\n".join(f"{reference} {problem}" for problem in problems))
    own = config.get("Healthcheck") or {}
    tests = changes.get("tests") or own["Test"]
    return {"tests": tests, "retries": changes.get("retries", own.get("Retries", 0)), **_durations(own, changes)}


def _durations(own: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, str]:
    """The health check's durations; those that neither the stack nor the image sets are left to the engine."""
    image = {key: own[name] for key, name in _DURATIONS.items() if own.get(name)}
    stack = {key: round(changes[key] * _SECOND) for key in _DURATIONS if key in changes}
    return {key: go_duration(nanoseconds) for key, nanoseconds in {**image, **stack}.items()}


def go_duration(nanoseconds: int) -> str:
    """A duration as Go prints it, `1m30s`: the provider reads it back so; another spelling shows as a difference."""
    if 0 < nanoseconds < _SECOND:
        return f"{_decimal(nanoseconds, _SECOND // 1000)}ms"
    minutes, rest = divmod(nanoseconds, 60 * _SECOND)
    hours, minutes = divmod(minutes, 60)
    spelled = (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "")
    return f"{spelled}{_decimal(rest, _SECOND)}s"


def _decimal(value: int, unit: int) -> str:
    """A count of nanoseconds in a larger unit, without rounding and without zeros at the end."""
    whole, fraction = divmod(value, unit)
    return f"{whole}.{fraction:0{len(str(unit)) - 1}d}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Service:
    """Whose container is to be."""

    stack: str
    """The stack, `ORGANIZATION/PROJECT/STACK`, as the label of its containers says it."""
    name: str
    """The service, as the label with the URN of its containers has it."""
    first: bool = False
    """Whether the stack's state holds no container of this service yet."""
    before: str = ""
    """What the stack was called when this was checked the last time, such as before `pulumi stack rename`."""

    def replaces(self, labels: Mapping[str, str]) -> bool:
        """Whether a container with these labels is the one that goes.

        The organization alone may differ: a state that moved to another backend has another one.
        """
        known = {it.partition("/")[2] for it in (self.stack, self.before or self.stack)}
        ours = labels.get(STACK_LABEL, "").partition("/")[2] in known
        return ours and not self.first and _service_of(labels) == self.name


def check_name(host: str, name: str, service: Service) -> None:
    """Refuse a name that another container has than the one that is replaced."""
    for container in inspect(host, "container", [name]):
        labels = container["Config"].get("Labels") or {}
        if service.replaces(labels):
            continue
        owner = labels.get(STACK_LABEL, "")
        taken = f"container name {name} is taken by {container['Id'][:12]}"
        if owner == service.stack:
            other = _service_of(labels)
            raise StepError(
                f"{taken} ({other} of {owner}, which this service does not know): {_renamed(other)}; if it belongs to "
                "another checkout with a stack of this name, choose another run.name"
            )
        raise StepError(f"{taken} ({owner or 'not ours'}): choose another run.name, or remove that container")


def _service_of(labels: Mapping[str, str]) -> str:
    return labels.get(_URN, "").rpartition("::")[2].removesuffix("-container") or "a service"


def _renamed(other: str) -> str:
    """What to do where a service goes on under another name: Pulumi removes the old one last, after all else."""
    target = f"--target '**:HardenedContainer::{other}' --target-dependents"
    return f"if {other} was given up or renamed, take its container down first (`pulumi destroy {target}`)"


def check_port(host: str, address: str, port: int, service: Service) -> None:
    """Refuse a port that something else listens on than the container that is replaced."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except PermissionError:
        return  # a privileged port: the engine, not this process, will bind it
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            raise StepError(
                f"{address} is no address of this machine: correct run.ports[].address (`ip address` shows them)"
            ) from None
        _own_port(host, address, port, service)


def _own_port(host: str, address: str, port: int, service: Service) -> None:
    columns = f'{{{{.Names}}}} {{{{.Label "{STACK_LABEL}"}}}} {{{{.Label "{_URN}"}}}}'
    printed = docker(host, "ps", "--filter", f"publish={port}", "--format", columns)
    holders = [(name, {STACK_LABEL: stack, _URN: urn}) for name, stack, urn in map(_columns, printed.splitlines())]
    if any(service.replaces(labels) for _, labels in holders):
        return
    taken = f"port {address}:{port} is taken by "
    if ours := [name for name, labels in holders if labels[STACK_LABEL] == service.stack]:
        raise StepError(
            f"{taken}container {ours[0]} of this stack: where this update takes the port from it, run `pulumi up` once "
            "more; two that change ports with each other need a third one in between; one that is given up has to go "
            "first (`pulumi destroy --target`)"
        )
    holder = f"container {holders[0][0]}" if holders else "another process"
    raise StepError(
        f"{taken}{holder}: stop it (`ss -ltnp 'sport = :{port}'` shows it), or choose another run.ports[].host"
    )


def _columns(line: str) -> tuple[str, str, str]:
    name, stack, urn = (*line.split(" ", 2), "", "")[:3]
    return name, stack, urn


def check_network(host: str, network: str) -> None:
    """Refuse a network that the stack's state has and the engine has no more: a container would be made in vain."""
    if not inspect(host, "network", [network]):
        raise StepError(
            f"network {network} is in this stack's state, but no more on the engine (`docker network prune` removes "
            "networks that no container uses): `pulumi up --refresh` makes it anew"
        )


def preflight(
    host: str,
    reference: str,
    network: str,
    name: str,
    ports: Sequence[tuple[str, int]],
    service: Service,
    health: Mapping[str, Any],
    *,
    secrets_owner: int | None = None,
) -> dict[str, Any]:
    """Check everything; the first problem ends the step while the old container still runs."""
    health = check_image(host, reference, health, secrets_owner)
    check_name(host, name, service)
    for address, port in ports:
        check_port(host, address, port, service)
    check_network(host, network)
    return {"reference": reference, "health": health, "stack": service.stack}


def _address(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def main() -> dict[str, Any]:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m steps.preflight", description=__doc__)
    parser.add_argument("--docker", required=True, help="address of the Docker Engine")
    parser.add_argument("--reference", required=True)
    parser.add_argument("--network", required=True, help="the container's network")
    parser.add_argument("--name", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--service", required=True, help="the component that the container belongs to")
    parser.add_argument("--port", action="append", default=[], type=_address, metavar="ADDRESS:PORT")
    parser.add_argument("--health", default={}, type=json.loads, help="changes to the image's health check, as JSON")
    parser.add_argument("--files-owner", type=int, help="numeric id of the user who may read the secret files")
    it = parser.parse_args()
    before = printed()
    service = Service(it.stack, it.service, before is None, str((before or {}).get("stack") or ""))
    return preflight(
        it.docker, it.reference, it.network, it.name, it.port, service, it.health, secrets_owner=it.files_owner
    )


if __name__ == "__main__":
    run_step(main)
