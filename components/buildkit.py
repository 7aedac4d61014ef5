"""What a builder is and what it remembers: the address of a buildx builder, BuildKit's history of its builds.

Only the standard library is imported, as by `artifact`: steps read the history, too.
Source: moby/buildkit, `buildctl debug histories --help`.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_PATIENCE = 10.0
"""Seconds for BuildKit's answer."""


def builder_endpoint(builder: str) -> str | None:
    """The address of a buildx builder of one node, from the file in which buildx keeps it."""
    folder = os.environ.get("BUILDX_CONFIG") or Path(os.environ.get("DOCKER_CONFIG") or "~/.docker", "buildx")
    try:
        instance = json.loads(Path(folder, "instances", builder.lower()).expanduser().read_text())
        return str(instance["Nodes"][0]["Endpoint"])
    except (OSError, ValueError, LookupError):
        return None


def histories(endpoint: str) -> list[dict[str, Any]]:
    """BuildKit's records of the builds that it remembers.

    Raises:
        OSError: buildctl is not there.
        subprocess.SubprocessError: BuildKit does not answer.
        ValueError, LookupError: the answer is none.
    """
    lines = buildctl(endpoint, "histories", "--format", "{{json .}}").splitlines()
    return [json.loads(line)["record"] for line in lines if line]


def version(endpoint: str) -> str:
    """BuildKit's version.

    Raises:
        OSError, subprocess.SubprocessError, LookupError: as for its records.
    """
    return buildctl(endpoint, "info").split("BuildKit:")[1].split()[1]


def created(record: Mapping[str, Any]) -> tuple[int, int]:
    """When a build began, in seconds and nanoseconds since 1970, to find the latest."""
    return _instant(record["CreatedAt"])


def moment(stamp: Mapping[str, Any]) -> str:
    """A time of a record as RFC 3339 has it, to the second."""
    return datetime.fromtimestamp(_instant(stamp)[0], UTC).isoformat().replace("+00:00", "Z")


def _instant(stamp: Mapping[str, Any]) -> tuple[int, int]:
    return int(stamp["seconds"]), int(stamp.get("nanos", 0))


def buildctl(endpoint: str, *arguments: str) -> str:
    """What `buildctl debug` prints."""
    command = ["buildctl", "--addr", endpoint, "debug", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=True)
    return ended.stdout + ended.stderr
