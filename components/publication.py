"""Publication: a verified artifact, copied by digest to where releases live, compared, and tagged last."""

import json
from typing import Any, Literal, get_args

import pulumi
from pulumi_command import local
from pydantic import Field, field_validator

from components.arguments import Arguments, Flow
from components.artifact import ImageReference, Repository, Version
from components.registry import PrivateRegistry, RegistryAccess, login_secrets, registry_flags, registry_secrets
from components.signature import signature_flags
from components.step import Argument, command_line, document, result, step

Copier = Literal["oras", "skopeo"]
"""What can move an image's blobs."""


class PublicationArgs(Arguments):
    """What is published, where, and under which names."""

    reference: Flow
    """The verified artifact."""
    repository: str
    """Where releases live, `REGISTRY/PATH`."""
    version: Flow
    """Semantic version of the artifact."""
    channel: str = Field(default="dev", pattern=r"^[a-z][a-z0-9]{0,15}$")
    """`release` claims the version as an immutable tag; any other name makes `VERSION-CHANNEL.DIGEST`."""
    series: bool = False
    """Whether a release also moves `MAJOR.MINOR` and `MAJOR`."""
    public_key: str
    """What the signatures verify with, checked once more where they arrive: a file's path or a KMS reference."""
    annotations: dict[str, Flow] = Field(min_length=1)
    """What the signatures must say."""
    access: RegistryAccess | None = None
    """Credentials of the destination."""
    certificate_authority: str | None = None
    """PEM file with the destination's certificate authority; the system's if left out."""
    source_access: RegistryAccess | None = None
    """Credentials of the source."""
    sources: tuple[PrivateRegistry, ...] = ()
    """How to reach the source where that is one of several registries; it takes the place of `source_access`."""
    copier: Copier = "oras"
    """What moves the image's blobs; signatures and evidence, which skopeo leaves behind, are moved by oras."""
    reuse: bool = False
    """Whether it may be there already: then it is verified there, tagged, and not copied again."""
    provenance: Flow = ""
    """The mark of the artifact's provenance, see `Evidence`: where that has changed, it is published again.

    What a stack that promotes has proved itself stays with the provenance that it was proved with.
    """

    _repository = field_validator("repository")(lambda value: str(Repository.parse(value)))

    @field_validator("version")
    @classmethod
    def _is_version(cls, value: Any) -> Any:
        return str(Version(value)) if isinstance(value, str) else value


class Publication(pulumi.ComponentResource):
    """Copies an artifact with its platforms, signature and evidence; only missing blobs move, the digest stays.

    A release claims its version: where the tag names another digest already, the run stops before the copy, during
    preview when the digest is known by then.
    """

    reference: pulumi.Output[str]
    """The published artifact, `REPOSITORY@sha256:…`."""
    tag: pulumi.Output[str]
    """The tag that names it alone: the version of a release, `VERSION-CHANNEL.DIGEST` otherwise."""

    def __init__(self, name: str, args: PublicationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Publication", name, args.properties(), opts)
        reference, version = pulumi.Output.from_input(args.reference), pulumi.Output.from_input(args.version)
        if args.channel == "release":
            reference = _claimed(args, self)
        self.tag = pulumi.Output.all(version, reference).apply(lambda it: own_tag(it[0], args.channel, it[1]))
        arguments = ["--source", reference, "--repository", args.repository, *_tags(args, self.tag)]
        arguments += [*_how(args), *_access(args), *signature_flags(args.public_key, args.annotations)]
        # A digest may be attested anew, from other inputs: then its name is the old one, and what is said of it is not.
        arguments += ["--provenance", pulumi.Output.from_input(args.provenance)] if args.provenance != "" else []
        secrets = login_secrets(args.access, "password") | login_secrets(args.source_access, "source_password")
        secrets |= registry_secrets(args.sources)
        # Another copier is another name of the same resource: one that is protected could not be deleted.
        others = [pulumi.Alias(f"{name}-{other}") for other in get_args(Copier) if other != args.copier]
        known_as = pulumi.ResourceOptions(aliases=others)
        copied = step(f"{name}-{args.copier}", "publish", arguments, self, secrets=secrets, opts=known_as)
        self.reference = result(copied, "reference")
        self.register_outputs({"reference": self.reference, "tag": self.tag})


def own_tag(version: str, channel: str, reference: str) -> str:
    """The tag that names one artifact alone."""
    if channel == "release":
        return version
    return Version(version).candidate_tag(channel, ImageReference.parse(reference).digest)


def _tags(args: PublicationArgs, tag: pulumi.Output[str]) -> list[Argument]:
    if args.channel != "release":
        return ["--tag", tag]
    return ["--immutable-tag", args.version, *(["--series"] if args.series else [])]


def _how(args: PublicationArgs) -> list[Argument]:
    copier: list[Argument] = [] if args.copier == "oras" else ["--copier", args.copier]
    return [*copier, *(["--reuse"] if args.reuse else [])]


def _access(args: PublicationArgs) -> list[Argument]:
    arguments: list[Argument] = []
    if args.certificate_authority:
        arguments += ["--certificate-authority", args.certificate_authority]
    if args.access:
        arguments += ["--username", args.access.username]
    if args.source_access:
        arguments += ["--source-username", args.source_access.username]
    return [*arguments, *registry_flags(args.sources)]


def _claimed(args: PublicationArgs, parent: pulumi.Resource) -> pulumi.Output[str]:
    """The reference, once the registry said that the version's tag is free or names this very digest."""
    arguments = ["--source", args.reference, "--repository", args.repository, "--version", args.version]
    if args.certificate_authority:
        arguments += ["--certificate-authority", args.certificate_authority]
    if args.access:
        arguments += ["--username", args.access.username]
    answer = local.run_output(
        command=command_line("claim", arguments),
        stdin=document(login_secrets(args.access, "password")),
        logging=local.Logging.STDERR,
        opts=pulumi.InvokeOutputOptions(parent=parent),
    )
    return pulumi.Output.unsecret(answer.stdout.apply(_granted))


def _granted(line: str) -> str:
    answer: dict[Literal["reference", "problem"], str] = json.loads(line)
    if answer["problem"]:
        raise pulumi.RunError(answer["problem"])
    return answer["reference"]
