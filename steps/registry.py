"""What a registry says about an artifact, read through oras: an index's platforms, its referrers, a tag's digest."""

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Platform, Repository
from steps.tool import StepError, ToolError, run_tool

PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
"""The annotation of a Sigstore bundle in a registry: what its writer says, while cosign reads what is signed."""
# The registry's own answer; "executable file not found" of a credential helper is none.
ABSENT = re.compile(r": not found\s*$|\b(manifest|name) unknown\b", re.IGNORECASE)
WANTS_TLS = r'HTTP request to an HTTPS server|"http://[^"]+": response status code 400'
"""Pattern of what tools say where a registry speaks TLS alone and was asked without; a HEAD's answer has no words."""


def transport_flags(repository: Repository, authority: str | None = None, side: str = "") -> list[str]:
    """How oras reaches a registry: over TLS with an own certificate authority, or plain HTTP on loopback without one.

    Args:
        repository: the repository to reach.
        authority: path of a PEM file with the registry's certificate authority; None trusts the system's.
        side: `from` or `to` for a copy, empty otherwise.
    """
    prefix = f"--{side}-" if side else "--"
    if authority:
        return [f"{prefix}ca-file", authority, f"{prefix}plain-http=false"]  # oras assumes plain HTTP on loopback
    return [f"{prefix}plain-http"] if repository.is_loopback else []


def platform_references(reference: ImageReference, environment: Mapping[str, str]) -> list[str]:
    """The platforms' manifests of an index, each by its own digest, without BuildKit's attestation entries."""
    return [str(reference.repository.at(digest)) for digest in platforms_of(reference, environment).values()]


def platforms_of(
    reference: ImageReference, environment: Mapping[str, str], authority: str | None = None
) -> dict[Platform, Digest]:
    """The digest of each platform's manifest in an index.

    Args:
        reference: the index.
        environment: variables beside those of this process.
        authority: path of a PEM file with the registry's certificate authority; None trusts the system's.

    Raises:
        StepError: the registry has no such artifact, or it is no index with one manifest for each platform.
    """
    try:
        text = manifest_of(reference.repository, reference.digest, environment, authority)
    except ToolError as error:
        raise StepError(f"{reference} cannot be read:\n{error}") from None
    entries = _entries(text)
    if not entries:
        raise StepError(f"{reference} is no index of platforms: build it with all platforms at once")
    found: dict[Platform, Digest] = {}
    for entry in entries:
        platform = _platform(reference, entry)
        if platform in found:
            raise StepError(f"{reference} has two manifests for {platform}: build it again, with each platform once")
        if platform:
            found[platform] = Digest(entry["digest"])
    return found


def manifest_of(
    repository: Repository, digest: Digest | str, environment: Mapping[str, str], authority: str | None = None
) -> str:
    """The text of a manifest, which oras compares with the digest.

    Args:
        repository: where it is.
        digest: its digest; one that a registry has listed may be of any algorithm.
        environment: variables beside those of this process.
        authority: path of a PEM file with the registry's certificate authority; None trusts the system's.

    Raises:
        ToolError: the registry does not answer or refuses, or has none.
    """
    flags = transport_flags(repository, authority)
    return run_tool(["oras", "manifest", "fetch", *flags, f"{repository}@{digest}"], environment=environment)


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(text)["manifests"])
    except (ValueError, LookupError, TypeError):
        return []


def _platform(reference: ImageReference, entry: Mapping[str, Any]) -> Platform | None:
    """The platform of a manifest; None for an attestation of BuildKit's, whose platform is unknown/unknown."""
    it = entry.get("platform") or {}
    if it.get("os") == it.get("architecture") == "unknown":
        return None
    try:
        return Platform("/".join(part for part in (it["os"], it["architecture"], it.get("variant")) if part))
    except (LookupError, ValueError):
        raise StepError(
            f"{reference} has a manifest for no platform ({entry.get('digest')}): build it again, "
            "with the platform of each manifest in the index"
        ) from None


def discovered(
    manifest: str, environment: Mapping[str, str], authority: str | None = None, *more: str
) -> dict[str, Any]:
    """What refers to a manifest, and what to that in turn, as oras prints it.

    Args:
        manifest: reference by digest.
        environment: variables beside those of this process.
        authority: path of a PEM file with the registry's certificate authority; None trusts the system's.
        more: further flags.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    flags = transport_flags(ImageReference.parse(manifest).repository, authority)
    command = ["oras", "discover", "--format", "json", *more, *flags, manifest]
    found: dict[str, Any] = json.loads(run_tool(command, environment=environment))
    return found


Referrers = dict[str, str]
"""Digests of what refers to a manifest, each with its predicate type, empty where it is no attestation."""


def referrers_of(
    manifests: Sequence[str], environment: Mapping[str, str], authority: str | None = None
) -> dict[str, Referrers]:
    """What refers to each of these manifests, listed side by side.

    Args:
        manifests: references by digest.
        environment: variables beside those of this process.
        authority: path of a PEM file with the registry's certificate authority; None trusts the system's.

    Raises:
        ToolError: the registry does not answer or refuses.
    """

    def listed(manifest: str) -> Referrers:
        found = discovered(manifest, environment, authority, "--depth", "1").get("referrers") or ()
        return {it["digest"]: (it.get("annotations") or {}).get(PREDICATE_TYPE, "") for it in found}

    with ThreadPoolExecutor() as pool:
        return dict(zip(manifests, pool.map(listed, manifests), strict=True))


def digest_of_tag(repository: Repository, tag: str, credentials: Path, authority: str | None) -> Digest | None:
    """The digest that a tag names today; None where the repository has no such tag.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    flags = ["--registry-config", str(credentials / "config.json"), *transport_flags(repository, authority)]
    try:
        return Digest(run_tool(["oras", "resolve", *flags, repository.tagged(tag)]).strip())
    except ToolError as error:
        if ABSENT.search(error.output):
            return None
        raise


def tags_of(repository: Repository, credentials: Path, authority: str | None) -> list[str]:
    """All tags of a repository; none where the registry does not know it.

    Raises:
        ToolError: the registry does not answer or refuses.
    """
    flags = ["--registry-config", str(credentials / "config.json"), *transport_flags(repository, authority)]
    try:
        return run_tool(["oras", "repo", "tags", *flags, "--exclude-digest-tags", str(repository)]).split()
    except ToolError as error:
        if ABSENT.search(error.output):
            return []
        raise
