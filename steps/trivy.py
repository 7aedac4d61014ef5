"""Run trivy with the settings that a step gives it, and no others."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from steps.tool import run_tool


def trivy(arguments: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> str:
    """Run trivy without the project's trivy.yaml and .trivyignore, which could narrow what it looks for or shows.

    It has as long as it takes: a large image, or a database over a slow line; what it waits for has limits of its own.

    Args:
        arguments: what it is to do; where no `--ignorefile` is among them, nothing is ignored.
        environment: variables beside those of this process.

    Raises:
        ToolError: it ended with another exit code than 0.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        settings, ignored = Path(folder, "trivy.yaml"), Path(folder, "trivyignore.yaml")
        settings.write_text("{}\n")
        ignored.write_text("{}\n")
        verb, *others = arguments
        own: list[str | Path] = [] if "--ignorefile" in others else ["--ignorefile", ignored]
        return run_tool(["trivy", "--config", settings, verb, *own, *others], environment=environment, timeout=None)
