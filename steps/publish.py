"""Publish a verified artifact: copy it by digest with everything that refers to it, compare, then tag.

A release's tag is claimed before the copy: one that names another digest stops the step; and so does an image among
what refers to the artifact. Afterwards all of that has to be there, too, and to verify.
Source: OCI distribution-spec 1.1, "Listing Referrers".
"""

import argparse
import re
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Platform, Repository, Version
from steps.attached import inspect
from steps.copy import copy
from steps.credentials import Logins, add_registry_flags, registry_credentials, registry_logins
from steps.predicates import evidence_of, provenance_at
from steps.registry import WANTS_TLS, digest_of_tag, platforms_of, referrers_of, tags_of, transport_flags
from steps.tool import StepError, ToolError, read_secrets, run_step, run_tool, say
from steps.verify import add_signature_flags, prove

# A digest may hold the digits of a status code: only a number of its own counts.
_REFUSED = re.compile(r"\b40[13]\b|\bunauthorized\b|\bdenied\b|\bforbidden\b", re.IGNORECASE)
_OTHER_TRANSPORT = re.compile(
    rf"\bx509\b|HTTP response to HTTPS client|not look like a TLS handshake|{WANTS_TLS}", re.IGNORECASE
)
"""What tools say where a registry wants TLS, or has a certificate of another authority, or speaks plain HTTP."""
_READ_ONLY = re.compile(r"\b405\b|\bread-only\b", re.IGNORECASE)
_DOWN = re.compile(
    r"connection (refused|reset)|no such host|no route to host|network is unreachable|time(d )?out|deadline exceeded",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Request:
    """What to publish, where, and how."""

    source: ImageReference
    """The verified artifact."""
    repository: Repository
    """Where releases live."""
    tags: Sequence[str]
    """The tags to put on, the immutable one among them."""
    public_key: str
    """What the signatures must verify with once they are there."""
    annotations: Mapping[str, str]
    """What they must say."""
    immutable_tag: str | None = None
    """A tag that may never name another digest, such as a release's version."""
    authority: str | None = None
    """PEM file of the destination's certificate authority; None trusts the system's."""
    source_authority: str | None = None
    """PEM file of the source's certificate authority; None trusts the system's."""
    copier: str = "oras"
    """What moves the image: oras or skopeo."""
    reuse: bool = False
    """Whether it may be there already."""
    provenance: str = ""
    """The mark of the provenance that the source has, see steps.predicates; empty where nobody says it."""

    @property
    def published(self) -> ImageReference:
        """The artifact where it goes."""
        return self.repository.at(self.source.digest)


def publish(request: Request, logins: Logins) -> dict[str, Any]:
    """Copy the artifact, compare the digest there, then put the tags on.

    Args:
        request: what to publish.
        logins: user name and password by registry.

    Raises:
        StepError: the tag is taken, the registry refuses or does not answer, or the digest differs afterwards.
    """
    source, repository, tag = request.source.repository, request.repository, request.immutable_tag
    with registry_credentials(logins, [source.registry, repository.registry]) as credentials:
        try:
            if tag:
                _claim(repository, tag, request.source.digest, credentials, request.authority)
            if not (request.reuse and _is_whole(request, credentials)):
                _copy(request, credentials)
            if tag:  # somebody else may have claimed it while the blobs moved
                _claim(repository, tag, request.source.digest, credentials, request.authority)
            tags = _without_lower_series(request, credentials)
            _tag(request.published, tags, credentials, request.authority)
            _compare(request.published, tags, credentials, request.authority)
        except ToolError as error:
            raise StepError(explain(error, repository, source)) from None
    return {"reference": str(request.published), "tags": tags}


def _claim(repository: Repository, tag: str, digest: Digest, credentials: Path, authority: str | None) -> None:
    taken = digest_of_tag(repository, tag, credentials, authority)
    if taken and taken != digest:
        raise StepError(tag_taken(repository, tag, taken, digest))


def tag_taken(repository: Repository, tag: str, taken: Digest, digest: Digest) -> str:
    """Say that a release's tag names another artifact."""
    return (
        f"{repository.tagged(tag)} is taken: it names {taken}, this build is {digest}. "
        "A release is immutable: raise `version`, or build the commit that was released; "
        "where releases are promoted, `digest` pins the one that the tag names."
    )


def _is_whole(request: Request, credentials: Path) -> bool:
    """Whether the artifact is there with everything that it needs, so that nothing has to be copied."""
    environment = {"DOCKER_CONFIG": str(credentials)}
    try:
        platforms = platforms_of(request.published, environment, request.authority)
        prove(request.published, platforms, request.public_key, request.annotations, environment, request.authority)
    except StepError:
        return False  # a copy says what is wrong with it
    if request.provenance and request.provenance != provenance_at(request.published, environment, request.authority):
        return False
    say(f"{request.published} is there already, and verified: nothing was copied")
    return True


def _copy(request: Request, credentials: Path) -> None:
    """Copy what holds no surprise, and verify what has arrived."""
    environment = {"DOCKER_CONFIG": str(credentials)}
    platforms = platforms_of(request.source, environment, request.source_authority)
    inspected = inspect(list(evidence_of(request.source, platforms)), environment, request.source_authority)
    copy(request.source, request.repository, credentials, request.authority, request.source_authority, request.copier)
    _verify(request, platforms, inspected, environment)


def _verify(
    request: Request, platforms: Mapping[Platform, Digest], inspected: Set[str], environment: Mapping[str, str]
) -> None:
    """Make sure that all referrers arrived, and verify: an index whose referrers stayed behind verifies nowhere."""
    published = request.published
    sources, copies = list(evidence_of(request.source, platforms)), list(evidence_of(published, platforms))
    with ThreadPoolExecutor() as pool:
        key, says, authority = request.public_key, request.annotations, request.authority
        proof = pool.submit(prove, published, platforms, key, says, environment, authority)
        sent = pool.submit(referrers_of, sources, environment, request.source_authority)
        arrived = pool.submit(referrers_of, copies, environment, authority).result()
    if late := {digest for referrers in sent.result().values() for digest in referrers} - inspected:
        raise StepError(
            f"{published}: more refers to it than before it was copied ({', '.join(sorted(late))}); it got no tag: "
            "run it again, so that this is looked at, too"
        )
    lost = [
        f"  {manifest}: {digest}"
        for manifest, referrers in zip(copies, sent.result().values(), strict=True)
        for digest in referrers.keys() - arrived[manifest].keys()
    ]
    if lost:
        raise StepError("\n".join([f"{published}: not all that refers to it was copied; it got no tag:", *lost]))
    try:
        proof.result()
    except StepError as error:
        raise StepError(f"{published} does not verify after the copy; it got no tag:\n{error}") from None


def _without_lower_series(request: Request, credentials: Path) -> list[str]:
    """The tags to put on: a series never goes back, as from 1.4.0 to a 1.3.9 that is released later."""
    tags, repository = list(request.tags), request.repository
    own = Version(request.immutable_tag) if request.immutable_tag else None
    if own is None or not set(tags) & set(own.series):
        return tags
    found = [_released(tag) for tag in tags_of(repository, credentials, request.authority)]
    higher = sorted((it for it in found if it and it.core > own.core), key=lambda it: it.core)
    for series in own.series:
        if above := [it for it in higher if series in it.series]:
            tags.remove(series)
            say(f"{repository.tagged(series)} stays where it is: {above[-1]} is released, which is higher than {own}")
    return tags


def _released(tag: str) -> Version | None:
    try:
        version = Version(tag)
    except ValueError:
        return None
    return None if version.is_prerelease else version


def _tag(published: ImageReference, tags: Sequence[str], credentials: Path, authority: str | None) -> None:
    flags = ["--registry-config", str(credentials / "config.json"), *transport_flags(published.repository, authority)]
    run_tool(["oras", "tag", *flags, str(published), *tags])


def _compare(published: ImageReference, tags: Sequence[str], credentials: Path, authority: str | None) -> None:
    for tag in tags:
        seen = digest_of_tag(published.repository, tag, credentials, authority)
        if seen != published.digest:
            raise StepError(f"{published.repository.tagged(tag)} names {seen} after the copy, not {published.digest}")


def explain(
    error: ToolError, repository: Repository, source: Repository | None = None, source_setting: str = "quarantine"
) -> str:
    """Say what a registry's refusal means for the settings.

    Args:
        error: what the tool said.
        repository: the private registry's.
        source: the registry that the artifact comes from; it is the one to blame where the tool names it alone.
        source_setting: the setting that says how to reach that one.
    """
    setting, registry = "registry", repository
    if source and source.registry in error.output and repository.registry not in error.output:
        setting, registry = source_setting, source
    if _READ_ONLY.search(error.output):
        return f"registry {registry.registry} is read-only: make it take {registry.path}, then try again.\n{error}"
    if _REFUSED.search(error.output):
        return (
            f"registry {registry.registry} refuses the credentials for {registry.path}: "
            f"check {setting}.username and the secret that {setting}.password names.\n{error}"
        )
    if _OTHER_TRANSPORT.search(error.output):
        return (
            f"registry {registry.registry} speaks TLS otherwise than the stack says: "
            f"check {setting}.address and {setting}.certificate_authority.\n{error}"
        )
    if _DOWN.search(error.output):
        return f"registry {registry.registry} does not answer: start it or check {setting}.address.\n{error}"
    return str(error)


def main() -> dict[str, Any]:
    """Publish what the command line names."""
    return publish(*read_request(read_secrets()))


def read_request(secrets: Mapping[str, str], arguments: Sequence[str] | None = None) -> tuple[Request, Logins]:
    """What the command line names, and who logs in where.

    Args:
        secrets: the passwords.
        arguments: the command line's; those of this process if left out.
    """
    parser = argparse.ArgumentParser(prog="python -m steps.publish", description=__doc__)
    parser.add_argument("--source", required=True, type=ImageReference.parse)
    parser.add_argument("--repository", required=True, type=Repository.parse)
    parser.add_argument("--immutable-tag", type=Version, help="the version of a release; no other digest may have it")
    parser.add_argument("--series", action="store_true", help="also move MAJOR.MINOR and MAJOR of a release")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--certificate-authority")
    add_signature_flags(parser)
    parser.add_argument("--username", help="user of the destination; the password comes on standard input")
    parser.add_argument("--source-username", help="user of the source; the password comes on standard input")
    add_registry_flags(parser)
    parser.add_argument("--copier", choices=["oras", "skopeo"], default="oras")
    parser.add_argument("--provenance", default="", help="the mark of the source's: another one is another publication")
    parser.add_argument("--reuse", action="store_true", help="what is there already is verified, not copied again")
    it = parser.parse_args(arguments)
    logins = registry_logins(it, secrets)
    if it.source_username:
        logins[it.source.repository.registry] = (it.source_username, secrets.get("source_password", ""))
    if it.username:
        logins[it.repository.registry] = (it.username, secrets.get("password", ""))
    request = Request(
        source=it.source,
        repository=it.repository,
        tags=[*it.tag, *_tags_of_release(it.immutable_tag, it.series)],
        public_key=it.public_key,
        annotations=dict(it.annotation),
        immutable_tag=str(it.immutable_tag) if it.immutable_tag else None,
        authority=it.certificate_authority,
        source_authority=dict(it.authority).get(it.source.repository.registry),
        copier=it.copier,
        reuse=it.reuse,
        provenance=it.provenance,
    )
    return request, logins


def _tags_of_release(version: Version | None, series: bool) -> list[str]:
    """The tags of a release: its version, and MAJOR.MINOR and MAJOR where a series moves; never to a prerelease."""
    if version is None:
        return []
    return [str(version), *(version.series if series and not version.is_prerelease else ())]


if __name__ == "__main__":
    run_step(main)
