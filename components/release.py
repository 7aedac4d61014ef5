"""Release: image → scan → signature → evidence → verification → publication, each gate handing on only what passed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pulumi
from pydantic import Field, field_validator, model_validator

from components.arguments import Arguments
from components.artifact import ImageReference, Repository
from components.evidence import Evidence, EvidenceArgs
from components.image import Build, Image, ImageArgs
from components.publication import Copier, Publication, PublicationArgs
from components.record import ReleaseRecord, ScanSummary, SignedAs
from components.registry import RegistryAccess
from components.run import ImageNeeds
from components.scan import Scan, ScanArgs, ScanPolicy, reports_of
from components.signature import Signature, SignatureArgs, SigningKey, Verification, VerificationArgs
from components.tree import named, uncommitted

_COMMIT = (
    "Commit it, or build it on a channel such as dev. A file that git ignores, or a stack's file with Pulumi's salt, "
    "is named where the builder gets it: leave it out in .dockerignore."
)


class ReleaseArgs(Arguments):
    """Everything that a release is made of."""

    image: ImageArgs
    """What to build."""
    repository: str
    """Where the release lives, `REGISTRY/PATH`."""
    key: SigningKey
    """Who signs."""
    scan: ScanPolicy = ScanPolicy()
    """What may not ship."""
    reports: str | None = None
    """Folder for the scan's reports, relative to the project; `.slipway/reports/STACK/NAME` if left out."""
    channel: str = Field(default="dev", pattern=r"^[a-z][a-z0-9]{0,15}$")
    """`release` claims the version as an immutable tag, and builds what is committed alone."""
    series: bool = False
    """Whether a release also moves `MAJOR.MINOR` and `MAJOR`."""
    access: RegistryAccess | None = None
    """Credentials of the private registry."""
    certificate_authority: str | None = None
    """PEM file with the private registry's certificate authority."""
    copier: Copier = "oras"
    """What moves the image's blobs to the private registry."""
    needs: ImageNeeds | None = None
    """What the container asks of the image: another one is not published; left out where nothing is to run it."""

    _repository = field_validator("repository")(lambda value: str(Repository.parse(value)))

    @model_validator(mode="after")
    def _gates_lie_between(self) -> Self:
        candidates, releases = Repository.parse(self.image.quarantine), Repository.parse(self.repository)
        if candidates.path == releases.path and candidates.is_in_the_registry_of(releases):
            raise ValueError(
                f"image.quarantine and repository are one ({self.repository}): nothing unverified may be "
                "where releases are: name another repository for candidates"
            )
        return self


class Release(pulumi.ComponentResource):
    """An artifact that passed every gate, with its tag in the private registry.

    A gate that fails stops the graph: what it did not let through is never signed and never published.

    Raises:
        pulumi.RunError: the channel is `release`, and the build would take what is in no commit.
    """

    reference: pulumi.Output[str]
    """The published artifact, `REPOSITORY@sha256:…`."""
    record: pulumi.Output[dict[str, Any]]
    """The release's record, see ReleaseRecord."""

    def __init__(self, name: str, args: ReleaseArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        refuse_uncommitted(args.channel, {name: args.image})
        super().__init__("slipway:index:Release", name, args.properties(), opts)
        child = pulumi.ResourceOptions(parent=self)
        image, quarantine = args.image, args.image.registry
        says, reports = _says(args), reports_of(name, args.reports)
        candidate = Image(f"{name}-image", image, child)
        scan_args = ScanArgs(
            reference=candidate.reference,
            platforms=image.platforms,
            policy=args.scan,
            reports=reports,
            registry=quarantine,
            needs=args.needs,
        )
        scan = Scan(f"{name}-scan", scan_args, child)
        signature_args = SignatureArgs(reference=scan.reference, key=args.key, annotations=says, registry=quarantine)
        signature = Signature(f"{name}-signature", signature_args, child)
        evidence_args = EvidenceArgs(
            reference=signature.reference,
            image=image,
            revision=candidate.revision,
            arguments=candidate.build_arguments,
            key=args.key,
            reports=reports,
        )
        evidence = Evidence(f"{name}-evidence", evidence_args, child)
        verification_args = VerificationArgs(
            reference=evidence.reference, public_key=args.key.public_key, annotations=says, registry=quarantine
        )
        verification = Verification(f"{name}-verification", verification_args, child)
        publication = Publication(f"{name}-publication", _publication(args, verification, evidence), child)
        self.reference = publication.reference
        self.record = pulumi.Output.all(publication.reference, publication.tag, scan.summary).apply(
            lambda known: _record(args, candidate.revision, *known)
        )
        self.register_outputs({"reference": self.reference, "record": self.record})


def refuse_uncommitted(channel: str, builds: Mapping[str, Build]) -> None:
    """Refuse to claim an immutable tag for what nobody else can see and build again.

    A context outside of git, such as an unpacked archive, is built as it is: its revision is `unknown`.

    Args:
        channel: the channel; any other than `release` claims no tag.
        builds: what is built, by the name of its service.

    Raises:
        pulumi.RunError: naming each service and the first few files that are in no commit.
    """
    if channel != "release":
        return
    found = {name: uncommitted(Path(it.context), it.dockerfile) for name, it in builds.items()}
    lines = [
        f"  service {name}: {builds[name].context} holds what is in no commit: {named(files)}"
        for name, files in found.items()
        if files
    ]
    if lines:
        told = "channel: release claims an immutable tag, and takes only what is committed; nothing was changed:"
        raise pulumi.RunError("\n".join([told, *lines, _COMMIT]))


def _says(args: ReleaseArgs) -> dict[str, str]:
    """What the signature says of the artifact."""
    return {"repository": args.repository, "version": args.image.version}


def _publication(args: ReleaseArgs, verification: Verification, evidence: Evidence) -> PublicationArgs:
    return PublicationArgs(
        reference=verification.reference,
        repository=args.repository,
        version=args.image.version,
        public_key=args.key.public_key,
        annotations=_says(args),
        channel=args.channel,
        series=args.series,
        access=args.access,
        certificate_authority=args.certificate_authority,
        source_access=args.image.registry,
        copier=args.copier,
        provenance=evidence.provenance,
    )


def _record(args: ReleaseArgs, revision: str, reference: str, tag: str, summary: str) -> dict[str, Any]:
    record = ReleaseRecord(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        digest=str(ImageReference.parse(reference).digest),
        reference=reference,
        tag=tag,
        version=args.image.version,
        revision=revision,
        platforms=args.image.platforms,
        scan=ScanSummary.parse(summary),
        signature=SignedAs(public_key=args.key.public_key, **_says(args)),
    )
    return record.model_dump(mode="json")
