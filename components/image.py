"""Image: one multi-platform build by BuildKit, pushed by digest only, into quarantine."""

import difflib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pulumi
import pulumi_docker_build as docker_build
from pydantic import Field, field_validator

from components.arguments import Arguments, refuse
from components.artifact import ImageReference, Platform, Repository, Version
from components.bases import UnpinnedError, base_images, lock_problem, locked_bases
from components.build_log import show_failed_step
from components.registry import RegistryAccess
from components.secret import SecretSource, holds_credential, refuse_secrets
from components.tree import last_commit

_CACHE_TAG = "cache"
"""The layer cache is no artifact: it has a tag in quarantine and is never published."""
_PLATFORMS = frozenset(platform.value for platform in docker_build.Platform)
"""What the SDK of docker-build can name; it has no variants, such as linux/arm/v7."""


class Build(Arguments):
    """How a service's image is built."""

    context: str
    """Folder that is sent to the builder, relative to the project; it holds the Dockerfile."""
    dockerfile: str = "Dockerfile"
    """The Dockerfile, relative to the context."""
    target: str | None = None
    """Stage to build; the last one by default."""
    platforms: tuple[str, ...] = Field(default=("linux/amd64", "linux/arm64"), min_length=1)
    """Every platform of the index."""
    arguments: dict[str, str] = {}
    """Build arguments; never a secret, they stay readable in the image."""
    secrets: dict[str, SecretSource] = {}
    """Build secrets by their id, for `RUN --mount=type=secret,id=ID`; they reach no layer."""
    base_images: str | None = None
    """JSON file that locks each base image to a digest: `{"python:3.12-slim": "REPOSITORY@sha256:…"}`.

    Every image that the build pulls has its digest there, or in the Dockerfile itself."""
    source: str | None = None
    """URL of the source code, for the label org.opencontainers.image.source."""
    cache: bool = True
    """Whether layers are cached in the quarantine repository, under the tag `cache`."""

    @field_validator("platforms")
    @classmethod
    def _can_be_built(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError(f"a platform is named twice ({', '.join(value)}): name each once")
        refuse(problem for text in value if (problem := _platform_problem(text)))
        return value

    @field_validator("arguments")
    @classmethod
    def _no_secrets(cls, value: dict[str, str]) -> dict[str, str]:
        refuse_secrets(value, ", and arguments stay in the image: move it to build.secrets")
        return value

    @field_validator("source")
    @classmethod
    def _is_public(cls, value: str | None) -> str | None:
        if value and holds_credential(value):
            raise ValueError("a credential is in this URL, which stays in the image: write the URL without it")
        return value


def _platform_problem(text: str) -> str | None:
    try:
        known = str(Platform(text)) in _PLATFORMS
    except ValueError as error:
        return str(error)
    close = difflib.get_close_matches(text, sorted(_PLATFORMS), n=1) or ["linux/amd64"]
    return None if known else f"{text!r} is no platform that docker-build takes: write one such as {close[0]}"


class ImageArgs(Build):
    """What to build, for which platforms, and where the candidate goes."""

    quarantine: str
    """Repository of the candidate, `REGISTRY/PATH`: no host and no cluster may pull from it."""
    version: str
    """Semantic version of the build; the Dockerfile gets it as build argument VERSION."""
    builder: str | None = None
    """Name of the buildx builder; the default one if left out."""
    build_on_preview: bool = False
    """Whether a preview builds, so that it knows the digest; the layer cache in quarantine is then only read."""
    registry: RegistryAccess | None = None
    """Credentials of the quarantine registry where it asks for them."""

    @property
    def writes_cache(self) -> bool:
        """Whether a build writes the layer cache: the provider would do so at preview too, which may leave nothing."""
        return self.cache and not self.build_on_preview

    _repository = field_validator("quarantine")(lambda value: str(Repository.parse(value)))
    _version = field_validator("version")(lambda value: str(Version(value)))


class Image(pulumi.ComponentResource):
    """One image index for all platforms, built by BuildKit: a candidate, known by its digest alone, in quarantine.

    Builds are reproducible: times are those of the last commit that touched the context (SOURCE_DATE_EPOCH), and
    timestamps inside the layers are rewritten to it. Source: reproducible-builds.org, SOURCE_DATE_EPOCH; BuildKit,
    "Build reproducibility".
    """

    reference: pulumi.Output[str]
    """The candidate, `REPOSITORY@sha256:…`."""
    digest: pulumi.Output[str]
    """Digest of the index."""

    def __init__(self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:index:Image", name, args.properties(), opts)
        commit = last_commit(Path(args.context), args.dockerfile)
        self.revision = commit[0]
        self.build_arguments = {**provenance_arguments(args, commit), **args.arguments}
        if problem := base_problem(args, self.build_arguments, Path()):
            raise pulumi.RunError(f"{name}: {problem}")
        built = docker_build.Image(
            f"{name}-build",
            context=docker_build.BuildContextArgs(location=args.context, named=_named_contexts(args.base_images)),
            dockerfile=docker_build.DockerfileArgs(location=str(Path(args.context, args.dockerfile))),
            target=args.target,
            platforms=[docker_build.Platform(platform) for platform in args.platforms],
            build_args=self.build_arguments,
            secrets={key: source.read() for key, source in args.secrets.items()},
            builder=docker_build.BuilderConfigArgs(name=args.builder) if args.builder else None,
            cache_from=[docker_build.CacheFromArgs(registry=_cache_from(args))] if args.cache else None,
            cache_to=[docker_build.CacheToArgs(registry=_cache_to(args))] if args.writes_cache else None,
            exports=[docker_build.ExportArgs(raw=_export(args.quarantine))],
            push=False,  # the export pushes, by digest
            build_on_preview=args.build_on_preview,
            registries=[args.registry.docker_build_login(args.quarantine)] if args.registry else None,
            # A candidate may have become a release that another stack runs: it must outlive this stack.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, hooks=_hooks(name, args)),
        )
        self.digest = built.digest.apply(_digest)
        self.reference = self.digest.apply(lambda digest: str(ImageReference.parse(f"{args.quarantine}@{digest}")))
        self.register_outputs({"reference": self.reference, "digest": self.digest})


def _digest(digest: str) -> str:
    """The digest as it is known: where files of the context alone have changed, the provider previews an empty one."""
    if not digest and pulumi.runtime.is_dry_run():
        return cast(str, pulumi.UNKNOWN)
    return digest


def _hooks(name: str, args: ImageArgs) -> pulumi.ResourceHookBinding | None:
    shown = show_failed_step(f"{name}-build-log", args.quarantine, args.builder)
    return pulumi.ResourceHookBinding(on_error=[shown]) if shown else None


def _export(repository: str) -> str:
    """BuildKit's image export; the typed one has no rewrite-timestamp."""
    return f"type=image,name={repository},push=true,push-by-digest=true,rewrite-timestamp=true,oci-mediatypes=true"


def _cache_from(args: ImageArgs) -> docker_build.CacheFromRegistryArgs:
    return docker_build.CacheFromRegistryArgs(ref=Repository.parse(args.quarantine).tagged(_CACHE_TAG))


def _cache_to(args: ImageArgs) -> docker_build.CacheToRegistryArgs:
    reference = Repository.parse(args.quarantine).tagged(_CACHE_TAG)
    return docker_build.CacheToRegistryArgs(ref=reference, mode=docker_build.CacheMode.MAX)


def _named_contexts(lock: str | None) -> dict[str, docker_build.ContextArgs]:
    """Each base image, replaced by its locked digest: a moved tag changes nothing, a new base is a previewed diff."""
    bases = locked_bases(Path(lock)) if lock else {}
    return {name: docker_build.ContextArgs(location=f"docker-image://{base}") for name, base in bases.items()}


def base_problem(build: Build, arguments: Mapping[str, str], project: Path) -> str | None:
    """What keeps the base images of a build from being known by digest, and what to write.

    Args:
        build: what is built.
        arguments: the build arguments as the build gets them.
        project: folder that its paths are relative to.
    """
    if (lock := build.base_images) and (problem := lock_problem(lock, project)):
        return f"base_images: {problem}"
    try:
        bases_of(build, arguments, project)
    except UnpinnedError as unpinned:
        return f"{unpinned} ({build.context}/{build.dockerfile}): {unpinned.advice(build.base_images)}"
    except ValueError as error:
        return f"{error} ({build.context}/{build.dockerfile}): write it another way"
    return None


def bases_of(build: Build, arguments: Mapping[str, str], project: Path) -> dict[str, ImageReference]:
    """The base images of a build, by their familiar names; none where there is no Dockerfile, which the build tells.

    Raises:
        ValueError: one has no digest, or cannot be told before the build.
    """
    try:
        text = (project / build.context / build.dockerfile).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return base_images(
        text,
        locked_bases(project / build.base_images) if build.base_images else {},
        target=build.target,
        arguments=arguments,
        platforms=build.platforms,
    )


def provenance_arguments(args: ImageArgs, commit: tuple[str, int]) -> dict[str, str]:
    """The build arguments that the labels are made of, the same for every build of one commit."""
    revision, epoch = commit
    created = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    known = {"VERSION": args.version, "REVISION": revision, "CREATED": created, "SOURCE_DATE_EPOCH": str(epoch)}
    if len(args.platforms) == 1:
        known["BUILDKIT_MULTI_PLATFORM"] = "1"  # else BuildKit makes no index of a single platform
    return known | ({"SOURCE": args.source} if args.source else {})
