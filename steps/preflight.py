"""Check what a container needs before the old one is taken away: the image's user and health check, name and ports.

The result hands on the reference of the image that may run. Sources: CIS Docker Benchmark 1.6, 4.1 (a user for the
container has been created) and 4.6 (HEALTHCHECK instructions have been added).
"""

import argparse
import socket
from collections.abc import Sequence
from typing import Any

from steps.engine import docker, inspect
from steps.tool import StepError, run_step


def check_image(host: str, reference: str, own_health_check: bool) -> None:
    """Refuse an image that runs as root or cannot say whether it is healthy."""
    images = inspect(host, "image", [reference])
    if not images:
        raise StepError(f"{reference} is not on the host: the pull did not bring it")
    config = images[0]["Config"]
    user = str(config.get("User") or "").split(":")[0]
    if user in ("", "0", "root"):
        raise StepError(f"{reference} runs as root (its user is {user or 'not set'}): set USER in the Dockerfile")
    test = (config.get("Healthcheck") or {}).get("Test") or []
    if (not test or test[0] == "NONE") and not own_health_check:
        raise StepError(f"{reference} has no health check: add HEALTHCHECK to the Dockerfile, or write run.health.test")


def check_name(host: str, name: str, stack: str) -> None:
    """Refuse a name that a container of somebody else has."""
    for container in inspect(host, "container", [name]):
        owner = container["Config"]["Labels"].get("io.slipway.stack")
        if owner != stack:
            raise StepError(
                f"container name {name} is taken by {container['Id'][:12]} ({owner or 'not ours'}): "
                "choose another run.name, or remove that container"
            )


def check_port(host: str, address: str, port: int, stack: str) -> None:
    """Refuse a port that something else than this stack's own container listens on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except PermissionError:
            return  # a privileged port: the engine, not this process, will bind it
        except OSError:
            _own_port(host, address, port, stack)


def _own_port(host: str, address: str, port: int, stack: str) -> None:
    ours = docker(host, "ps", "--filter", f"publish={port}", "--filter", f"label=io.slipway.stack={stack}", "--quiet")
    if not ours.strip():
        other = docker(host, "ps", "--filter", f"publish={port}", "--format", "{{.Names}}").split()
        holder = f"container {other[0]}" if other else "another process"
        raise StepError(
            f"port {address}:{port} is taken by {holder}: stop it (`ss -ltnp 'sport = :{port}'` shows it), "
            "or choose another run.ports[].host"
        )


def preflight(
    host: str, reference: str, name: str, ports: Sequence[tuple[str, int]], stack: str, own_health_check: bool
) -> dict[str, Any]:
    """Check everything; the first problem ends the step while the old container still runs."""
    check_image(host, reference, own_health_check)
    check_name(host, name, stack)
    for address, port in ports:
        check_port(host, address, port, stack)
    return {"reference": reference}


def _address(text: str) -> tuple[str, int]:
    address, _, port = text.rpartition(":")
    return address.strip("[]"), int(port)


def main() -> dict[str, Any]:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m steps.preflight", description=__doc__)
    parser.add_argument("--docker", required=True, help="address of the Docker Engine")
    parser.add_argument("--reference", required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--stack", required=True)
    parser.add_argument("--port", action="append", default=[], type=_address, metavar="ADDRESS:PORT")
    parser.add_argument("--own-health-check", action="store_true")
    it = parser.parse_args()
    return preflight(it.docker, it.reference, it.name, it.port, it.stack, it.own_health_check)


if __name__ == "__main__":
    run_step(main)
