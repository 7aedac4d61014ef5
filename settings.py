"""A stack's configuration: the components' own models, composed; every mistake in the file is said at once.

A stack file holds one key a field of `Settings` under `slipway:`. `python -m settings` prints the JSON Schema that
editors complete and check with; it is checked in as stacks/schema.json.
"""

import contextlib
import difflib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Self

import pulumi
from pulumi.runtime.config import CONFIG, is_config_secret
from pydantic import Field, ValidationError, field_validator, model_validator

from components.arguments import Arguments
from components.artifact import Repository, Version
from components.host import Engine, HostArgs
from components.image import Build, ImageArgs, locked_bases
from components.registry import RegistryAccess
from components.release import ReleaseArgs
from components.run import Run
from components.scan import ScanPolicy
from components.secret import SecretSource, redacted
from components.signature import SigningKey

NAMESPACE = "slipway"
_MOVING_TAGS = frozenset({"latest", "stable", "edge", "main", "master", "nightly", "production", "staging", "dev"})
_SHAPES = frozenset({"model_type", "dict_type", "tuple_type", "model_attributes_type"})
"""Kinds of mistakes where something else stands in place of an object or a list: it may be a secret."""


class Registry(Arguments):
    """A registry and how to log in."""

    address: str
    """Host name, with a port where it has one."""
    username: str | None = None
    """User name; left out where the registry asks for none or the Docker credential store knows."""
    password: SecretSource | None = None
    """Password or access token, by reference."""

    @field_validator("address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        return Repository(value, "any").registry

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.username is None) != (self.password is None):
            raise ValueError("write both username and password, or neither")
        return self

    def access(self) -> RegistryAccess | None:
        """The credentials, where there are any."""
        if self.username is None or self.password is None:
            return None
        return RegistryAccess(username=self.username, password=self.password)


class PrivateRegistry(Registry):
    """The registry that hosts pull from."""

    certificate_authority: str | None = None
    """PEM file of the registry's certificate authority; the system's if left out."""


class Service(Arguments):
    """One service: what to build, what it is called, how it runs."""

    repository: str
    """Path of the repository, the same in quarantine and in the private registry."""
    version: str
    """Semantic version of the next release; a tag that moves, such as latest, is refused."""
    build: Build
    """How the image is built."""
    scan: ScanPolicy | None = None
    """What may not ship, instead of the stack's own `scan`."""
    run: Run | None = None
    """How the container runs; left out, the release is published only."""

    @field_validator("version")
    @classmethod
    def _is_version(cls, value: str) -> str:
        if value.lower() in _MOVING_TAGS:
            raise ValueError(f"a tag that moves names no release ({value}): write a semantic version, such as 1.4.0")
        return str(Version(value))

    @field_validator("repository")
    @classmethod
    def _is_path(cls, value: str) -> str:
        return Repository("registry.invalid", value).path


class Settings(Engine):
    """One stack; the Docker Engine is the one that runs the containers of all services."""

    channel: str = Field(default="dev", pattern=r"^[a-z][a-z0-9]{0,15}$")
    """`release` claims each version as an immutable tag; any other name makes VERSION-CHANNEL.DIGEST."""
    series: bool = False
    """Whether a release also moves MAJOR.MINOR and MAJOR."""
    builder: str | None = Field(default=None, pattern=r"^[a-zA-Z][a-zA-Z0-9._-]*$")
    """Name of the buildx builder; the default one if left out."""
    quarantine: Registry
    """Where candidates go; no host and no cluster may pull from it."""
    registry: PrivateRegistry
    """The private registry: it only ever receives artifacts that passed every gate."""
    sign: SigningKey
    """Who signs."""
    scan: ScanPolicy = ScanPolicy()
    """What may not ship."""
    services: dict[str, Service] = Field(min_length=1)
    """The services by name."""

    @field_validator("services")
    @classmethod
    def _names(cls, value: dict[str, Service]) -> dict[str, Service]:
        for name in value:
            if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
                raise ValueError(f"{name!r} is no service name: write lower-case letters, digits and dashes")
        return value

    @model_validator(mode="after")
    def _no_sharing(self) -> Self:
        if Repository(self.quarantine.address, "any").is_in_the_registry_of(Repository(self.registry.address, "any")):
            raise ValueError("quarantine and registry are one registry: nothing unverified may reach the private one")
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

    def release(self, name: str, stack: str) -> ReleaseArgs:
        """What the release of one service is made of."""
        service = self.services[name]
        build = service.build.model_dump(exclude={"secrets"}) | {"secrets": service.build.secrets}
        image = ImageArgs(
            **build,
            quarantine=str(Repository(self.quarantine.address, service.repository)),
            version=service.version,
            builder=self.builder,
            registry=self.quarantine.access(),
        )
        return ReleaseArgs(
            image=image,
            repository=str(Repository(self.registry.address, service.repository)),
            key=self.sign,
            scan=service.scan or self.scan,
            reports=f".slipway/reports/{stack}/{name}",
            channel=self.channel,
            series=self.series,
            access=self.registry.access(),
            certificate_authority=self.registry.certificate_authority,
        )


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
    """This stack's configuration by full key, as Pulumi hands it to a program, without the secrets in it."""
    return {key: text for key, text in CONFIG.get().items() if not is_config_secret(key)}


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
        settings = Settings.model_validate({key: value for key, value in raw.items() if key not in unencrypted})
    except ValidationError as error:
        raise SettingsError(_told(sorted(_mistakes(error)))) from None
    problems = sorted(_problems(settings, project))
    if problems:
        raise SettingsError(_told(problems))
    return settings


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


def _told(problems: list[str]) -> str:
    lines = [_printable(redacted(line)) for line in problems]
    return "\n".join([f"{len(lines)} mistake(s) in this stack's configuration:", *(f"  {line}" for line in lines)])


def _printable(line: str) -> str:
    """One line, whatever a key or a value of the file holds."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in line)


def _mistakes(error: ValidationError) -> Iterator[str]:
    for entry in error.errors():
        path = tuple(part for part in entry["loc"] if part not in ("function-after", "function-before"))
        key = f"{NAMESPACE}:" + ".".join(map(str, path)) if path else NAMESPACE
        yield f"{key}: {_what(entry['type'], entry['msg'], path, entry['input'])}"


def _what(kind: str, message: str, path: tuple[int | str, ...], seen: Any) -> str:
    if kind == "extra_forbidden":
        known = _fields(path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        return (
            f"unknown setting: {f'did you mean {close[0]}?' if close else 'write one of ' + ', '.join(sorted(known))}"
        )
    if kind == "missing":
        return f"missing: write {_description(path)}"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    shown = isinstance(seen, str | int | float | bool) and kind not in _SHAPES and not _is_private(path)
    value = f" ({seen!r})" if shown else ""
    description = _description(path)
    return f"{message[0].lower()}{message[1:]}{value}" + (f": write {description}" if description else "")


def _is_private(path: tuple[int | str, ...]) -> bool:
    """Whether a value may be a secret that was put in the wrong place."""
    return bool({"secrets", "environment", "arguments", "password"} & set(path))


def _fields(path: tuple[int | str, ...]) -> list[str]:
    schema = _schema_at(path)
    return list(schema.get("properties", {}))


def _description(path: tuple[int | str, ...]) -> str:
    text = str(_schema_at(path).get("description", ""))
    return text[:1].lower() + text[1:].rstrip(".").split(";")[0] if text else ""


@cache
def _schema() -> dict[str, Any]:
    """The JSON Schema of the settings, with their descriptions: only a mistake or an editor asks for it."""
    from components.docstrings import describe

    describe(Settings)
    return Settings.model_json_schema()


def _schema_at(path: tuple[int | str, ...]) -> dict[str, Any]:
    """The part of the JSON Schema that describes the setting at this path, or an empty one."""
    whole = _schema()
    here: dict[str, Any] = whole
    for part in path:
        target = _resolved(whole, here)
        here = target.get("properties", {}).get(part) or target.get("items") or target.get("additionalProperties") or {}
        if not isinstance(here, dict):
            return {}
    own = {"description": here["description"]} if "description" in here else {}
    return {**_resolved(whole, here), **own}


def _resolved(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref") or next((option["$ref"] for option in part.get("anyOf", ()) if "$ref" in option), None)
    return whole["$defs"][reference.rpartition("/")[2]] if reference else part


def _problems(settings: Settings, project: Path) -> Iterator[str]:
    """What only the file system and Pulumi's configuration can tell."""
    if Path(settings.secrets_directory).resolve().is_relative_to(project.resolve()):
        yield (
            f"slipway:secrets_directory: the folder lies in the project, where git and builds find it "
            f"({settings.secrets_directory}): write one outside, such as /var/lib/slipway/secrets"
        )
    yield from _key_problems(settings.sign, project)
    authority = settings.registry.certificate_authority
    if authority and not (project / authority).is_file():
        yield f"slipway:registry.certificate_authority: there is no such file ({authority}): write the PEM file's path"
    for name, service in settings.services.items():
        yield from _build_problems(f"slipway:services.{name}.build", service.build, project)
    for key, source in _secrets(settings):
        if problem := source.problem(project):
            yield f"{key}: {problem}"


def _key_problems(sign: SigningKey, project: Path) -> Iterator[str]:
    for key, path in (("key", sign.key), ("public_key", sign.public_key)):
        if "://" not in path and not (project / path).is_file():
            yield f"slipway:sign.{key}: there is no such file ({path}): make a pair with `cosign generate-key-pair`"


def _build_problems(key: str, build: Build, project: Path) -> Iterator[str]:
    context = project / build.context
    if not context.is_dir():
        yield f"{key}.context: there is no such folder ({build.context}): write the folder that holds the Dockerfile"
    elif not (context / build.dockerfile).is_file():
        yield f"{key}.dockerfile: no such file ({build.context}/{build.dockerfile}): write its path in the context"
    if build.base_images and (problem := _lock_problem(project / build.base_images)):
        yield f"{key}.base_images: {problem} ({build.base_images}): run `make lock-bases`"


def _lock_problem(lock: Path) -> str | None:
    try:
        locked_bases(lock)
    except FileNotFoundError:
        return "there is no such file"
    except (OSError, ValueError) as error:
        return f"it locks no digests: {error}"
    return None


def _secrets(settings: Settings) -> Iterator[tuple[str, SecretSource]]:
    for name, registry in (("quarantine", settings.quarantine), ("registry", settings.registry)):
        if registry.password:
            yield f"slipway:{name}.password", registry.password
    if settings.sign.password:
        yield "slipway:sign.password", settings.sign.password
    for name, service in settings.services.items():
        for key, source in service.build.secrets.items():
            yield f"slipway:services.{name}.build.secrets.{key}", source
        for key, source in service.run.secrets.items() if service.run else ():
            yield f"slipway:services.{name}.run.secrets.{key}", source


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
