"""Run trivy with the settings that a step gives it, and no others."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from steps.tool import run_tool


def trivy(arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run trivy without the project's trivy.yaml, which could narrow what it looks for.

    It has as long as it takes: a large image, or a database over a slow line; what it waits for has limits of its own.

    Raises:
        ToolError: it ended with another exit code than 0.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as settings:
        settings.write("{}\n")
        settings.flush()
        return run_tool(["trivy", "--config", settings.name, *arguments], environment=environment, timeout=None)
