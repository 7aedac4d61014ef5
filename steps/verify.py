"""Verify an index's signature and each platform's with cosign, against one public key and the annotations expected.

The result hands on the reference that verified, and only that: what comes after takes it as its input.
Source: sigstore/cosign, `cosign verify --help`.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from components.artifact import ImageReference
from steps.credentials import Logins, registry_credentials
from steps.registry import platform_references
from steps.tool import StepError, ToolError, elapsed, read_secrets, run_step, run_tool


def verify(
    references: Sequence[str],
    public_key: str,
    annotations: Mapping[str, str],
    environment: Mapping[str, str],
    authority: str | None = None,
) -> None:
    """Verify all references with one run of cosign.

    Args:
        references: manifests by digest.
        public_key: path of the public key, or the reference of a key management service.
        annotations: what the signatures must say.
        environment: variables beside those of this process.
        authority: PEM file of the registry's certificate authority; None trusts the system's.

    Raises:
        ToolError: cosign's own words for the first that does not verify.
    """
    command = ["cosign", "verify", "--key", public_key, "--insecure-ignore-tlog", "--allow-http-registry"]
    if authority:
        command += ["--registry-cacert", authority]
    for name, value in sorted(annotations.items()):
        command += ["--annotations", f"{name}={value}"]
    run_tool([*command, *references], environment=environment)


def verify_index(
    reference: ImageReference,
    public_key: str,
    annotations: Mapping[str, str],
    logins: Logins,
) -> dict[str, Any]:
    """Verify an index with all its platforms.

    Raises:
        StepError: a signature is missing, made by another key, or says something else.
    """
    with registry_credentials(logins, [reference.repository.registry]) as credentials:
        environment = {"DOCKER_CONFIG": str(credentials)}
        references = [str(reference), *platform_references(reference, environment)]
        try:
            with elapsed(f"verified {reference} and {len(references) - 1} platforms"):
                verify(references, public_key, annotations, environment)
        except ToolError as error:
            raise StepError(
                f"{reference}: the signature does not verify with {public_key} and {dict(annotations)}:\n{error}\n"
                "Nothing was published. Check that sign.key and sign.public_key are one pair."
            ) from None
    return {"reference": str(reference), "verified": references}


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
