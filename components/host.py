"""Host: where a container runs; today the Docker Engine of this machine, reached by its socket."""

from pathlib import PurePosixPath

import pulumi
import pulumi_docker as docker
from pydantic import Field, field_validator

from components.arguments import Arguments
from components.docker_login import has_login
from components.registry import RegistryAccess


class Engine(Arguments):
    """A Docker Engine and where its host keeps the workloads' secrets."""

    docker: str = Field(default="unix:///var/run/docker.sock", pattern=r"^unix:///.+$")
    """Address of the Docker Engine."""
    secrets_directory: str = "/var/lib/slipway/secrets"
    """Folder on the host for the workloads' secret files; outside of every project, it survives a restart."""

    @field_validator("secrets_directory")
    @classmethod
    def _absolute(cls, value: str) -> str:
        path = PurePosixPath(value)
        if not path.is_absolute() or ".." in path.parts or path == PurePosixPath("/"):
            raise ValueError("write an absolute path without .., such as /var/lib/slipway/secrets")
        return str(path)


class HostArgs(Engine):
    """A Docker Engine and what it needs to pull from the private registry."""

    registry: str
    """Address of the private registry, `HOST[:PORT]`."""
    access: RegistryAccess | None = None
    """Credentials of the private registry; without any, those of the user's Docker configuration."""


class Host(pulumi.ComponentResource):
    """One Docker Engine: its provider with the registry's credentials, shared by all containers on it."""

    docker: pulumi.Output[str]
    """Address of the Docker Engine."""
    secrets_directory: pulumi.Output[str]
    """Folder on the host for secret files."""

    def __init__(self, name: str, args: HostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Host", name, args.properties(), opts)
        login = []
        if args.access:
            password = args.access.password.read()
            username = args.access.username
            login = [docker.ProviderRegistryAuthArgs(address=args.registry, username=username, password=password)]
        elif has_login(args.registry):  # the provider looks up only what it is told of
            login = [docker.ProviderRegistryAuthArgs(address=args.registry)]
        self.args = args
        self.provider = docker.Provider(
            f"{name}-docker",
            host=args.docker,
            registry_auth=login,
            # Another engine is another host: what is on the first one is taken down there, see HardenedContainer.
            opts=pulumi.ResourceOptions(parent=self, replace_on_changes=["host"]),
        )
        self.docker = pulumi.Output.from_input(args.docker)
        self.secrets_directory = pulumi.Output.from_input(args.secrets_directory)
        self.register_outputs({"docker": self.docker, "secrets_directory": self.secrets_directory})
