"""HardenedContainer: a release, by digest, in a container with everything locked down that it does not need."""

import json
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any, TypeVar

import pulumi
import pulumi_docker as docker
from pulumi_command import local

from components.arguments import Arguments, Flow
from components.host import Host, HostArgs
from components.run import Run, spelled
from components.step import command_line, result, step

_BLOCKS = ["mounts", "capabilities", "ulimits", "healthcheck", "ports", "labels", "tmpfs"]
"""What a container is made with: the provider takes a change inside of one for an update, and then does nothing."""
_Label = TypeVar("_Label", docker.ContainerLabelArgs, docker.NetworkLabelArgs)


class HardenedContainerArgs(Arguments):
    """A release and how to run it."""

    reference: Flow
    """The published artifact, `REPOSITORY@sha256:…`."""
    run: Run
    """Limits, ports, secret files, logs."""
    host: HostArgs
    """Where it runs; without a docker provider of a Host in its options, the container brings a Host of its own."""


class HardenedContainer(pulumi.ComponentResource):
    """Runs one release by digest: read-only root, no capability but those listed, no new privileges, bounded.

    It has a bridge network of its own, the engine's default seccomp and AppArmor profiles, no namespace of the host,
    and secrets as files. `up` waits until the health check passes. Plain Docker restarts no unhealthy container.
    Source: CIS Docker Benchmark 1.6, section 5; where this one deviates: 5.15, restart unless-stopped.
    """

    reference: pulumi.Output[str]
    """What runs, `REPOSITORY@sha256:…`."""
    container_id: pulumi.Output[str]
    """Id of the container, known once it is healthy."""
    url: pulumi.Output[str]
    """URL of its first port; empty without one."""

    def __init__(self, name: str, args: HardenedContainerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:HardenedContainer", name, args.properties(), opts)
        stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        engine = self._docker(name, args)
        # What is on one engine is not on another: where the engine changes, all of it goes and is made anew.
        on_host = self._child(provider=engine, replace_with=[engine])
        image = docker.RemoteImage(
            f"{name}-pull", name=args.reference, keep_locally=True, pull_triggers=[args.reference], opts=on_host
        )
        network = docker.Network(
            # Without a name of ours each network gets one of its own: a new one never takes the old container away
            # before the checks have passed.
            f"{name}-network",
            labels=self._labels(
                docker.NetworkLabelArgs, stack, engine, f"docker:index/network:Network::{name}-network"
            ),
            # This component is declared once the release is known, and the provider takes 2 s for a network: as the
            # engine's own child it is made beside the build.
            opts=pulumi.ResourceOptions(parent=engine, provider=engine, replace_with=[engine]),
        )
        checked = step(f"{name}-preflight", "preflight", _preflight(name, args, image, network, stack), self)
        secrets = self._secret_files(name, args, stack, checked)
        container = docker.Container(
            f"{name}-container",
            image=result(checked, "reference"),
            labels=self._labels(
                docker.ContainerLabelArgs, stack, self, f"docker:index/container:Container::{name}-container"
            ),
            network_mode=network.name,  # networks_advanced would make it on docker0 first, and still say "bridge"
            mounts=[_mount(path) for path, _ in secrets],
            healthcheck=result(checked, "health"),
            **_limits(args.run),
            **_lockdown(args.run),
            opts=self._child(
                provider=engine,
                replace_with=[engine],
                delete_before_replace=True,  # name and ports cannot be held twice
                replace_on_changes=_BLOCKS,
                depends_on=[secret for _, secret in secrets],
            ),
        )
        settled = step(f"{name}-settle", "settle", _settle(args, container), self)
        self.reference = container.image
        self.container_id = result(settled, "container")
        self.url = self.container_id.apply(lambda _: _url(args.run))
        outputs = {"reference": self.reference, "container_id": self.container_id, "url": self.url}
        self.register_outputs(outputs)

    def _docker(self, name: str, args: HardenedContainerArgs) -> pulumi.ProviderResource:
        """The docker provider of the caller's Host, or of one of its own.

        Another language has none to give: a provider is no output of a component.
        """
        given = self.get_provider("docker:index/container:Container")
        return given or Host(f"{name}-host", args.host, self._child()).provider

    def _child(self, **options: Any) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, **options)

    @staticmethod
    def _labels(label: Callable[..., _Label], stack: str, parent: pulumi.Resource, child: str) -> list[_Label]:
        """The stack and the URN of a child: what was created but never recorded can be recognized by them."""
        # Without the dependency that a URN carries: of a component, it would be one on the child itself.
        above = pulumi.Output(set(), parent.urn.future(), parent.urn.is_known())
        urn = above.apply(lambda text: f"{str(text).rpartition('::')[0]}${child}")
        return [label(label="io.slipway.stack", value=stack), label(label="io.slipway.urn", value=urn)]

    def _secret_files(
        self, name: str, args: HardenedContainerArgs, stack: str, checked: local.Command
    ) -> list[tuple[str, local.Command]]:
        """The secret files by path: written only once every gate and check before the container has passed."""
        files = []
        # By service and container: what another service leaves behind is never the file of this one.
        folder = PurePosixPath(args.host.secrets_directory, stack.replace("/", "."), f"{name}@{args.run.name}")
        for key, source in args.run.secrets.items():
            path = str(folder / key)
            written = local.Command(
                f"{name}-secret-{key}",
                create=command_line("secret_file", ["write", "--path", path, "--owner", str(args.run.secrets_owner)]),
                delete=command_line("secret_file", ["remove", "--path", path]),
                stdin=source.read(),
                triggers=[path],
                logging=local.Logging.STDERR,
                # A file at another path comes first: the old container may need its own once more.
                opts=self._child(depends_on=[checked]),
            )
            files.append((path, written))
        return files


def _preflight(
    name: str, args: HardenedContainerArgs, image: docker.RemoteImage, network: docker.Network, stack: str
) -> list[Flow]:
    arguments: list[Flow] = ["--docker", args.host.docker, "--reference", image.name, "--network", network.name]
    arguments += ["--name", args.run.name, "--stack", stack, "--service", name]
    for port in args.run.ports:
        address = f"[{port.address}]" if ":" in port.address else port.address
        arguments += ["--port", f"{address}:{port.host}"]
    if owner := args.run.needs.secrets_owner:
        arguments += ["--files-owner", str(owner)]
    changes = args.run.health.model_dump(exclude={"test", "wait"}, exclude_none=True)
    if args.run.health.test:
        changes["tests"] = args.run.health.test
    return [*arguments, "--health", json.dumps(changes)] if changes else arguments


def _settle(args: HardenedContainerArgs, container: docker.Container) -> list[Flow]:
    arguments: list[Flow] = ["--docker", args.host.docker, "--container", container.id]
    # The provider changes the limit of memory in a container that is there: then its health is another question, too.
    arguments += ["--pids", str(args.run.pids), "--memory", str(args.run.memory)]
    return [*arguments, "--timeout", f"{args.run.health.wait:g}"]


def _limits(run: Run) -> dict[str, Any]:
    return {
        "name": run.name,
        "memory": run.memory,
        "memory_swap": run.memory,  # equal: no swap on top
        "cpus": spelled(run.cpus),
        "ulimits": [{"name": "nofile", "soft": run.open_files, "hard": run.open_files}],
        "log_driver": run.logs.driver,
        "log_opts": run.logs.log_options(),
        "stop_timeout": run.stop_timeout,
        "destroy_grace_seconds": run.stop_timeout,
        "restart": "unless-stopped",
    }


def _lockdown(run: Run) -> dict[str, Any]:
    return {
        "read_only": run.read_only,
        "capabilities": {"drops": ["ALL"], "adds": [f"CAP_{name}" for name in sorted(run.capabilities)]},
        "security_opts": ["no-new-privileges:true"],
        "privileged": False,
        "cgroupns_mode": "private",  # an engine on a host with cgroups of version 1 would share the host's
        "tmpfs": run.temporary,
        "envs": [f"{key}={value}" for key, value in sorted(run.environment.items())],
        # The provider reads them back in this order: another one would replace the container at every `up`.
        "ports": [
            {"internal": port.container, "external": port.host, "ip": port.address}
            for port in sorted(run.ports, key=lambda port: port.container)
        ],
    }


def _mount(path: str) -> docker.ContainerMountArgs:
    target = f"/run/secrets/{PurePosixPath(path).name}"
    return docker.ContainerMountArgs(type="bind", source=path, target=target, read_only=True)


def _url(run: Run) -> str:
    if not run.ports:
        return ""
    port = run.ports[0]
    # A container that listens on every address is opened on this machine's own.
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(port.address, port.address)
    return f"http://[{address}]:{port.host}" if ":" in address else f"http://{address}:{port.host}"
