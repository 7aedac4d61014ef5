"""Evidence: what is known about a candidate, signed: its vulnerabilities, what it is made of, where it comes from."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pulumi
from pydantic import field_validator

from components.arguments import Arguments, Flow
from components.image import ImageArgs, bases_of
from components.registry import login_secrets
from components.secret import refuse_secrets
from components.signature import SigningKey, signature_flags
from components.step import result, step
from components.tree import top_level

BUILD_TYPE = "urn:slipway:build-type:dockerfile:1"
"""How the parameters of a build are to be read: docs/evidence.md says it."""


class EvidenceArgs(Arguments):
    """A signed candidate, and what there is to say about it."""

    reference: Flow
    """The candidate that is scanned and signed."""
    image: ImageArgs
    """What it was built from."""
    revision: str
    """Commit of the source as the build got it, with `-dirty` where the tree was changed; `unknown` outside of git."""
    arguments: dict[str, str] = {}
    """All build arguments as the build got them; never a secret."""
    key: SigningKey
    """Who attests: the key pair that signs."""
    reports: str
    """Folder with the reports that the scan kept, relative to the project."""

    @field_validator("arguments")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        refuse_secrets(value, ", and provenance is read by others: move it to image.secrets")
        return value


class Evidence(pulumi.ComponentResource):
    """Attests what was found in each platform and where the index comes from, once a digest and key.

    On each platform's manifest: the vulnerability report that the scan kept (cosign's predicate), and an SBOM of the
    same packages (CycloneDX). On the index: provenance (SLSA 1.0), which states what was observed; it is Build L1.
    """

    reference: pulumi.Output[str]
    """The candidate whose evidence is complete."""
    provenance: pulumi.Output[str]
    """A mark of its provenance, another one where other inputs have come to the same digest; empty in older states."""

    def __init__(self, name: str, args: EvidenceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Evidence", name, args.properties(), opts)
        registry = args.image.registry
        secrets = login_secrets(registry, "registry_password")
        if args.key.password:
            secrets["password"] = args.key.password.read()
        arguments = ["--reference", args.reference, "--key", args.key.key, *signature_flags(args.key.public_key, {})]
        arguments += ["--reports", args.reports, "--build", json.dumps(build_definition(args), sort_keys=True)]
        arguments += ["--builder", args.image.builder] if args.image.builder else []
        arguments += ["--username", registry.username] if registry else []
        attested = step(f"{name}-cosign", "attest", arguments, self, secrets=secrets)
        self.reference = result(attested, "reference")
        self.provenance = attested.stdout.apply(lambda line: str(json.loads(line).get("provenance", "")))
        self.register_outputs({"reference": self.reference, "provenance": self.provenance})


def build_definition(args: EvidenceArgs) -> dict[str, Any]:
    """The inputs of the build as SLSA's build definition; the same for each build of the same inputs.

    Nothing in it is a time or this machine's alone: it stands on a command line, and a difference would be a change.
    """
    image = args.image
    parameters: dict[str, Any] = {
        "context": _in_its_repository(image.context),
        "dockerfile": image.dockerfile,
        "platforms": list(image.platforms),
        "arguments": args.arguments,
        "secrets": sorted(image.secrets),  # their names
    }
    if image.target:
        parameters["target"] = image.target
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": parameters,
        "resolvedDependencies": [*_source(args), *_dockerfile(image), *_bases(args)],
    }


def _in_its_repository(context: str) -> str:
    """The folder of the source; an absolute path names one machine's, so it begins at the top of its repository."""
    top = top_level(Path(context)) if Path(context).is_absolute() else None
    return str(Path(context).resolve().relative_to(top)) if top else context


def _source(args: EvidenceArgs) -> list[dict[str, Any]]:
    commit, _, dirty = args.revision.partition("-")
    if commit == "unknown":
        return []
    source: dict[str, Any] = {"name": "source", "digest": {"gitCommit": commit}, "annotations": {"dirty": bool(dirty)}}
    if args.image.source:  # else the step asks git, whose answer may differ from one clone to the next
        source["uri"] = f"git+{args.image.source.removeprefix('git+')}"
    return [source]


def _dockerfile(image: ImageArgs) -> list[dict[str, Any]]:
    content = _content(image)
    return [{"name": image.dockerfile, "digest": {"sha256": hashlib.sha256(content).hexdigest()}}] if content else []


def _content(image: ImageArgs) -> bytes:
    try:
        return Path(image.context, image.dockerfile).read_bytes()
    except OSError:
        return b""  # the build says what is wrong with it


def _bases(args: EvidenceArgs) -> list[dict[str, Any]]:
    """Every image that the build pulled."""
    return [
        {
            "name": name,
            "uri": f"docker-image://{base.repository}",
            "digest": {"sha256": base.digest.hexadecimal},
        }
        for name, base in sorted(bases_of(args.image, args.arguments, Path()).items())
    ]
