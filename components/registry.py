"""How to reach a registry: its user, the secret that holds the password, its certificate authority."""

import pulumi
import pulumi_docker_build as docker_build

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


def login_secrets(access: RegistryAccess | None, key: str) -> dict[str, pulumi.Output[str]]:
    """The password under this key for a step's standard input; nothing where there are no credentials."""
    return {key: access.password.read()} if access else {}
