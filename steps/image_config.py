"""What an image's own configuration has to say so that a container of this stack runs it.

Asked of a candidate before it is signed, and once more on the host, where a digest may have come another way.
Sources: CIS Docker Benchmark 1.6, 4.1 (a user for the container has been created) and 4.6 (HEALTHCHECK instructions
have been added); OCI image-spec, "Image Configuration", config.User.
"""

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from steps.tool import StepError


@dataclass(frozen=True)
class Needs:
    """What a container asks of its image, beside a user other than root."""

    health_check: bool = True
    """Whether the image has to bring the health check."""
    secrets_owner: int | None = None
    """Numeric id of the user who may read the secret files; None where there are none."""


def shortcomings(config: Mapping[str, Any], needs: Needs) -> Iterator[str]:
    """Why the container would be refused or could not start, each a sentence's end with what to do.

    Args:
        config: the image's configuration, as the engine and trivy show it: `User`, `Healthcheck`.
        needs: what the container asks.
    """
    user = str(config.get("User") or "").partition(":")[0]
    number = int(user) if re.fullmatch(r"[+-]?[0-9]+", user) else None
    if user in ("", "root") or number == 0:
        yield f"runs as root (its user is {user or 'not set'}): set USER in the Dockerfile"
    elif number is not None and needs.secrets_owner not in (None, number):
        yield (
            f"runs as user {number}, who cannot read the secret files of user {needs.secrets_owner}: "
            f"write run.secrets_owner: {number}"
        )
    tests = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    if needs.health_check and tests[0] == "NONE":
        yield "has no health check: add HEALTHCHECK to the Dockerfile, or write run.health.test"


def unfit(name: str, reports: Mapping[str, Mapping[str, Any]], needs: Needs) -> list[str]:
    """The shortcomings of an index, each told once with the platforms that have it where those are not all.

    Args:
        name: what the index is called.
        reports: trivy's report by platform; the image's configuration is in it, so nothing is read once more.
        needs: what the container asks.

    Raises:
        StepError: a report does not have the configuration.
    """
    found: dict[str, list[str]] = {}
    for platform, report in reports.items():
        try:
            config = report["Metadata"]["ImageConfig"]["config"]
        except (LookupError, TypeError):
            raise StepError(
                f"trivy's report on {name} for {platform} does not have the image's configuration, which says whether "
                "it can be run: install the trivy that toolchain/pins.toml names"
            ) from None
        for problem in shortcomings(config, needs):
            found.setdefault(problem, []).append(platform)
    return [
        f"{name} {problem}" if len(platforms) == len(reports) else f"{name} for {', '.join(platforms)} {problem}"
        for problem, platforms in found.items()
    ]


def add_needs_flags(parser: argparse.ArgumentParser) -> None:
    """What the container asks of the image, where one is to run it."""
    parser.add_argument("--to-run", action="store_true", help="refuse an image that the container would be refused for")
    parser.add_argument("--own-health-check", action="store_true", help="the container brings a health check")
    # A flag that is called after secrets would be a secret on a command line to the policy pack.
    parser.add_argument("--files-owner", type=int, help="numeric id of the user who may read the secret files")


def needs_of(request: argparse.Namespace) -> Needs | None:
    """What the flags ask; None where nothing is to run the image."""
    if not request.to_run:
        return None
    return Needs(not request.own_health_check, request.files_owner)
