"""Ask a Docker Engine through its own command line."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from steps.tool import PATIENCE, StepError, ToolError, run_tool

STACK_LABEL = "io.slipway.stack"
"""The label of a container that says which stack it belongs to."""


def docker(host: str, *arguments: str, both: bool = False, timeout: float | None = PATIENCE) -> str:
    """Run one docker command against the engine at `host`; with `both`, its standard error is part of the result.

    Args:
        host: address of the engine.
        arguments: the command.
        both: return its standard error too.
        timeout: seconds that it may take; None for what may take long.

    Raises:
        StepError: the engine does not answer.
        ToolError: the engine refuses.
    """
    try:
        return run_tool(["docker", "--host", host, *arguments], both=both, timeout=timeout)
    except ToolError as error:
        if "Cannot connect to the Docker daemon" in error.output:
            raise StepError(
                f"the Docker Engine at {host} does not answer: start it, or correct the setting `docker`"
            ) from None
        raise


def inspect(host: str, kind: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """What the engine knows about containers, images or networks; a name that it does not know is left out."""
    try:
        found: list[dict[str, Any]] = json.loads(docker(host, kind, "inspect", *names))
    except ToolError as error:
        if not re.search(r"no such|network \S+ not found", error.output, re.IGNORECASE):
            raise
        return []
    return found


def lack_of_memory(container: Mapping[str, Any]) -> str | None:
    """That the kernel has killed a process of a container for its memory limit, and what to do; None where it has not.

    Args:
        container: what the engine knows about it.
    """
    if not container["State"].get("OOMKilled"):
        return None
    limit = container["HostConfig"].get("Memory", 0) // 2**20
    return f"a process in it was killed for lack of memory (run.memory is {limit} MiB): raise it"
