"""Proof: a stack's signed word that it runs a release in good health, for the stacks that take it from there."""

import json
from typing import Any, Self

import pulumi
from pydantic import Field, field_validator, model_validator

from components.arguments import Arguments, Flow
from components.registry import RegistryAccess, login_secrets
from components.secret import command_shows_credential, holds_credential
from components.signature import SigningKey, signature_flags
from components.step import Argument, result, step


class SmokeCheck(Arguments):
    """One thing that must hold of what runs: a URL that answers as expected, or a command that succeeds."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    """What the proof calls it."""
    url: str | None = Field(default=None, pattern=r"^(/|https?://)\S*$")
    """Path at the service's own URL, such as /healthz, or a whole URL."""
    status: int = Field(default=200, ge=100, le=599)
    """Status that the URL has to answer with; redirects are not followed."""
    contains: str | None = None
    """Text that has to be in the answer."""
    command: tuple[str, ...] = ()
    """Program and arguments, run once in the project's folder; SLIPWAY_URL, _REFERENCE, _CONTAINER tell what runs."""
    timeout: float = Field(default=10, gt=0, le=600)
    """Seconds for one try."""

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == "health":
            raise ValueError("the check of the container's health has that name: choose another one")
        return value

    @field_validator("url", mode="before")  # what is wrong with its form would be told with the URL itself
    @classmethod
    def _no_credential(cls, value: Any) -> Any:
        if isinstance(value, str) and holds_credential(value):
            raise ValueError(
                "a credential is in this URL, which stays in the state: write one that needs none, "
                "or a command whose program reads its secret from a file"
            )
        return value

    @field_validator("command")
    @classmethod
    def _no_secrets(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if command_shows_credential(value):
            raise ValueError("a command line can be read by others: let the program read its secret from a file")
        return value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.url is None) == (not self.command):
            raise ValueError("write either url or command")
        if self.command and (self.contains is not None or self.status != 200):
            raise ValueError("status and contains are about a url: let the command compare by itself")
        return self


class ProofPolicy(Arguments):
    """What has to pass before a stack says that it proved a release; the container's health always has to."""

    checks: tuple[SmokeCheck, ...] = ()
    """What else has to hold."""
    wait: float = Field(default=30, ge=0, le=3600)
    """Seconds until a URL has to answer as expected at last."""

    @field_validator("checks")
    @classmethod
    def _names(cls, value: tuple[SmokeCheck, ...]) -> tuple[SmokeCheck, ...]:
        if len({it.name for it in value}) < len(value):
            raise ValueError("two checks have one name: give each its own")
        return value


class ProofArgs(Arguments):
    """What runs, and who says so."""

    reference: Flow
    """What runs, in this stack's registry: `REPOSITORY@sha256:…`."""
    container: Flow
    """Id of the container, known once it is healthy."""
    url: Flow = ""
    """Where the service answers."""
    revision: Flow = "unknown"
    """Commit of the artifact's source."""
    policy: ProofPolicy = ProofPolicy()
    """What has to pass."""
    docker: str
    """Address of the Docker Engine."""
    key: SigningKey
    """The stack's own key."""
    access: RegistryAccess | None = None
    """Credentials of the stack's registry."""
    certificate_authority: str | None = None
    """PEM file with the certificate authority of the stack's registry."""


class Proof(pulumi.ComponentResource):
    """Checks what runs, then signs an attestation of it beside the release, once a digest and key.

    A smoke test that fails fails the run; what was deployed stays as it is, and is not proved.
    """

    reference: pulumi.Output[str]
    """What is proved."""
    time: pulumi.Output[str]
    """When this stack first proved it, in UTC."""

    def __init__(self, name: str, args: ProofArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Proof", name, args.properties(), opts)
        arguments: list[Argument] = ["--reference", args.reference, "--container", args.container, "--url", args.url]
        arguments += ["--project", pulumi.get_project(), "--stack", pulumi.get_stack(), "--commit", args.revision]
        arguments += ["--docker", args.docker, "--wait", f"{args.policy.wait:g}", "--checks", _checks(args.policy)]
        arguments += ["--key", args.key.key, *signature_flags(args.key.public_key, {})]
        arguments += ["--certificate-authority", args.certificate_authority] if args.certificate_authority else []
        arguments += ["--username", args.access.username] if args.access else []
        secrets = login_secrets(args.access, "registry_password")
        if args.key.password:
            secrets["password"] = args.key.password.read()
        proved = step(f"{name}-prove", "prove", arguments, self, secrets=secrets)
        self.reference, self.time = result(proved, "reference"), result(proved, "time")
        self.register_outputs({"reference": self.reference, "time": self.time})


def _checks(policy: ProofPolicy) -> str:
    return json.dumps([check.model_dump(mode="json", exclude_defaults=True) for check in policy.checks])
