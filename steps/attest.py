"""Write the evidence of an artifact as signed attestations: provenance, and a vulnerability report and SBOM a platform.

What this key has attested is left alone, so evidence is written once a digest; only what is out of date gets a newer
one beside it. A registry without a referrers API keeps a manifest's referrers in one tag, which is read, changed and
written without a lock: so those of one manifest are written one after the other, and listed afterwards. The password
comes on standard input.
Source: sigstore/cosign, `cosign attest --help`; OCI distribution-spec 1.1, "Referrers Tag Schema".
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Platform
from steps.credentials import Logins, registry_credentials
from steps.predicates import (
    NAMES,
    PROVENANCE,
    SBOM,
    VULNERABILITIES,
    evidence_of,
    finished,
    kept_report,
    provenance_mark,
    scan_of,
)
from steps.provenance import is_of_build, provenance
from steps.registry import Referrers, platforms_of, referrers_of
from steps.sign import explain
from steps.statements import predicates, says_nothing
from steps.tool import StepError, ToolError, elapsed, read_secrets, run_step, run_tool
from steps.trivy import trivy
from steps.verify import logins_of, proven, request_parser

_TYPES = {PROVENANCE: "slsaprovenance1", SBOM: "cyclonedx"}
"""cosign's names of predicate types. The vulnerability report goes by its URI: by name, cosign drops `lastUpdate`."""
_A_DAY = timedelta(days=1)
"""A report of yesterday says nearly what one of today says."""


@dataclass(frozen=True)
class Signer:
    """A key pair, and how to reach the registry that takes the attestations."""

    key: str
    """Path of the private key, or the reference of a key management service (`awskms://…`)."""
    public_key: str
    """Path of the public key, or the same reference."""
    password: str
    """What opens a key file; empty for a key management service."""
    environment: Mapping[str, str]
    """Variables beside those of this process."""
    authority: str | None = None
    """PEM file of the registry's certificate authority; None trusts the system's."""

    def attest(self, manifest: str, type_: str, predicate: Mapping[str, Any], scratch: Path) -> None:
        """Sign one predicate about one manifest, and write it beside the manifest.

        Args:
            manifest: reference by digest.
            type_: predicate type.
            predicate: its content.
            scratch: folder for the content while cosign reads it.

        Raises:
            StepError: the key cannot be opened, or the registry does not take the attestation.
        """
        command = ["cosign", "attest", "--yes", "--key", self.key, "--tlog-upload=false", "--use-signing-config=false"]
        command += ["--registry-cacert", self.authority] if self.authority else []
        with tempfile.NamedTemporaryFile("w", dir=scratch, suffix=".json") as content:
            json.dump(predicate, content)
            content.flush()
            command += ["--type", _TYPES.get(type_, type_), "--predicate", content.name, manifest]
            try:
                run_tool(command, secret=self.password, environment=self.environment)
            except ToolError as error:
                raise StepError(explain(error, self.key)) from None


@dataclass(frozen=True)
class Request:
    """What to attest, and where its facts are."""

    reference: ImageReference
    """The signed candidate."""
    reports: Path
    """Folder with what the scan kept."""
    build: Mapping[str, Any]
    """The build definition, see components.evidence."""
    builder: str | None = None
    """Name of the buildx builder; its history knows when it built."""


def attest(request: Request, key: str, public_key: str, password: str, logins: Logins) -> dict[str, Any]:
    """Write what is missing, and make sure that it is all there.

    Args:
        request: what to attest.
        key: path of the private key, or the reference of a key management service.
        public_key: path of the public key, to see what is attested already.
        password: what opens a key file.
        logins: user name and password by registry.

    Raises:
        StepError: a fact is missing, the key cannot be opened, or the registry lost what was written.
    """
    reference = request.reference
    with registry_credentials(logins, [reference.repository.registry]) as credentials:
        signer = Signer(key, public_key, password, {"DOCKER_CONFIG": str(credentials)})
        platforms = platforms_of(reference, signer.environment)
        wanted = evidence_of(reference, platforms)
        listed = referrers_of(list(wanted), signer.environment)
        missing = _missing(request, wanted, listed, signer)
        if missing:
            with elapsed(f"attested {reference}: {', '.join(NAMES[it] for it in _types(missing))}"):
                _write(request, platforms, missing, signer)
            listed |= check_written(missing, listed, signer)
    return {
        "reference": str(reference),
        "evidence": {manifest: list(types) for manifest, types in wanted.items()},
        "provenance": provenance_mark(listed[str(reference)]),
    }


def _types(missing: Mapping[str, Sequence[str]]) -> list[str]:
    return sorted({type_ for types in missing.values() for type_ in types}, key=list(NAMES).index)


def _missing(
    request: Request, wanted: Mapping[str, Sequence[str]], listed: Mapping[str, Referrers], signer: Signer
) -> dict[str, list[str]]:
    """What this key has not attested yet, or not lately; cosign is asked only where there is something to verify."""

    def lacking(manifest: str) -> list[str]:
        there = set(wanted[manifest]) & set(listed[manifest].values())
        known = _attested(manifest, there, signer) if there else set()
        return [it for it in wanted[manifest] if it not in known or _is_outdated(request, manifest, it, signer)]

    with ThreadPoolExecutor() as pool:
        missing = dict(zip(wanted, pool.map(lacking, wanted), strict=True))
    return {manifest: types for manifest, types in missing.items() if types}


def _attested(manifest: str, listed: set[str], signer: Signer) -> set[str]:
    """The predicate types that this key has attested, of those that are listed."""
    try:
        found = proven([manifest], signer.public_key, signer.environment)[manifest]
    except ToolError as error:
        if not says_nothing(error):
            raise
        found = []
    known = {statement.predicate for statement in found} & listed
    # What somebody has attested, and this key has not, may be its own that could not be read just now.
    reference = ImageReference.parse(manifest)
    return known | {it for it in listed - known if predicates(reference, it, signer.public_key, signer.environment)}


def _is_outdated(request: Request, manifest: str, type_: str, signer: Signer) -> bool:
    """Whether this run knows better than what the key has attested: a digest may be built again, much later.

    The scan that has just passed is the news where nobody has attested a report for a day, and so is a build from other
    inputs that comes to the same digest, such as a base image that has moved to another registry.
    """
    if type_ not in (VULNERABILITIES, PROVENANCE):
        return False
    attested = predicates(ImageReference.parse(manifest), type_, signer.public_key, signer.environment)
    if type_ == PROVENANCE:
        return not any(is_of_build(it, request.build) for it in attested)
    scanned = scan_of(request.reports, request.reference)
    return scanned is not None and all(scanned - finished(it) > _A_DAY for it in attested)


def _write(
    request: Request,
    platforms: Mapping[Platform, Digest],
    missing: Mapping[str, Sequence[str]],
    signer: Signer,
) -> None:
    platform_at = {str(request.reference.repository.at(digest)): platform for platform, digest in platforms.items()}

    def write(manifest: str) -> None:
        for type_, fact in zip(missing[manifest], facts[manifest], strict=True):
            signer.attest(manifest, type_, fact.result(), scratch)

    with tempfile.TemporaryDirectory(prefix="slipway-") as folder, ThreadPoolExecutor() as pool:
        scratch = Path(folder)
        # All facts are made side by side, and come first in the queue; those of one manifest are written in turn.
        facts = {
            manifest: [pool.submit(_fact, request, it, platform_at.get(manifest), scratch) for it in types]
            for manifest, types in missing.items()
        }
        list(pool.map(write, missing))


def _fact(request: Request, type_: str, platform: Platform | None, scratch: Path) -> Mapping[str, Any]:
    """The content of one attestation; what is said about the index belongs to no platform."""
    if platform is None:
        return provenance(request.build, request.reference, request.builder)
    report = kept_report(request.reports, request.reference, platform)
    return report if type_ == VULNERABILITIES else _sbom(request.reports / f"{platform.slug}.json", scratch)


def _sbom(report: Path, scratch: Path) -> dict[str, Any]:
    """What the image is made of, from the scan's own report: nothing is scanned twice.

    What was found in the packages stands in the vulnerability report alone: it gets old, the list of packages does not.
    """
    path = scratch / f"{report.stem}.cdx.json"
    trivy(["convert", "--quiet", "--format", "cyclonedx", "--output", path, report])
    content: dict[str, Any] = json.loads(path.read_text())
    content.pop("vulnerabilities", None)
    return content


def check_written(
    written: Mapping[str, Sequence[str]], before: Mapping[str, Referrers], signer: Signer
) -> dict[str, Referrers]:
    """Make sure that the registry lists what was there before and what was written since, and return what it lists.

    Args:
        written: the predicate types that were written about each manifest.
        before: what was listed before.
        signer: who wrote it.

    Raises:
        StepError: something is missing.
    """
    after = referrers_of(list(written), signer.environment, signer.authority)
    lost = [f"{manifest}: {digest}" for manifest in written for digest in before[manifest].keys() - after[manifest]]
    for manifest, types in written.items():
        fresh = [type_ for digest, type_ in after[manifest].items() if digest not in before[manifest]]
        lost += [f"{manifest}: {NAMES[type_]}" for type_ in types if type_ not in fresh]
    if lost:
        listed = "\n".join(f"  {line}" for line in lost)
        raise StepError(
            f"the registry does not list what was written; something else wrote at the same time, and registries "
            f"without a referrers API then lose one of both:\n{listed}\nRun it again when nothing else writes there."
        )
    return after


def main() -> dict[str, Any]:
    """Attest what the command line names."""
    parser = request_parser("attest", __doc__)
    parser.add_argument("--key", required=True)
    parser.add_argument("--reports", required=True, type=Path, help="folder with what the scan kept")
    parser.add_argument("--build", required=True, type=json.loads, help="the build definition, as JSON")
    parser.add_argument("--builder", help="name of the buildx builder")
    it: argparse.Namespace = parser.parse_args()
    secrets = read_secrets()
    request = Request(it.reference, it.reports, it.build, it.builder)
    return attest(request, it.key, it.public_key, secrets.get("password", ""), logins_of(it, secrets))


if __name__ == "__main__":
    run_step(main)
