"""How to reach a registry: its user, the secret that holds the password, its certificate authority."""

from collections.abc import Iterable
from typing import Self

import pulumi
import pulumi_docker_build as docker_build
from pydantic import field_validator, model_validator

from components.arguments import Arguments
from components.artifact import Repository
from components.secret import SecretSource


class RegistryAccess(Arguments):
    """Credentials of one registry; left out where it asks for none or the Docker credential store has them."""

    username: str
    """User name at the registry."""
    password: SecretSource
    """Password or access token, by reference."""

    def docker_build_login(self, repository: str) -> docker_build.RegistryArgs:
        """The credentials as docker-build takes them; the password stays a Pulumi secret."""
        registry = Repository.parse(repository).registry
        return docker_build.RegistryArgs(address=registry, username=self.username, password=self.password.read())


class Registry(Arguments):
    """A registry and how to log in."""

    address: str
    """Host name, with a port where it has one."""
    username: str | None = None
    """User name; left out where the registry asks for none or the Docker credential store knows."""
    password: SecretSource | None = None
    """Password or access token, by reference."""

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return Repository(value, "any").registry

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("write both username and password, or neither")
        return self

    def repository(self, path: str) -> Repository:
        """Where it keeps what has this path."""
        return Repository(self.address, path)

    def access(self) -> RegistryAccess | None:
        """The credentials, where there are any."""
        if self.username is None or self.password is None:
            return None
        return RegistryAccess(username=self.username, password=self.password)


class Quarantine(Registry):
    """Where candidates go until they have passed every gate."""

    path: str | None = None
    """Below which the candidates of all services go, such as `team/quarantine`; the registry's root if left out."""

    @field_validator("path")
    @classmethod
    def _is_path(cls, value: str | None) -> str | None:
        return value if value is None else Repository("registry.invalid", value).path

    def repository(self, path: str) -> Repository:
        """Where it keeps the candidates of what has this path."""
        return super().repository(f"{self.path}/{path}" if self.path else path)


class PrivateRegistry(Registry):
    """A registry that hosts pull from."""

    certificate_authority: str | None = None
    """PEM file of the registry's certificate authority; the system's if left out."""


def login_secrets(access: RegistryAccess | None, key: str) -> dict[str, pulumi.Output[str]]:
    """The password under this key for a step's standard input; nothing where there are no credentials."""
    return {key: access.password.read()} if access else {}


def registry_flags(registries: Iterable[Registry]) -> list[str]:
    """How a step that may meet any of these registries reaches each: users and certificate authorities by address."""
    flags: list[str] = []
    for registry in registries:
        if registry.username:
            flags += ["--login", f"{registry.address}={registry.username}"]
        if isinstance(registry, PrivateRegistry) and registry.certificate_authority:
            flags += ["--authority", f"{registry.address}={registry.certificate_authority}"]
    return flags


def registry_secrets(registries: Iterable[Registry]) -> dict[str, pulumi.Output[str]]:
    """The passwords of these registries for a step's standard input, by address."""
    return {it.address: it.password.read() for it in registries if it.password}
