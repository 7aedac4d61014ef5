"""Docker's command line for tests: a shell script that answers as the engine would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import ToolMaker

HOST = "unix:///run/docker.sock"
STACK = "driftwood/slipway/dev"
REFERENCE = "localhost:5443/driftwood/web@sha256:" + "1f" * 32
CONTAINER = "c0ffee" * 10
DOWN = "Cannot connect to the Docker daemon at unix:///run/docker.sock. Is the docker daemon running?"
CHECK = {"Test": ["CMD", "python", "healthcheck.py"], "Interval": 30_000_000_000, "Timeout": 3_000_000_000}


def docker(tool: ToolMaker, **answers: Any) -> Path:
    """A docker whose commands (image, container, ps, …) print these answers, or run these shell words."""
    cases = "\n".join(
        f"{verb}) {answer if isinstance(answer, str) else f'''printf '%s' '{json.dumps(answer)}' '''};;"
        for verb, answer in answers.items()
    )
    return tool("docker", f'shift 2; case $1 in\n{cases}\n*) echo "Error: No such object: $2" >&2; exit 1;; esac')


def image(user: str = "app", health: dict[str, Any] | None = CHECK) -> list[dict[str, Any]]:
    """What the engine says of an image."""
    return [{"Config": {"User": user, "Healthcheck": health}}]
