"""Slipway: the settings of a stack in, its releases and containers, their outputs out."""

from pathlib import Path

import pulumi

import startup
from components.container import HardenedContainer
from components.host import Host
from components.promotion import Promotion
from components.proof import Proof
from components.release import Release, ReleaseArgs
from reachability import check
from settings import configuration, load


async def main() -> None:
    """Declare what the stack's configuration asks for."""
    check(settings := load(configuration(), Path.cwd()))
    guarded = pulumi.ResourceOptions(protect=settings.protects or None)
    host = Host("host", settings.host()) if settings.runs else None
    if host:
        await startup.begin(host)
    for name in settings.services:
        args = settings.release(name)
        release = Release(name, args, guarded) if isinstance(args, ReleaseArgs) else Promotion(name, args, guarded)
        outputs: dict[str, pulumi.Input[object]] = {"release": release.record}
        if host and (run := settings.container(name, release.reference)):
            container = HardenedContainer(name, run, pulumi.ResourceOptions(providers=[host.provider]))
            outputs |= {"container": container.container_id, "url": container.url}
            if proof := settings.proof(name, release.record, container.container_id, container.url):
                outputs["proved"] = Proof(name, proof, guarded).time
        pulumi.export(name, outputs)


startup.run(main)
