"""A stack's settings outside of a Pulumi program, and how its registries are reached with them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError

from components.artifact import Repository
from components.registry import PrivateRegistry, Registry
from components.secret import SecretSource, read_secret_file
from settings import Service, Settings
from steps.choose import Registries
from steps.credentials import registry_credentials
from steps.proofs import StackName
from steps.publish import explain
from steps.stacks import Stack, configuration, history, secret
from steps.tool import StepError, ToolError

_NAMESPACE = "slipway:"


@dataclass(frozen=True)
class Member:
    """A stack of the project with its settings."""

    stack: Stack
    settings: Settings

    @property
    def name(self) -> StackName:
        """The stack as statements name it."""
        return StackName(self.stack.project, self.stack.name)

    @property
    def others(self) -> list[tuple[str, Registry]]:
        """The registries of other stacks that it reads from, by the setting that says how."""
        policy = self.settings.promote
        return [("promote.registries", it) for it in policy.registries] if policy else []

    @property
    def own(self) -> list[tuple[str, Registry]]:
        """The registries that it writes to, by the setting that says how."""
        found = [("quarantine", self.settings.quarantine), ("registry", self.settings.registry)]
        return [(name, it) for name, it in found if it]

    @property
    def approvers(self) -> dict[str, str]:
        """The public key of everyone who may approve for it, by name."""
        approval = self.settings.promote.approval if self.settings.promote else None
        return dict(approval.approvers) if approval else {}

    def service(self, name: str) -> Service:
        """One of its services.

        Raises:
            StepError: there is none of that name.
        """
        if name not in self.settings.services:
            known = ", ".join(sorted(self.settings.services))
            raise StepError(f"stack {self.stack.name} has no service {name}: write one of: {known}")
        return self.settings.services[name]

    def repository(self, service: str) -> Repository:
        """Where it keeps the releases of a service."""
        return self.settings.registry.repository(self.service(service).repository)


class NoSettingsError(StepError):
    """A stack that Slipway knows nothing of: it has no settings, neither here nor in its history."""


def member(stack: Stack) -> Member:
    """The stack with the settings that its file has here, or else with those of its last update.

    Raises:
        NoSettingsError: there are none.
        StepError: there is a mistake in them.
    """
    config = _own(configuration(stack)) or _own(next((it.config for it in history(stack)), dict[str, object]()))
    if not config:
        raise NoSettingsError(
            f"stack {stack.name} has no settings of Slipway: write stacks/Pulumi.{stack.name}.yaml, or run this in the "
            "folder of the project"
        )
    try:
        return Member(stack, Settings.model_validate(config))
    except ValidationError as error:
        where = ", ".join(sorted({".".join(map(str, it["loc"])) or "the whole of it" for it in error.errors()}))
        raise StepError(
            f"stack {stack.name} has mistakes in its settings ({where}): see `pulumi preview --stack {stack.name}`"
        ) from None


def _own(config: Mapping[str, object]) -> dict[str, object]:
    """Only what is a setting: a plain value of another name is a secret that was not encrypted."""
    named = {key.removeprefix(_NAMESPACE): value for key, value in config.items() if key.startswith(_NAMESPACE)}
    return {key: value for key, value in named.items() if key in Settings.model_fields}


def password(stack: Stack, source: SecretSource) -> str:
    """The value of a secret, for the moment in which it is used.

    Raises:
        StepError: it cannot be read.
    """
    if source.config:
        return secret(stack, source.config)
    try:
        return read_secret_file(source.file or "")
    except ValueError as error:
        raise StepError(str(error)) from None


@contextmanager
def reach(members: Iterable[Member]) -> Iterator[Registries]:
    """The registries of these stacks, each with its login, for as long as they are needed.

    Raises:
        StepError: a password cannot be read; or what a registry refused meanwhile, with the setting to check.
    """
    logins: dict[str, tuple[str, str]] = {}
    authorities: dict[str, str] = {}
    names: dict[str, str] = {}
    for stack, name, registry in _own_last(list(members)):
        names[registry.address] = name
        if registry.username and registry.password:
            logins[registry.address] = (registry.username, password(stack, registry.password))
        if isinstance(registry, PrivateRegistry) and registry.certificate_authority:
            authorities[registry.address] = registry.certificate_authority
    with registry_credentials(logins, sorted(names)) as credentials:
        try:
            yield Registries(credentials, authorities)
        except ToolError as error:
            raise StepError(_explained(error, names)) from None


def _own_last(members: Sequence[Member]) -> list[tuple[Stack, str, Registry]]:
    """Every registry of these stacks: what the stack says of it whose own it is counts, not a reader of another one."""
    others = [(it.stack, name, registry) for it in members for name, registry in it.others]
    return [*others, *((it.stack, name, registry) for it in members for name, registry in it.own)]


def _explained(error: ToolError, names: Mapping[str, str]) -> str:
    """What a refusal means for the setting of the registry that it names."""
    for address, name in names.items():
        if found := re.search(rf"{re.escape(address)}/(?:v2/)?([a-z0-9][a-z0-9._/-]*[a-z0-9])?", error.output):
            nobody = Repository("registry.invalid", "any")
            return explain(error, nobody, Repository(address, _path(found[1])), name)
    return str(error)


def _path(text: str | None) -> str:
    """The repository in an address of the registry's API, or in a reference."""
    path = re.split(r"/(?:manifests|tags|blobs|referrers)/", text or "")[0]
    try:
        return Repository("registry.invalid", path).path
    except ValueError:
        return "any"
