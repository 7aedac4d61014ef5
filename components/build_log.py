"""The last lines of a failed build: what BuildKit kept of it, shown where Pulumi shows the error.

A build's progress is passing news to Pulumi: a terminal shows each line until the next one comes, and the last ones of
a failed step may be lost. BuildKit keeps the log of every build, so it is asked for the failed step's own words.
Source: moby/buildkit, `buildctl debug histories --help`, `buildctl debug logs --help`.
"""

import subprocess
from collections.abc import Callable, Mapping
from typing import Any

import pulumi

from components.buildkit import buildctl, builder_endpoint, created, histories

_LAST_LINES = 20
_RULE = "------"
"""What BuildKit's plain log puts around the last lines of the step that failed."""


def show_failed_step(name: str, repository: str, builder: str | None) -> pulumi.ErrorHook | None:
    """A hook that shows the last lines of a build's failed step; None where the builder's log cannot be read.

    Args:
        name: name of the hook, one for each build.
        repository: where the build pushes to; its record is found by it.
        builder: name of the buildx builder.
    """
    endpoint = builder_endpoint(builder) if builder else None
    if endpoint is None:
        return None
    return pulumi.ErrorHook(name, _hook(endpoint, repository))


def _hook(endpoint: str, repository: str) -> Callable[[pulumi.ErrorHookArgs], bool]:
    def show(_: pulumi.ErrorHookArgs) -> bool:
        if lines := failed_step(endpoint, repository):
            pulumi.log.error("\n".join(["the last lines of the step that failed:", *lines]))
        return False  # the same build would fail again

    return show


def failed_step(endpoint: str, repository: str) -> list[str]:
    """The last lines of the step that failed in the latest build for a repository; none where nothing is known."""
    try:
        failed = [it for it in histories(endpoint) if "error" in it and _pushes_to(it, repository)]
        if not failed:
            return []
        log = buildctl(endpoint, "logs", "--progress=plain", max(failed, key=created)["Ref"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError):
        return []  # the build's own error is shown in any case
    lines = log.splitlines()
    rules = [at for at, line in enumerate(lines) if line == _RULE]
    if len(rules) < 2:
        return []
    # A cache that is not there yet has failed, too, and stands before the step.
    return [f"  {line}" for line in lines[rules[-2] + 1 : rules[-1]][-_LAST_LINES:]]


def _pushes_to(record: Mapping[str, Any], repository: str) -> bool:
    return any(exporter.get("Attrs", {}).get("name") == repository for exporter in record.get("Exporters") or ())
