"""Slipway: the settings of a stack in, its releases and containers, their outputs out."""

import sys
from pathlib import Path

import pulumi

from components.container import HardenedContainer, HardenedContainerArgs
from components.host import Host
from components.release import Release
from reachability import check
from settings import configuration, load

SHOWN = 32
"""The exit code with which a program tells Pulumi that its message was shown, and that there is nothing to add."""


def main() -> None:
    """Declare what the stack's configuration asks for."""
    settings = load(configuration(), Path.cwd())
    check(settings)
    stack = pulumi.get_stack()
    runs = any(service.run for service in settings.services.values())
    host = Host("host", settings.host()) if runs else None
    for name, service in settings.services.items():
        release = Release(name, settings.release(name, stack))
        outputs: dict[str, pulumi.Input[object]] = {"release": release.record}
        if service.run and host:
            args = HardenedContainerArgs(reference=release.reference, run=service.run, host=settings.host())
            container = HardenedContainer(name, args, pulumi.ResourceOptions(providers=[host.provider]))
            outputs |= {"container": container.container_id, "url": container.url}
        pulumi.export(name, outputs)


try:
    main()
except pulumi.RunError as error:
    pulumi.log.error(str(error))
    sys.exit(SHOWN)
