"""One embedded service: how it is started, when it is ready, how it is ended."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.services import process
from toolchain.services.probe import port_holder
from toolchain.services.process import ServiceRecord

Report = Callable[[str], None]
"""Takes one line of progress for a person."""


@dataclass(frozen=True)
class Service:
    """How to run one service.

    Attributes:
        name: the service, and its folder below ``.slipway/services``.
        folder: absolute path of that folder.
        address: where it listens, for people.
        argv: its program and arguments; the program is looked up on the environment's PATH.
        package: the Debian package that holds the program, for the message where it is missing.
        ready: tells whether it answers.
        configuration: text of what it was configured with; a change of it starts the service anew.
        port: TCP port on loopback, None for a unix socket.
        port_variable: the environment variable that moves the port.
        variables: environment variables of its own.
        deadline: seconds that it gets to become ready.
        grace: seconds that it gets to end before it is killed.
    """

    name: str
    folder: Path
    address: str
    argv: tuple[str, ...]
    package: str
    ready: Callable[[], bool]
    configuration: str
    port: int | None = None
    port_variable: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 20.0
    grace: float = 10.0

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides how the service runs."""
        variables = (f"{name}={value}" for name, value in sorted(self.variables.items()))
        return hashlib.sha256("\0".join((*variables, *self.argv, self.configuration)).encode()).hexdigest()[:16]


def ensure_running(service: Service, environment: Mapping[str, str], report: Report) -> ServiceRecord:
    """Makes sure that ``service`` runs as configured, and returns its record.

    Raises:
        ToolchainError: its program is missing, its port is taken, it ended, or it was not ready in time.
    """
    service.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    record = process.read_record(service.folder)
    if record is not None and record.alive():
        if record.fingerprint == service.fingerprint:
            _wait(service, record, None)
            return record
        report(f"{service.name}: configuration changed, starting it anew")
        process.stop(record, grace=service.grace)
    program = shutil.which(service.argv[0], path=environment.get("PATH"))
    if program is None:
        raise ToolchainError(f"{service.name}: {service.argv[0]} is not on PATH: apt-get install {service.package}")
    _refuse_taken_port(service)
    started = time.monotonic()
    record, child = process.start_detached(
        service.folder,
        service.name,
        (program, *service.argv[1:]),
        address=service.address,
        fingerprint=service.fingerprint,
        environment={**environment, **service.variables},
    )
    _wait(service, record, child)
    report(f"{service.name}: ready at {service.address} after {time.monotonic() - started:.1f} s (pid {record.pid})")
    return record


def _refuse_taken_port(service: Service) -> None:
    if service.port is None:
        return
    holder = port_holder(service.port)
    if holder is not None:
        # Those below come last, for a port with no other above it.
        others = [*range(service.port + 100, 65536, 100), *range(service.port - 100, 1023, -100)]
        free = next((port for port in others if port_holder(port) is None), "PORT")
        raise ToolchainError(
            f"{service.name}: port {service.port} is taken by {holder}: end it, or set {service.port_variable} to a "
            f"free port, for example {service.port_variable}={free}"
        )


def _wait(service: Service, record: ServiceRecord, child: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + service.deadline
    pause = 0.02
    while not service.ready():
        ended = child.poll() is not None if child is not None else not record.alive()
        if ended or time.monotonic() > deadline:
            seen = "ended at once" if ended else f"did not answer within {service.deadline:.0f} s"
            if child is not None:
                process.stop(record, grace=service.grace)
            tail = process.log_tail(service.folder)
            raise ToolchainError(
                f"{service.name}: {seen} (at {service.address}); the end of {service.folder / 'log'}:\n{tail}\n"
                f"Mend what it says, then run the same command again"
                + ("" if child is not None else f"; `make down` ends the process that hangs (pid {record.pid})")
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 0.25)
