"""Publish a verified artifact: copy it by digest with everything that refers to it, compare, then tag.

oras copies the index, its platforms and its referrers (signatures, attestations) and moves only the blobs that the
destination lacks. A release's tag is claimed before the copy: one that names another digest stops the step.
Source: oras-project/oras, `oras cp --help`; OCI distribution-spec 1.1, "Listing Referrers".
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Repository
from steps.credentials import Logins, registry_credentials
from steps.predicates import evidence_of
from steps.registry import digest_of_tag, platforms_of, referrers_of, transport_flags
from steps.tool import StepError, ToolError, elapsed, read_secrets, run_step, run_tool
from steps.verify import add_signature_flags, prove

# A digest may hold the digits of a status code: only a number of its own counts.
_REFUSED = re.compile(r"\b40[13]\b|\bunauthorized\b|\bdenied\b|\bforbidden\b", re.IGNORECASE)
_OTHER_TRANSPORT = re.compile(
    r"\bx509\b|HTTP response to HTTPS client|HTTP request to an HTTPS server|not look like a TLS handshake"
    r'|"http://[^"]+": response status code 400',  # what a server that wants TLS answers, and a HEAD has no words
    re.IGNORECASE,
)
_DOWN = re.compile(
    r"connection (refused|reset)|no such host|no route to host|network is unreachable|time(d )?out|deadline exceeded",
    re.IGNORECASE,
)


def publish(
    source: ImageReference,
    repository: Repository,
    immutable_tag: str | None,
    tags: Sequence[str],
    authority: str | None,
    logins: Logins,
    public_key: str,
    annotations: Mapping[str, str],
) -> dict[str, Any]:
    """Copy `source` to `repository`, compare the digest there, then put the tags on.

    Args:
        source: the verified artifact.
        repository: where releases live.
        immutable_tag: a tag that may never name another digest, such as a release's version.
        tags: the tags to put on, the immutable one among them.
        authority: PEM file of the destination's certificate authority; None trusts the system's.
        logins: user name and password by registry.
        public_key: what the signatures must verify with once they are there.
        annotations: what they must say.

    Raises:
        StepError: the tag is taken, the registry refuses or does not answer, or the digest differs afterwards.
    """
    with registry_credentials(logins, [source.repository.registry, repository.registry]) as credentials:
        try:
            if immutable_tag:
                _claim(repository, immutable_tag, source.digest, credentials, authority)
            _copy(source, repository, credentials, authority)
            published = repository.at(source.digest)
            _verify(source, published, public_key, annotations, credentials, authority)
            if immutable_tag:  # somebody else may have claimed it while the blobs moved
                _claim(repository, immutable_tag, source.digest, credentials, authority)
            _tag(published, tags, credentials, authority)
            _compare(published, tags, credentials, authority)
        except ToolError as error:
            raise StepError(explain(error, repository, source.repository)) from None
    return {"reference": str(published), "tags": list(tags)}


def _claim(repository: Repository, tag: str, digest: Digest, credentials: Path, authority: str | None) -> None:
    taken = digest_of_tag(repository, tag, credentials, authority)
    if taken and taken != digest:
        raise StepError(tag_taken(repository, tag, taken, digest))


def tag_taken(repository: Repository, tag: str, taken: Digest, digest: Digest) -> str:
    """Say that a release's tag names another artifact."""
    return (
        f"{repository.tagged(tag)} is taken: it names {taken}, this build is {digest}. "
        "A release is immutable: raise `version`, or build the commit that was released."
    )


def _copy(source: ImageReference, repository: Repository, credentials: Path, authority: str | None) -> None:
    login = str(credentials / "config.json")
    flags = ["--from-registry-config", login, *transport_flags(source.repository, side="from")]
    flags += ["--to-registry-config", login, *transport_flags(repository, authority, side="to")]
    with elapsed(f"copied {source.digest} to {repository}"):
        run_tool(["oras", "cp", "--recursive", "--no-tty", *flags, str(source), str(repository.at(source.digest))])


def _verify(
    source: ImageReference,
    published: ImageReference,
    public_key: str,
    annotations: Mapping[str, str],
    credentials: Path,
    authority: str | None,
) -> None:
    """Make sure that all referrers arrived, and verify: an index whose referrers stayed behind verifies nowhere."""
    environment = {"DOCKER_CONFIG": str(credentials)}
    platforms = platforms_of(source, environment)
    sources = list(evidence_of(source, platforms))
    copies = list(evidence_of(published, platforms))
    with ThreadPoolExecutor() as pool:
        proof = pool.submit(prove, published, platforms, public_key, annotations, environment, authority)
        sent = pool.submit(referrers_of, sources, environment)
        arrived = pool.submit(referrers_of, copies, environment, authority).result()
    lost = [
        f"  {copy}: {digest}"
        for copy, referrers in zip(copies, sent.result().values(), strict=True)
        for digest in referrers.keys() - arrived[copy].keys()
    ]
    if lost:
        raise StepError("\n".join([f"{published}: not all that refers to it was copied; it got no tag:", *lost]))
    try:
        proof.result()
    except StepError as error:
        raise StepError(f"{published} does not verify after the copy; it got no tag:\n{error}") from None


def _tag(published: ImageReference, tags: Sequence[str], credentials: Path, authority: str | None) -> None:
    flags = ["--registry-config", str(credentials / "config.json"), *transport_flags(published.repository, authority)]
    run_tool(["oras", "tag", *flags, str(published), *tags])


def _compare(published: ImageReference, tags: Sequence[str], credentials: Path, authority: str | None) -> None:
    for tag in tags:
        seen = digest_of_tag(published.repository, tag, credentials, authority)
        if seen != published.digest:
            raise StepError(f"{published.repository.tagged(tag)} names {seen} after the copy, not {published.digest}")


def explain(error: ToolError, repository: Repository, source: Repository | None = None) -> str:
    """Say what a registry's refusal means for the settings.

    Args:
        error: what the tool said.
        repository: the private registry's.
        source: the quarantine registry's; it is the one to blame where the tool names it alone.
    """
    setting, registry = "registry", repository
    if source and source.registry in error.output and repository.registry not in error.output:
        setting, registry = "quarantine", source
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
    parser = argparse.ArgumentParser(prog="python -m steps.publish", description=__doc__)
    parser.add_argument("--source", required=True, type=ImageReference.parse)
    parser.add_argument("--repository", required=True, type=Repository.parse)
    parser.add_argument("--immutable-tag")
    parser.add_argument("--tag", action="append", default=[])
    parser.add_argument("--certificate-authority")
    add_signature_flags(parser)
    parser.add_argument("--username", help="user of the destination; the password comes on standard input")
    parser.add_argument("--source-username", help="user of the source; the password comes on standard input")
    request = parser.parse_args()
    secrets = read_secrets()
    logins = {}
    if request.username:
        logins[request.repository.registry] = (request.username, secrets.get("password", ""))
    if request.source_username:
        logins[request.source.repository.registry] = (request.source_username, secrets.get("source_password", ""))
    tags = request.tag or ([request.immutable_tag] if request.immutable_tag else [])
    signature = request.public_key, dict(request.annotation)
    authority = request.certificate_authority
    return publish(request.source, request.repository, request.immutable_tag, tags, authority, logins, *signature)


if __name__ == "__main__":
    run_step(main)
