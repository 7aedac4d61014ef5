"""Promotion: a release of another stack, verified again and taken as it is: the same digest, never built anew."""

import json
import os
import re
from collections.abc import Sequence
from typing import Any, Literal, Self

import pulumi
from pulumi_command import local
from pydantic import ConfigDict, Field, field_validator, model_validator

from components.arguments import Arguments, LiteralPath, refuse
from components.artifact import Digest, ImageReference, Repository, Version
from components.publication import Copier, Publication, PublicationArgs
from components.record import ReleaseRecord, SignedAs
from components.registry import PrivateRegistry, RegistryAccess, registry_flags, registry_secrets
from components.run import ImageNeeds
from components.scan import ScanPolicy, policy_flags, reports_of
from components.step import Argument, command_line, document
from components.upstream import output_of, own_output, record_in, upstream

APPROVED = "SLIPWAY_APPROVED"
"""Environment variable with what may ship: a JSON object, digest by service. Without it `promote` alone decides."""
_STACK = r"[A-Za-z0-9_.-]+"


class Approval(Arguments):
    """Who may approve a release for this stack, and what that is worth."""

    approvers: dict[str, LiteralPath] = Field(min_length=1)
    """Public key of everyone who may approve, by name: a file's path or a KMS reference."""
    counts: Literal["besides", "instead"] = "besides"
    """Whether an approval is needed besides the proofs, or may stand in for them and for the soak, as for a hotfix."""


class PromotionPolicy(Arguments):
    """Which stacks releases are taken from, and what a release needs before it is."""

    model_config = ConfigDict(populate_by_name=True)

    stacks: tuple[str, ...] = Field(alias="from", min_length=1)
    """The stacks: the first one's release is taken, all may prove it; PROJECT/STACK for one of another project."""
    requires: Literal["all", "any"] = "all"
    """Whether all of these stacks have to prove a release, or any of them."""
    soak: float = Field(default=0, ge=0, le=24 * 365)
    """Hours since a stack first proved a release."""
    held: bool = False
    """Whether the stack also has to say, once the soak is over, that it held: `slipway prove` does."""
    report_age: float = Field(default=7, gt=0, le=90)
    """Days that the newest vulnerability report may be old when this stack takes a release for the first time."""
    approval: Approval | None = None
    """Who has to approve a release; nobody if left out."""
    public_key: LiteralPath
    """What signatures, evidence and proofs verify with: a file's path or a KMS reference."""
    public_keys: dict[str, LiteralPath] = {}
    """What the proofs of a stack verify with that proves with a key of its own, by the stack's name in `from`."""
    registries: tuple[PrivateRegistry, ...] = ()
    """How to reach the registries of these stacks, where that is not this stack's own registry."""

    @field_validator("stacks")
    @classmethod
    def _are_stacks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        refuse(
            f"{text!r} is no stack: write its name, PROJECT/STACK or ORGANIZATION/PROJECT/STACK"
            for text in value
            if not re.fullmatch(rf"({_STACK}/){{0,2}}{_STACK}", text)
        )
        if len(set(value)) < len(value):
            raise ValueError(f"a stack is named twice ({', '.join(value)}): name each once")
        return value

    @model_validator(mode="after")
    def _no_idle_key(self) -> Self:
        if idle := sorted(self.public_keys.keys() - set(self.stacks)):
            raise ValueError(f"public_keys.{idle[0]}: it is not among `from` ({', '.join(self.stacks)}): remove it")
        return self

    def key_of(self, stack: str) -> str:
        """What the proofs of a stack verify with."""
        return self.public_keys.get(stack, self.public_key)


class PromotionArgs(Arguments):
    """Which service is promoted, from where, to where."""

    policy: PromotionPolicy
    """Which stacks it is taken from, and what it needs."""
    repository: str
    """Where releases of this stack live, `REGISTRY/PATH`; the path is the service's in all stacks."""
    service: str | None = None
    """The other stacks' name for the service, an output of theirs; the name of the promotion if left out."""
    version: str | None = None
    """The version that is pinned, such as an older one; what the first stack runs if left out."""
    digest: str | None = None
    """The very artifact that is pinned; its version is what its signature says."""
    scan: ScanPolicy = ScanPolicy()
    """What may not ship for the first time."""
    reports: str | None = None
    """Folder for the scan's reports, relative to the project; `.slipway/reports/STACK/NAME` if left out."""
    cache: str = ".slipway/trivy"
    """Folder of the scanner's database, relative to the project."""
    own_key: str | None = None
    """What this stack's own proofs verify with; without it, every release counts as one that it has never run."""
    channel: str = Field(default="dev", pattern=r"^[a-z][a-z0-9]{0,15}$")
    """`release` claims the version as an immutable tag."""
    series: bool = False
    """Whether a release also moves `MAJOR.MINOR` and `MAJOR`."""
    access: RegistryAccess | None = None
    """Credentials of this stack's registry."""
    certificate_authority: str | None = None
    """PEM file with the certificate authority of this stack's registry."""
    copier: Copier = "oras"
    """What moves the image's blobs."""
    needs: ImageNeeds | None = None
    """What the container asks of the image: an unfit one is not taken for the first time; none if it is not run."""

    _repository = field_validator("repository")(lambda value: str(Repository.parse(value)))
    _version = field_validator("version")(lambda value: value and str(Version(value)))
    _digest = field_validator("digest")(lambda value: value and str(Digest(value)))


class Promotion(pulumi.ComponentResource):
    """Takes a release that other stacks have proved: the same digest with its signature and evidence, to this registry.

    Everything is verified before anything is created, during preview already: the index and its platforms, signature
    and evidence, who proved and who approved it, and today's vulnerabilities where this stack has never run it.
    """

    reference: pulumi.Output[str]
    """The release in this stack's registry, `REPOSITORY@sha256:…`."""
    record: pulumi.Output[dict[str, Any]]
    """The release's record, see ReleaseRecord."""

    def __init__(self, name: str, args: PromotionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Promotion", name, args.properties(), opts)
        service, policy = args.service or name, args.policy
        outputs = [output_of(f"{name}-from", stack, service, self) for stack in policy.stacks]
        before = own_output(service).apply(record_in)
        granted = _granted(args, service, reports_of(name, args.reports), outputs, before, self)
        publication_args = PublicationArgs(
            reference=granted["reference"],
            repository=args.repository,
            version=granted["version"],
            channel=args.channel,
            series=args.series,
            public_key=policy.public_key,
            annotations={"repository": granted["repository"], "version": granted["version"]},
            access=args.access,
            certificate_authority=args.certificate_authority,
            sources=policy.registries,
            copier=args.copier,
            reuse=True,
            provenance=granted["provenance"],
        )
        publication = Publication(f"{name}-publication", publication_args, pulumi.ResourceOptions(parent=self))
        there = granted.apply(lambda it: str(Repository.parse(args.repository).at(_digest(it["reference"]))))
        self.reference = _handed_on(publication, granted, there)
        # A preview says which digest is about to ship, whether or not it is there yet.
        said = there if pulumi.runtime.is_dry_run() else publication.reference
        known = pulumi.Output.all(said, publication.tag, granted, before, *outputs)
        self.record = known.apply(lambda it: _record(policy.public_key, *it))
        self.register_outputs({"reference": self.reference, "record": self.record})


def _granted(
    args: PromotionArgs,
    service: str,
    reports: str,
    outputs: Sequence[pulumi.Output[Any]],
    before: pulumi.Output[dict[str, Any] | None],
    parent: pulumi.Resource,
) -> pulumi.Output[dict[str, Any]]:
    """The release that may be promoted, as steps.promote prints it; everything about it is verified then."""
    path, policy = Repository.parse(args.repository).path, args.policy

    def said(known: Sequence[Any]) -> str:
        pairs = zip(policy.stacks, known, strict=True)
        return json.dumps([upstream(stack, policy.key_of(stack), service, path, output) for stack, output in pairs])

    registries = [*policy.registries, _own(args)]
    arguments: list[Argument] = ["--service", service, "--project", pulumi.get_project(), "--stack", pulumi.get_stack()]
    arguments += ["--repository", args.repository, "--upstreams", pulumi.Output.all(*outputs).apply(said)]
    arguments += ["--public-key", policy.public_key, *_rule(policy), *_pins(args)]
    arguments += ["--own-key", args.own_key] if args.own_key else []
    arguments += ["--running", before.apply(lambda record: str(record["digest"]) if record else "")]
    arguments += [*registry_flags(registries), *policy_flags(args.scan, reports, args.cache)]
    arguments += args.needs.flags() if args.needs else []
    answer = local.run_output(
        command=command_line("promote", arguments),
        stdin=document(registry_secrets(registries)),
        logging=local.Logging.STDERR,
        opts=pulumi.InvokeOutputOptions(parent=parent),
    )
    known = pulumi.Output.all(answer.stdout, before)
    return pulumi.Output.unsecret(known.apply(lambda it: _as_approved(service, _answered(it[0], parent), it[1])))


def _as_approved(service: str, answer: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    """The answer, where it is what somebody has approved; all that is not approved has to stay as it is.

    Between the preview that was approved and this `up` the other stack may have moved on.

    Raises:
        pulumi.RunError: it is another digest, or it cannot be told what was approved.
    """
    if (approved := _approved()) is not None:
        expected = approved.get(service, before["digest"] if before else "no release")
        if expected != (digest := str(_digest(answer["reference"]))):
            raise pulumi.RunError(
                f"{service}: approved was {expected}, what would ship now is {digest}. "
                "Nothing was published; preview and approve again."
            )
    return answer


def _approved() -> dict[str, str] | None:
    """What may ship; None where nothing was asked. Empty is not unset: an output that got lost approves nothing."""
    if (text := os.environ.get(APPROVED)) is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(it, str) for it in found.values()):
        seen = repr(text) if text else "empty"
        raise pulumi.RunError(
            f"{APPROVED} is {seen}, not a JSON object with the digest of each approved service. Nothing was published; "
            f"hand over what the preview said, or unset {APPROVED} where nothing has to be approved."
        )
    return found


def _answered(line: str, component: pulumi.Resource) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(line)
    if answer["problem"]:
        raise pulumi.RunError(answer["problem"])
    for text in answer["warnings"]:
        pulumi.log.warn(text, component)
    for text in answer["told"]:
        pulumi.log.info(text, component)
    return answer


def _handed_on(
    publication: Publication, granted: pulumi.Output[dict[str, Any]], there: pulumi.Output[str]
) -> pulumi.Output[str]:
    """What was published: to be looked at, and judged, only where it is.

    A preview of a rollback hands it on at once: this stack has proved it, and its registry holds it.
    """

    def choose(answer: dict[str, Any]) -> pulumi.Output[str]:
        if answer["here"] and pulumi.runtime.is_dry_run():
            return pulumi.Output.all(there, publication.urn).apply(lambda known: str(known[0]))
        return publication.reference

    return granted.apply(choose)


def _digest(reference: str) -> Digest:
    return ImageReference.parse(reference).digest


def _own(args: PromotionArgs) -> PrivateRegistry:
    """This stack's registry."""
    login = {"username": args.access.username, "password": args.access.password} if args.access else {}
    address, authority = Repository.parse(args.repository).registry, args.certificate_authority
    return PrivateRegistry(address=address, certificate_authority=authority, **login)


def _rule(policy: PromotionPolicy) -> list[str]:
    flags = ["--requires", policy.requires, "--soak", f"{policy.soak:g}", *(["--held"] if policy.held else [])]
    flags += ["--report-age", f"{policy.report_age:g}"]
    if policy.approval:
        approvers = json.dumps(policy.approval.approvers, sort_keys=True)
        flags += ["--approvers", approvers, "--approval", policy.approval.counts]
    return flags


def _pins(args: PromotionArgs) -> list[str]:
    pins = {"--version": args.version, "--digest": args.digest}
    return [word for flag, value in pins.items() if value for word in (flag, value)]


def _record(
    public_key: str,
    reference: str,
    tag: str,
    granted: dict[str, Any],
    before: dict[str, Any] | None,
    *outputs: Any,
) -> dict[str, Any]:
    """The release's record here: what was said when it was built is handed on."""
    digest = str(_digest(reference))
    records = [record for record in (*map(record_in, outputs), before) if record and record["digest"] == digest]
    record = ReleaseRecord(
        project=pulumi.get_project(),
        stack=pulumi.get_stack(),
        digest=digest,
        reference=reference,
        tag=tag,
        version=granted["version"],
        revision=granted["revision"],
        platforms=tuple(granted["platforms"]),
        scan=records[0]["scan"] if records else None,
        signature=SignedAs(public_key=public_key, repository=granted["repository"], version=granted["version"]),
    )
    return record.model_dump(mode="json")
