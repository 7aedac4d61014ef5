"""Looks whether a service answers, asks the Docker Engine, and tells who holds a port that is taken."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
from pathlib import Path
from typing import Any

from toolchain.errors import ToolchainError
from toolchain.services.process import PROC, command_line

TIMEOUT = 0.5
"""Seconds that a service on this machine gets to answer a probe."""


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float = TIMEOUT) -> None:
        """Takes the socket's ``path``; every step waits ``timeout`` seconds at most."""
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connects to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def registry_answers(port: int, ca: Path | None = None, timeout: float = TIMEOUT) -> bool:
    """Tells whether a registry's API answers on loopback at ``port``, through TLS trusted by ``ca`` where given."""
    connection: http.client.HTTPConnection
    try:
        if ca is None:
            connection = http.client.HTTPConnection("localhost", port, timeout=timeout)
        else:
            context = ssl.create_default_context(cafile=str(ca))
            connection = http.client.HTTPSConnection("localhost", port, timeout=timeout, context=context)
    except (OSError, ssl.SSLError):
        return False
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/v2/")
            response = connection.getresponse()
        except (OSError, http.client.HTTPException):
            return False
        # 401: a registry that wants a password is as ready as one that does not.
        return response.status in (200, 401) and response.getheader("Docker-Distribution-Api-Version") is not None


def docker_answers(host: str, timeout: float = 2.0) -> bool:
    """Tells whether a Docker Engine answers at ``host`` (``unix://`` or ``tcp://``).

    ``ssh://`` counts as answering: only a log-in could tell.
    """
    if host.startswith("ssh://"):
        return True
    if host.startswith("unix://"):
        connection: http.client.HTTPConnection = UnixConnection(host.removeprefix("unix://"), timeout)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/_ping")
                return connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                return False
    name, _, port = host.removeprefix("tcp://").rpartition(":")
    try:
        socket.create_connection((name.strip("[]"), int(port)), timeout).close()
    except (OSError, ValueError):
        return False
    return True


def ask_engine(path: str, request: str, method: str = "GET", timeout: float = 10.0) -> Any:
    """Returns what the Docker Engine at the unix socket ``path`` answers to a GET, read from its JSON; else None.

    Raises:
        ToolchainError: it does not answer, or refuses; what is to be removed may be gone already.
    """
    what = f"the Docker Engine at {path}: {method} {request.partition('?')[0]}"
    todo = "see its log, and run the same command again once it works"
    with contextlib.closing(UnixConnection(path, timeout)) as connection:
        try:
            connection.request(method, request)
            response = connection.getresponse()
            body = response.read()
            if response.status < 400:
                return json.loads(body) if method == "GET" else None
        except (OSError, ValueError, http.client.HTTPException) as error:
            said = str(error).strip() or type(error).__name__
            raise ToolchainError(f"{what} is not answered ({said}): {todo}") from error
    if (method, response.status) == ("DELETE", 404):
        return None
    raise ToolchainError(f"{what} is refused ({response.status} {body.decode(errors='replace').strip()}): {todo}")


def socket_answers(path: Path, timeout: float = TIMEOUT) -> bool:
    """Tells whether somebody listens on the unix socket at ``path``."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as probe:
        probe.settimeout(timeout)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def port_holder(port: int) -> str | None:
    """Returns who listens on TCP ``port`` of this machine, for a message; None where the port is free."""
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for process in PROC.iterdir():
        if process.name.isdecimal() and inodes & _socket_inodes(process):
            return f"process {process.name} ({command_line(int(process.name)) or 'its name cannot be read'})"
    return "a process of another user"


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                # Fields: local address as HEX:PORT, then the remote one, then the state; 0A is LISTEN.
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(fields[9])
    return inodes


def _socket_inodes(process: Path) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    found.add(target[8:-1])
    return found
