"""Read what attestations of a manifest say: only those whose signature verifies, and only about this very digest.

Source: sigstore/cosign, `cosign verify-attestation --help`; in-toto/attestation, "Statement".
"""

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.artifact import ImageReference
from steps.tool import ToolError, run_tool
from steps.verify import cosign

# What cosign says where a key has made no such statement, or nobody any, or there is no such manifest.
_NONE = re.compile(r"\bno matching attestations\b|\bnone of the attestations matched\b|\bno signatures found\b")


def predicates(
    manifest: ImageReference,
    type_: str,
    public_key: str,
    environment: Mapping[str, str],
    authority: str | None = None,
) -> list[dict[str, Any]]:
    """The content of every attestation of this type that this key has made about this manifest; none is no error.

    Args:
        manifest: what the attestations are about.
        type_: predicate type.
        public_key: path of the public key, or the reference of a key management service.
        environment: variables beside those of this process.
        authority: PEM file of the registry's certificate authority; None trusts the system's.

    Raises:
        ToolError: the registry does not answer or refuses, or the key cannot be read.
    """
    command = [*cosign("verify-attestation", public_key, authority), "--type", type_, str(manifest)]
    try:
        lines = run_tool(command, environment=environment).splitlines()
    except ToolError as error:
        if says_nothing(error):
            return []
        raise
    statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines if line.strip()]
    return [it["predicate"] for it in statements if it["predicateType"] == type_ and _is_about(it, manifest)]


def says_nothing(error: ToolError) -> bool:
    """Whether cosign failed because this key has said nothing about the manifest, rather than for a fault."""
    return bool(_NONE.search(error.output))


def _is_about(statement: Mapping[str, Any], manifest: ImageReference) -> bool:
    """cosign compares the digest too; a proof of a sibling counts for nothing here, whoever compares."""
    return any(it["digest"].get("sha256") == manifest.digest.hexadecimal for it in statement["subject"])


def key_file(public_key: str) -> str:
    """What the file of a public key holds; nothing for one that is kept elsewhere, or is not here."""
    try:
        return Path(public_key).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
