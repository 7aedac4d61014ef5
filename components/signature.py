"""Signature and Verification: cosign signs a candidate, and what verifies is handed on."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import pulumi
from pydantic import Field, field_validator

from components.arguments import Arguments, Flow, LiteralPath
from components.registry import RegistryAccess, login_secrets
from components.secret import SecretSource
from components.step import result, step


class SigningKey(Arguments):
    """A key pair, by file or in a key management service."""

    key: LiteralPath
    """Private key: path of a file, or a reference such as awskms://…, azurekms://…, gcpkms://…, hashivault://…."""
    public_key: LiteralPath
    """Public key: path of a file, or the same reference."""
    password: SecretSource | None = None
    """Password of a key file, by reference; it reaches cosign through standard input."""

    @field_validator("key", "public_key")
    @classmethod
    def _is_no_key(cls, value: str) -> str:
        if "\n" in value or "-----" in value:
            raise ValueError("a key itself stands here: write the path of its file")
        return value


class SignatureArgs(Arguments):
    """A candidate, the key, and what the signature says."""

    reference: Flow
    """The candidate that passed the scan."""
    key: SigningKey
    """The key pair."""
    annotations: dict[str, str] = Field(min_length=1)
    """What the signature says about the artifact: the repository of the release and its version."""
    registry: RegistryAccess | None = None
    """Credentials of the quarantine registry where it asks for them."""


class Signature(pulumi.ComponentResource):
    """Signs the index and each platform's manifest with cosign, once a digest and key."""

    reference: pulumi.Output[str]
    """The candidate that is signed."""

    def __init__(self, name: str, args: SignatureArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Signature", name, args.properties(), opts)
        secrets = login_secrets(args.registry, "registry_password")
        if args.key.password:
            secrets["password"] = args.key.password.read()
        arguments = ["--reference", args.reference, "--key", args.key.key]
        arguments += signature_flags(args.key.public_key, args.annotations) + _login(args.registry)
        signed = step(f"{name}-cosign", "sign", arguments, self, secrets=secrets)
        self.reference = result(signed, "reference")
        self.register_outputs({"reference": self.reference})


class VerificationArgs(Arguments):
    """A signed candidate with its evidence, and what its signature must say."""

    reference: Flow
    """The signed candidate whose evidence is complete."""
    public_key: str
    """Public key: path of a file, or the reference of a key management service."""
    annotations: dict[str, str] = Field(min_length=1)
    """What the signature must say."""
    registry: RegistryAccess | None = None
    """Credentials of the quarantine registry where it asks for them."""


class Verification(pulumi.ComponentResource):
    """Verifies signatures and evidence of the index and each platform: the last gate before publication.

    A candidate that lacks an attestation by this key does not pass, whoever else attested it.
    """

    reference: pulumi.Output[str]
    """The candidate that verified; publication takes this and nothing else."""

    def __init__(self, name: str, args: VerificationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Verification", name, args.properties(), opts)
        arguments = ["--reference", args.reference]
        arguments += signature_flags(args.public_key, args.annotations) + _login(args.registry)
        secrets = login_secrets(args.registry, "registry_password")
        verified = step(f"{name}-cosign", "verify", arguments, self, secrets=secrets)
        self.reference = result(verified, "reference")
        self.register_outputs({"reference": self.reference})


def signature_flags(public_key: str, annotations: Mapping[str, Flow]) -> list[Flow]:
    """Which signature a step is to ask for; a new key in the same file shows as a change, by its fingerprint."""
    flags: list[Flow] = ["--public-key", public_key]
    if fingerprint := _fingerprint(public_key):
        flags += ["--fingerprint", fingerprint]
    said = {name: annotations[name] for name in sorted(annotations)}
    return flags + [part for name, value in said.items() for part in ("--annotation", _pair(name, value))]


def _pair(name: str, value: Flow) -> Flow:
    return f"{name}={value}" if isinstance(value, str) else pulumi.Output.concat(name, "=", value)


def _fingerprint(public_key: str) -> str | None:
    """Of a key file; None for a key management service, and for a file that cosign will not find either."""
    try:
        return f"sha256:{hashlib.sha256(Path(public_key).read_bytes()).hexdigest()[:16]}"
    except OSError:
        return None


def _login(registry: RegistryAccess | None) -> list[Flow]:
    return ["--username", registry.username] if registry else []
