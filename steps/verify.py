"""Verify an index and each platform with cosign against one public key: the signatures, and all of the evidence.

The result hands on the reference that verified, and only that: what comes after takes it as its input.
Source: sigstore/cosign, `cosign verify --help`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.artifact import Digest, ImageReference, Platform
from steps.credentials import Logins, registry_credentials
from steps.predicates import NAMES, SIGNATURE, evidence_of
from steps.registry import platforms_of
from steps.tool import StepError, elapsed, read_secrets, run_step, run_tool


def verify(
    references: Sequence[str], public_key: str, annotations: Mapping[str, str], environment: Mapping[str, str]
) -> None:
    """Verify the signatures of all references with one run of cosign.

    Args:
        references: manifests by digest.
        public_key: path of the public key, or the reference of a key management service.
        annotations: what the signatures must say.
        environment: variables beside those of this process.

    Raises:
        ToolError: cosign's own words for the first that does not verify.
    """
    said = [part for name, value in sorted(annotations.items()) for part in ("--annotations", f"{name}={value}")]
    run_tool([*cosign("verify", public_key), *said, *references], environment=environment)


def cosign(verb: str, public_key: str, authority: str | None = None) -> list[str]:
    """The beginning of a command line that verifies: without a public log, as private registries do without one.

    cosign speaks plain HTTP on loopback by itself. Told to allow it, it would elsewhere send the login in clear to
    whatever answers in the place of TLS.
    """
    command = ["cosign", verb, "--key", public_key, "--insecure-ignore-tlog"]
    return [*command, "--registry-cacert", authority] if authority else command


@dataclass(frozen=True)
class Statement:
    """One statement about a manifest that verified, whose content cosign does not show here."""

    predicate: str
    """Its predicate type; a signature has one of its own."""
    annotations: Mapping[str, str]
    """What a signature says of the artifact."""


def proven(
    references: Sequence[str], public_key: str, environment: Mapping[str, str], authority: str | None = None
) -> dict[str, list[Statement]]:
    """Every statement of this key about each manifest, signatures and attestations alike, with one run of cosign.

    cosign takes any statement of the key for a signature unless annotations are asked for, and then it shows nothing
    but the signatures: so they are compared here.

    Args:
        references: manifests by digest.
        public_key: path of the public key, or the reference of a key management service.
        environment: variables beside those of this process.
        authority: PEM file of the registry's certificate authority; None trusts the system's.

    Raises:
        ToolError: cosign's own words for the first manifest about which this key says nothing.
    """
    printed = run_tool([*cosign("verify", public_key, authority), *references], environment=environment)
    found: dict[str, list[Statement]] = {str(ImageReference.parse(manifest).digest): [] for manifest in references}
    try:
        for entry in (entry for line in printed.splitlines() if line.strip() for entry in json.loads(line)):
            critical, says = entry["critical"], entry.get("optional") or {}
            found[critical["image"]["docker-manifest-digest"]].append(Statement(critical["type"], says))
    except (ValueError, LookupError, TypeError):
        raise StepError(f"cosign verify printed something else than what it verified: {printed[:200]!r}") from None
    return {manifest: found[str(ImageReference.parse(manifest).digest)] for manifest in references}


def prove(
    reference: ImageReference,
    platforms: Mapping[Platform, Digest],
    public_key: str,
    annotations: Mapping[str, str],
    environment: Mapping[str, str],
    authority: str | None = None,
) -> list[str]:
    """Make sure that signatures and evidence of an artifact are there and verify; returns its manifests.

    Raises:
        ToolError: cosign's own words for a manifest about which this key says nothing.
        StepError: a signature says something else, or there is an attestation missing.
    """
    wanted = evidence_of(reference, platforms)
    found = proven(list(wanted), public_key, environment, authority)
    if problems := lacking(wanted, found, annotations):
        raise StepError("\n".join(f"  {problem}" for problem in problems))
    return list(wanted)


def lacking(
    wanted: Mapping[str, Sequence[str]], found: Mapping[str, Sequence[Statement]], annotations: Mapping[str, str]
) -> list[str]:
    """What an artifact lacks: signatures that say this, and attestations.

    Args:
        wanted: the predicate types that each manifest must have.
        found: what is said about each of them.
        annotations: what the signatures must say.
    """
    problems = []
    for manifest, predicates in wanted.items():
        said = found[manifest]
        signed = [it.annotations for it in said if it.predicate == SIGNATURE]
        if not any(annotations.items() <= it.items() for it in signed):
            wanted_text = f" that says {dict(annotations)}, but {[dict(it) for it in signed] or 'none'}"
            problems.append(f"{manifest}: no signature of this key{wanted_text if annotations else ''}")
        missing = [NAMES[it] for it in predicates if it not in {statement.predicate for statement in said}]
        problems += [f"{manifest}: no {name} of this key" for name in missing]
    return problems


def verify_index(
    reference: ImageReference,
    public_key: str,
    annotations: Mapping[str, str],
    logins: Logins,
) -> dict[str, Any]:
    """Verify an index with all its platforms.

    Raises:
        StepError: a signature or attestation is missing or made by another key, or a signature says something else.
    """
    with registry_credentials(logins, [reference.repository.registry]) as credentials:
        environment = {"DOCKER_CONFIG": str(credentials)}
        platforms = platforms_of(reference, environment)
        try:
            with elapsed(f"verified {reference} and {len(platforms)} platforms"):
                covered = prove(reference, platforms, public_key, annotations, environment)
        except StepError as error:
            raise StepError(
                f"{reference} does not verify with {public_key} and {dict(annotations)}:\n{error}\n"
                "Nothing was published. Check that sign.key and sign.public_key are one pair."
            ) from None
    return {"reference": str(reference), "verified": covered}


def request_parser(step: str, description: str | None) -> argparse.ArgumentParser:
    """The flags that signing and verifying share."""
    parser = argparse.ArgumentParser(prog=f"python -m steps.{step}", description=description)
    parser.add_argument("--reference", required=True, type=ImageReference.parse)
    add_signature_flags(parser)
    parser.add_argument("--username", help="user of the registry; the password comes on standard input")
    return parser


def add_signature_flags(parser: argparse.ArgumentParser) -> None:
    """Which signature is asked for: the key, and what it says."""
    parser.add_argument("--public-key", required=True)
    parser.add_argument("--fingerprint", help="of the public key's file, so that another key is another command")
    parser.add_argument("--annotation", action="append", default=[], type=_pair, metavar="NAME=VALUE")


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def logins_of(request: argparse.Namespace, secrets: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The registry's credentials, where the request names a user."""
    if not request.username:
        return {}
    return {request.reference.repository.registry: (request.username, secrets.get("registry_password", ""))}


def main() -> dict[str, Any]:
    """Verify what the command line names."""
    it = request_parser("verify", __doc__).parse_args()
    return verify_index(it.reference, it.public_key, dict(it.annotation), logins_of(it, read_secrets()))


if __name__ == "__main__":
    run_step(main)
