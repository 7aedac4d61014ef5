"""Health check of the container: exit code 0 when /healthz answers 200, else 1 with one line that says why.

A bare socket instead of http.client: it is a new process every time, and starts in a third of the time.
"""

from __future__ import annotations

import os
import socket
import sys

TIMEOUT = 2.0
"""Seconds for the whole check, below the three that the container's health check allows."""


def failure(host: str, port: int) -> str | None:
    """Asks /healthz once; returns None when it is well, else the reason."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT) as connection:
            connection.sendall(f"GET /healthz HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                status = answer.readline(200).split()
    except OSError as error:
        return f"no answer on {host}:{port}: {error}"
    if len(status) < 2 or not status[0].startswith(b"HTTP/1."):
        return f"no HTTP answer on {host}:{port}"
    if status[1] != b"200":
        return f"/healthz answered {status[1].decode(errors='replace')}"
    return None


if __name__ == "__main__":
    reason = failure("127.0.0.1", int(os.environ.get("DRIFTWOOD_PORT") or 8080))
    if reason is not None:
        sys.exit(f"unhealthy: {reason}")
