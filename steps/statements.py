"""Read what attestations of a manifest say: only those whose signature verifies, and only about this very digest.

cosign passes over each bundle that the registry does not hand out, and where none is left it says what it says where
nobody has made one. So "nothing" is made sure of, and only that: whoever has said something pays nothing for it.
Source: sigstore/cosign, `cosign verify-attestation --help`; in-toto/attestation, "Statement".
"""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from components.artifact import ImageReference
from steps.predicates import NAMES, NEVER, VULNERABILITIES, finished
from steps.registry import ABSENT, manifest_of, referrers_of, transport_flags
from steps.tool import ToolError, run_tool
from steps.verify import cosign

# What cosign says where a key has made no such statement, or another one than asked for, or nobody any, or there is no
# such manifest: sigstore/cosign, pkg/cosign/verify.go.
_NONE = re.compile(
    r"\bno matching (attestations|signatures)\b|\bnone of the attestations matched\b|\bno signatures found\b"
)
_AT_ONCE = 8
_Answer = TypeVar("_Answer")


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
        ToolError: the registry does not answer or refuses, a bundle or the key cannot be read.
    """
    command = [*cosign("verify-attestation", public_key, authority), "--type", type_, str(manifest)]
    said = or_nothing(
        lambda: run_tool(command, environment=environment), [str(manifest)], environment, authority, type_
    )
    lines = said.splitlines() if said else []
    statements = [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in lines if line.strip()]
    return [it["predicate"] for it in statements if it["predicateType"] == type_ and _is_about(it, manifest)]


def report_age(
    manifest: ImageReference, public_key: str, environment: Mapping[str, str], authority: str | None = None
) -> timedelta | None:
    """How old the newest vulnerability report is that this key has attested; None where none says when it was made.

    Raises:
        ToolError: see predicates.
    """
    said = predicates(manifest, VULNERABILITIES, public_key, environment, authority)
    newest = max(map(finished, said), default=NEVER)
    return None if newest == NEVER else datetime.now(UTC) - newest


def or_nothing(
    ask: Callable[[], _Answer],
    manifests: Sequence[str],
    environment: Mapping[str, str],
    authority: str | None = None,
    type_: str | None = None,
) -> _Answer | None:
    """What cosign answers; None where the key has said nothing, and the registry has handed out all that there is.

    Args:
        ask: what asks cosign.
        manifests: what it asks about.
        environment: variables beside those of this process.
        authority: PEM file of the registry's certificate authority; None trusts the system's.
        type_: predicate type that it asks for; None for any.

    Raises:
        ToolError: the registry does not answer or refuses, a bundle or the key cannot be read.
    """
    try:
        return ask()
    except ToolError as error:
        if not says_nothing(error):
            raise
    if not make_sure(manifests, environment, authority, type_):
        return None
    try:
        return ask()  # what could not be read a moment ago can be by now
    except ToolError as error:
        if not says_nothing(error):
            raise
        return None


def make_sure(
    manifests: Sequence[str], environment: Mapping[str, str], authority: str | None = None, type_: str | None = None
) -> bool:
    """Make sure that every bundle which the registry lists can be read; returns whether it lists any.

    Args:
        manifests: what the bundles are about.
        environment: variables beside those of this process.
        authority: PEM file of the registry's certificate authority; None trusts the system's.
        type_: predicate type of the bundles, as their writers say; None for any.

    Raises:
        ToolError: the registry does not answer or refuses, or a bundle cannot be read.
    """
    try:
        listed = referrers_of(manifests, environment, authority)
    except ToolError as error:
        if ABSENT.search(error.output):
            return False  # there is no such manifest
        raise
    bundles = [
        (manifest, digest, its)
        for manifest, referrers in listed.items()
        for digest, its in referrers.items()
        if its and type_ in (None, its)
    ]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for it in [pool.submit(_read, *bundle, environment, authority) for bundle in bundles]:
            it.result()
    return bool(bundles)


def _read(manifest: str, digest: str, type_: str, environment: Mapping[str, str], authority: str | None) -> None:
    repository = ImageReference.parse(manifest).repository
    flags, bundle = transport_flags(repository, authority), f"{repository}@{digest}"
    try:
        for layer in _layers(manifest_of(repository, digest, environment, authority)):
            # oras compares what it reads with the digest. Whoever lists it decides on its size: it is kept nowhere.
            command = ["oras", "blob", "fetch", "--output", "/dev/null", *flags, f"{repository}@{layer}"]
            run_tool(command, environment=environment)
    except ToolError as error:
        name = NAMES.get(type_, f"statement ({type_})")
        what = f"could not read the {name} {bundle}, which the registry lists for {manifest}"
        raise ToolError("oras", error.output or str(error), what) from None


def _layers(text: str) -> list[str]:
    """The digests of a manifest's layers; none of what is no bundle, which cosign rightly passes over."""
    try:
        return [str(it["digest"]) for it in json.loads(text)["layers"]]
    except (ValueError, LookupError, TypeError):
        return []


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
