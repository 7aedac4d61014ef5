"""What ``make status`` shows: the services of this checkout and its stacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from toolchain.environment import PRODUCTION, Project
from toolchain.services.engine import docker_host
from toolchain.services.fleet import running_services
from toolchain.services.probe import docker_answers
from toolchain.stack import stacks

SERVICES = ("quarantine", "registry", "buildkit", "docker")
ON_DEMAND = (PRODUCTION,)
"""Services that only some stacks ask for; they are listed while they run."""


def print_status(project: Project, environment: Mapping[str, str]) -> None:
    """Prints a table of services and one of stacks; asks nothing but processes, sockets and files."""
    _table(("SERVICE", "ADDRESS", "PID", "UP SINCE", "STARTED BY"), _services(project, environment))
    print()
    rows = _stacks(project)
    if rows:
        _table(("STACK", "RESOURCES", "LAST UPDATE"), rows)
    else:
        print("no stack yet: `make up` makes the first")


def _services(project: Project, environment: Mapping[str, str]) -> list[tuple[str, ...]]:
    running = {record.name: record for record in running_services(project)}
    rows: list[tuple[str, ...]] = []
    for name in (*SERVICES, *(name for name in ON_DEMAND if name in running)):
        record = running.get(name)
        if record is not None:
            rows.append((name, record.address, str(record.pid), _local(record.started), record.user))
        elif name == "docker" and docker_answers(docker_host(environment)):
            rows.append((name, docker_host(environment), "-", "-", "not this checkout"))
        else:
            rows.append((name, "-", "-", "not running", "-"))
    return rows


def _stacks(project: Project) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, deployment in stacks(project).items():
        count = len(deployment.get("resources") or [])
        rows.append((name, str(count), _local((deployment.get("manifest") or {}).get("time", ""))))
    return rows


def _local(moment: str) -> str:
    """Returns a moment in ISO 8601 as the user's clock shows it."""
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S") if moment else "-"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
