"""The Docker Engine: the machine's own where one answers, else one that is started here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from toolchain.environment import Project
from toolchain.errors import ToolchainError
from toolchain.services import process
from toolchain.services.probe import ask_engine, docker_answers
from toolchain.services.service import Report, Service, ensure_running
from toolchain.stack import read_checkpoint

SOCKET = Path("/var/run/docker.sock")


def docker_host(environment: Mapping[str, str]) -> str:
    """Returns where the engine is looked for: DOCKER_HOST, else the default socket."""
    return environment.get("DOCKER_HOST") or f"unix://{SOCKET}"


def ensure_engine(project: Project, environment: Mapping[str, str], report: Report) -> str:
    """Makes sure that a Docker Engine answers, and returns its address.

    Raises:
        ToolchainError: DOCKER_HOST names an engine that does not answer, or one must be started without root.
    """
    host = docker_host(environment)
    if docker_answers(host):
        return host
    if environment.get("DOCKER_HOST"):
        raise ToolchainError(
            f"docker: no engine answers at DOCKER_HOST ({host}): start it, or unset DOCKER_HOST to use the local one"
        )
    if SOCKET.exists() and not os.access(SOCKET, os.W_OK):
        raise ToolchainError(
            f"docker: {SOCKET} is not open to you: ask the administrator to add you to the group docker, "
            "then log in anew"
        )
    if os.geteuid() != 0:
        raise ToolchainError(
            "docker: no Docker Engine answers, and only root can start one: ask the administrator for "
            "`systemctl enable --now docker`, or set DOCKER_HOST to an engine that you may use"
        )
    ensure_running(engine(project), environment, report)
    return host


def engine(project: Project) -> Service:
    """Returns the Docker Engine with its own defaults and paths, its log among those of the services."""
    return Service(
        name="docker",
        folder=project.services / "docker",
        address=f"unix://{SOCKET}",
        argv=("dockerd",),
        package="docker.io",
        ready=lambda: docker_answers(f"unix://{SOCKET}"),
        configuration="",
        deadline=60.0,
        grace=30.0,
    )


def foreign_containers(project: Project) -> list[str]:
    """Returns the names of running containers that no stack of this checkout's backend holds.

    Raises:
        ToolchainError: the engine does not tell which containers run.
    """
    containers = ask_engine(str(SOCKET), "/containers/json")
    states = states_text(project)
    return [item["Names"][0].lstrip("/") for item in containers if item["Id"] not in states]


def states_text(project: Project) -> str:
    """Returns the states of all stacks in the checkout's backend, compressed ones too, as one text to search in."""
    return "".join(map(read_checkpoint, project.state_files))


def stop_engine(project: Project, report: Report) -> bool:
    """Ends the engine that this checkout started, unless a container of anybody else runs in it.

    Returns:
        False where it was left running, or was not ours.
    """
    service = engine(project)
    record = process.read_record(service.folder)
    if record is None or not record.alive():
        return False
    others = foreign_containers(project)
    if others:
        report(
            f"docker: left running, because containers run in it that are not of this checkout's stacks: "
            f"{', '.join(others)}; stop them and run `make down` again"
        )
        return False
    return process.stop(record, grace=service.grace)
