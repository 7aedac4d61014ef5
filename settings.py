"""A stack's configuration: the components' own models, composed; every mistake in the file is said at once.

A stack file holds one key a field of `Settings` under `slipway:`. `python -m settings` prints the JSON Schema that
editors complete and check with; it is checked in as stacks/schema.json.
"""

import contextlib
import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Self

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from components.arguments import Arguments, refuse
from components.artifact import Digest, Repository, Version
from components.container import HardenedContainerArgs
from components.host import Engine, HostArgs
from components.image import Build, ImageArgs
from components.promotion import PromotionArgs, PromotionPolicy
from components.proof import ProofArgs, ProofPolicy
from components.publication import Copier
from components.registry import PrivateRegistry, Quarantine
from components.release import ReleaseArgs
from components.run import Run
from components.scan import ScanPolicy
from components.signature import SigningKey
from mistakes import NAMESPACE, OF_BUILDS, Place, key_of, kinds, mistakes, told
from paths import problems

_MOVING_TAGS = frozenset({"latest", "stable", "edge", "main", "master", "nightly", "production", "staging", "dev"})


class Service(Arguments):
    """One service: what to build, what it is called, how it runs."""

    repository: str
    """Path of the repository in the private registry, and in quarantine below its `path`."""
    version: str | None = None
    """Semantic version of the next release; in a stack that promotes the release that is pinned, if one is."""
    digest: str | None = None
    """The very artifact that is pinned, in a stack that promotes."""
    build: Build | None = None
    """How the image is built; in a stack that promotes nothing is."""
    scan: ScanPolicy | None = None
    """What may not ship, instead of the stack's own `scan`."""
    run: Run | None = None
    """How the container runs; left out, the release is published only."""
    prove: ProofPolicy | None = None
    """What has to pass before this stack has proved a release, instead of the stack's own `prove`."""

    @field_validator("version")
    @classmethod
    def _is_version(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if value.lower() in _MOVING_TAGS:
            raise ValueError(f"a tag that moves names no release ({value}): write a semantic version, such as 1.4.0")
        return str(Version(value))

    _digest = field_validator("digest")(lambda value: value and str(Digest(value)))

    @field_validator("repository")
    @classmethod
    def _is_path(cls, value: str) -> str:
        return Repository("registry.invalid", value).path


class Settings(Engine):
    """One stack; the Docker Engine is the one that runs the containers of all services."""

    channel: str = Field(default="dev", pattern=r"^[a-z][a-z0-9]{0,15}$")
    """`release` claims each version as an immutable tag, for what is committed alone; any other name makes
    VERSION-CHANNEL.DIGEST."""
    series: bool = False
    """Whether a release also moves MAJOR.MINOR and MAJOR; for the channel `release` alone."""
    builder: str | None = Field(default=None, pattern=r"^[a-zA-Z][a-zA-Z0-9._-]*$")
    """Name of the buildx builder; the default one if left out."""
    build_on_preview: bool = False
    """Whether a preview builds, so that it knows the digest; the layer cache in quarantine is then only read."""
    quarantine: Quarantine | None = None
    """Where candidates go; no host and no cluster may pull from it."""
    registry: PrivateRegistry
    """The private registry: it only ever receives artifacts that passed every gate."""
    copier: Copier = "oras"
    """What moves an image's blobs from one registry to another."""
    sign: SigningKey
    """Who signs: the key of this stack."""
    scan: ScanPolicy = ScanPolicy()
    """What may not ship."""
    promote: PromotionPolicy | None = None
    """Which stacks all services are taken from, and what a release needs before it is; without it this stack builds."""
    prove: ProofPolicy | None = None
    """What has to pass before this stack has proved a release; one that promotes asks for health at the least."""
    protect: bool | None = None
    """Whether a release has to be unprotected before it can be destroyed; true by default in a stack that promotes."""
    services: dict[str, Service] = Field(min_length=1)
    """The services by name."""

    @field_validator("series")
    @classmethod
    def _moves(cls, value: bool, info: ValidationInfo) -> bool:
        channel = info.data.get("channel", "release")  # none where it is a mistake itself
        if value and channel != "release":
            raise ValueError(f"the channel {channel} makes no releases that could move a series: remove it")
        return value

    @field_validator("services")
    @classmethod
    def _names(cls, value: dict[str, Service]) -> dict[str, Service]:
        refuse(
            f"{name!r} is no service name: write lower-case letters, digits and dashes"
            for name in value
            if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)
        )
        return value

    @model_validator(mode="after")
    def _no_sharing(self) -> Self:
        own = self.registry.repository("any")
        quarantine = self.quarantine
        # It says what is wrong with a candidate's repository, too.
        candidates = [quarantine.repository(it.repository) for it in self.services.values()] if quarantine else []
        # Another path is not enough. Clients have one login a registry: the hosts' own would pull candidates, too.
        if any(candidate.is_in_the_registry_of(own) for candidate in candidates):
            raise ValueError(
                f"quarantine and registry are one registry ({self.registry.address}): nothing unverified may reach "
                "the private one, where hosts log in and pull: write another quarantine.address"
            )
        if shared := sorted(_shared(self.services)):
            raise ValueError("; ".join(shared))
        return self

    def host(self) -> HostArgs:
        """The Docker Engine that all services run on."""
        return HostArgs(
            docker=self.docker,
            secrets_directory=self.secrets_directory,
            registry=self.registry.address,
            access=self.registry.access(),
        )

    def release(self, name: str) -> ReleaseArgs | PromotionArgs:
        """What the release of one service is made of: a build, or the release of another stack."""
        service = self.services[name]
        common: dict[str, Any] = {
            "repository": str(self.registry.repository(service.repository)),
            "scan": service.scan or self.scan,
            "channel": self.channel,
            "series": self.series,
            "access": self.registry.access(),
            "certificate_authority": self.registry.certificate_authority,
            "copier": self.copier,
            "needs": service.run.needs if service.run else None,
        }
        if self.promote is None:
            return ReleaseArgs(image=self._image(service), key=self.sign, **common)
        own_key = self.sign.public_key if self.proof_policy(service) else None
        pins = {"version": service.version, "digest": service.digest}
        return PromotionArgs(policy=self.promote, own_key=own_key, **pins, **common)

    def _image(self, service: Service) -> ImageArgs:
        if service.build is None or service.version is None or self.quarantine is None:
            raise ValueError("a stack that promotes nothing builds: `load` says what is missing")
        build = service.build.model_dump(exclude={"secrets"}) | {"secrets": service.build.secrets}
        return ImageArgs(
            **build,
            quarantine=str(self.quarantine.repository(service.repository)),
            version=service.version,
            builder=self.builder,
            build_on_preview=self.build_on_preview,
            registry=self.quarantine.access(),
        )

    def container(self, name: str, reference: pulumi.Output[str]) -> HardenedContainerArgs | None:
        """How a service runs; None where it is published only."""
        run = self.services[name].run
        return HardenedContainerArgs(reference=reference, run=run, host=self.host()) if run else None

    def proof(
        self, name: str, record: pulumi.Output[dict[str, Any]], container: pulumi.Output[str], url: pulumi.Output[str]
    ) -> ProofArgs | None:
        """What has to pass before this stack has proved what runs; None where it proves nothing."""
        policy = self.proof_policy(self.services[name])
        if policy is None:
            return None
        return ProofArgs(
            reference=record["reference"],
            container=container,
            url=url,
            revision=record["revision"],
            policy=policy,
            docker=self.docker,
            key=self.sign,
            access=self.registry.access(),
            certificate_authority=self.registry.certificate_authority,
        )

    def proof_policy(self, service: Service) -> ProofPolicy | None:
        """What has to pass before this stack has proved a service; None where it proves none."""
        asked = service.prove or self.prove or (ProofPolicy() if self.promote else None)
        return asked if service.run else None

    @property
    def runs(self) -> bool:
        """Whether anything runs here."""
        return any(service.run for service in self.services.values())

    @property
    def builds(self) -> bool:
        """Whether this stack builds what it ships."""
        return self.promote is None

    @property
    def protects(self) -> bool:
        """Whether releases have to be unprotected before they can be destroyed."""
        return self.protect if self.protect is not None else not self.builds


def _shared(services: Mapping[str, Service]) -> Iterator[str]:
    """What two services, or two ports of one, claim both."""
    for (first, one), (second, other) in combinations(services.items(), 2):
        if one.repository == other.repository:
            yield f"services {first} and {second} publish to one repository ({one.repository}): give each its own"
        if one.run and other.run and one.run.name == other.run.name:
            yield f"services {first} and {second} have one container name ({one.run.name}): give each its own run.name"
    ports = [(name, port) for name, service in services.items() if service.run for port in service.run.ports]
    for (first, a), (second, b) in combinations(ports, 2):
        everywhere = {a.address, b.address} & {"0.0.0.0", "::"}
        if a.host == b.host and (a.address == b.address or everywhere):
            who = f"services {first} and {second} both listen" if first != second else f"service {first} listens twice"
            yield f"{who} on {b.address}:{b.host}: choose another run.ports[].host"


class SettingsError(pulumi.RunError):
    """Everything that is wrong with a stack's configuration; Pulumi shows it without a traceback."""


def configuration() -> dict[str, str]:
    """This stack's configuration by full key, as Pulumi hands it to a program, without the secrets in it.

    Raises:
        SettingsError: a setting is one of the secrets, as one is of which a part was set with `--secret --path`.
    """
    known, secret = CONFIG.get(), {key for key in CONFIG.get() if is_config_secret(key)}
    hidden = [key for key in Settings.model_fields if f"{NAMESPACE}:{key}" in secret]
    if lines := [line for key in hidden for line in _hidden(key, _value(known[f"{NAMESPACE}:{key}"]))]:
        raise SettingsError(told(lines))
    return {key: text for key, text in known.items() if key not in secret}


def _hidden(key: str, value: Any) -> list[str]:
    """That a setting is a secret as a whole, by where its secret parts stand; never what they are."""
    return [
        f"{key_of(path)}: the secret itself stands here, which makes one of all of {NAMESPACE}:{key}: "
        f"run `pulumi config set --secret {name}`, and write {{ config: {name} }} here"
        for path in _bare_secrets(value, (key,))
        for name in [path[-1] if path[-2] == "secrets" else "_".join(map(str, path))]
    ] or [
        f"{NAMESPACE}:{key}: it was set with --secret, and no setting is a secret: set it without; "
        "a secret in it has a key of its own, and is named there, such as password: { config: KEY }"
    ]


def _bare_secrets(value: Any, path: Place) -> Iterator[Place]:
    """Where a secret stands in place of its name."""
    if isinstance(value, str) and len(path) > 1 and (path[-1] == "password" or path[-2] == "secrets"):
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in entries:
        yield from _bare_secrets(item, (*path, key))


def load(configuration: Mapping[str, str], project: Path) -> Settings:
    """The stack's settings.

    Args:
        configuration: Pulumi's configuration by full key, `slipway:services` and the like, without its secrets.
        project: folder of the project, for paths.

    Raises:
        SettingsError: with one line a mistake, `key: what is wrong (value): what to write`.
    """
    own = {key: text for key, text in configuration.items() if key.startswith(f"{NAMESPACE}:")}
    try:
        raw = {key.removeprefix(f"{NAMESPACE}:"): _value(text) for key, text in own.items()}
        unencrypted = set(_named_secrets(raw)) - Settings.model_fields.keys()  # told below, as what they are
        read = {key: value for key, value in raw.items() if key not in unencrypted}
        settings = Settings.model_validate(read)
    except ValidationError as error:
        rest = _well_formed(read, error)
        more = problems(rest, project, whole=False) if rest else ()
        raise SettingsError(told(list({*mistakes(error, _schema()), *kinds(raw, _schema), *more}))) from None
    if found := [*problems(settings, project), *kinds(raw, _schema)]:
        raise SettingsError(told(found))
    return settings


def _well_formed(read: Mapping[str, Any], error: ValidationError) -> Settings | None:
    """The settings without those of the wrong form, so that what else is wrong is told; None if too few are left."""
    rest = copy.deepcopy(dict(read))
    for entry in error.errors():
        place: dict[Any, Any] = rest
        for part in (it for it in entry["loc"] if not str(it).startswith("function-")):
            below = place.get(part)
            if not isinstance(below, dict):
                place.pop(part, None)
                break
            place = below
    try:
        return Settings.model_validate(rest)
    except ValidationError:
        return None


def _value(text: str) -> Any:
    """Pulumi hands a scalar as it is and an object as JSON; a version such as 1.10 must stay the text that it was."""
    if text[:1] in ("{", "["):
        with contextlib.suppress(ValueError):  # a plain text that starts so; what it should be is told by its setting
            return json.loads(text)
    return {"true": True, "false": False}.get(text, text)


def _named_secrets(raw: Any) -> Iterator[str]:
    """Every key that a setting names as `config: KEY`."""
    if isinstance(raw, dict):
        yield from (value for key, value in raw.items() if key == "config" and isinstance(value, str))
    for value in raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ():
        yield from _named_secrets(value)


@cache
def _schema() -> dict[str, Any]:
    """The JSON Schema of the settings, with their descriptions: only a mistake or an editor asks for it."""
    from components.docstrings import describe

    describe(Settings)
    return Settings.model_json_schema()


def stack_file_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a stack file, for editors."""
    schema = _schema()
    own = {f"{NAMESPACE}:{key}": value for key, value in schema["properties"].items()}
    config = {
        "type": "object",
        "properties": own,
        "required": [f"{NAMESPACE}:{key}" for key in schema["required"]],
        "patternProperties": {f"^(?!{NAMESPACE}:)": {}},
        # Any other key of ours is a secret that some setting names as `config: KEY`.
        "additionalProperties": {"type": "object", "required": ["secure"]},
        "if": {"required": [f"{NAMESPACE}:promote"]},
        "then": {
            "properties": {
                **{f"{NAMESPACE}:{key}": False for key in OF_BUILDS},
                f"{NAMESPACE}:services": {"additionalProperties": {"properties": {"build": False}}},
            }
        },
        "else": {
            "required": [f"{NAMESPACE}:quarantine"],
            "properties": {f"{NAMESPACE}:services": {"additionalProperties": {"required": ["build", "version"]}}},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Slipway stack",
        "type": "object",
        "properties": {"config": config},
        "$defs": schema["$defs"],
    }


if __name__ == "__main__":
    print(json.dumps(stack_file_schema(), indent=2))
