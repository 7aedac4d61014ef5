"""The sample's thirteen resources of the SDKs, declared by hand: no components, no settings, no checks.

One of them is the engine's provider. What a no-change `up` of it takes is what these providers and their SDKs take,
whoever declares the resources. The steps between the build and the container only hand on what they are given: without
a change none of them runs.
"""

from pathlib import Path

import pulumi
import pulumi_docker as docker
import pulumi_docker_build as docker_build
from pulumi_command import local

settings = pulumi.Config()
name, keys = settings.require("name"), Path(settings.require("keys"))
host = docker.Provider("host", host="unix:///var/run/docker.sock")
on_host = pulumi.ResourceOptions(provider=host)
built = docker_build.Image(
    "image",
    context=docker_build.BuildContextArgs(
        location=settings.require("context"),
        named={"python:3.12-slim": docker_build.ContextArgs(location=f"docker-image://{settings.require('base')}")},
    ),
    platforms=[docker_build.Platform.LINUX_AMD64, docker_build.Platform.LINUX_ARM64],
    build_args={"VERSION": "1.4.0", "REVISION": "by-hand", "CREATED": "2026-01-01T00:00:00Z"},
    secrets={
        "pip_token": pulumi.Output.secret((keys / "pip_token").read_text()),
        "ca": pulumi.Output.secret((keys / "ca.crt").read_text()),
    },
    builder=docker_build.BuilderConfigArgs(name="slipway"),
    exports=[
        docker_build.ExportArgs(raw=f"type=image,name={settings.require('repository')},push=true,push-by-digest=true")
    ],
    push=False,
    build_on_preview=False,
)


def step(step_name: str, given: pulumi.Input[str]) -> pulumi.Output[str]:
    """A command that hands on what it is given."""
    return local.Command(step_name, create='printf %s "$GIVEN"', environment={"GIVEN": given}).stdout


digest = built.digest
for each in ("scan", "signature", "evidence", "verification", "publication"):
    digest = step(each, digest)
network = docker.Network("network", name=f"{name}-network", opts=on_host)
image = docker.RemoteImage("image-on-host", name=settings.require("reference"), keep_locally=True, opts=on_host)
checked = step("preflight", image.name)
secret = step("secret", checked)
container = docker.Container(
    "container",
    name=name,
    image=secret,
    network_mode=network.name,
    read_only=True,
    cgroupns_mode="private",
    tmpfs={"/tmp": "rw,noexec,nosuid,nodev,size=64m"},
    capabilities=docker.ContainerCapabilitiesArgs(drops=["ALL"], adds=["CAP_NET_BIND_SERVICE"]),
    security_opts=["no-new-privileges:true"],
    memory=256,
    memory_swap=256,
    cpus="1.0",  # as the provider reads it back
    ulimits=[docker.ContainerUlimitArgs(name="nofile", soft=1024, hard=1024)],
    restart="unless-stopped",
    log_driver="json-file",
    log_opts={"max-size": "10m", "max-file": "3"},
    opts=on_host,
)
step("settled", container.id)
