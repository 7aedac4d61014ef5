"""Settings that several rules share, said once: in the configuration of the policy `pack-is-configured`.

Pulumi hands each policy its own configuration and no other's. So the first policy of the pack reads what is shared and
keeps it for the rest of this process. A rule that needs a setting which is missing says so as a violation.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from judging.exceptions import Exemption, read_file
from judging.node import shown
from verification.registry import Access

FOLDER = Path(__file__).resolve().parents[1]
"""The pack's own folder, which relative paths in its configuration start from."""
SEVERITIES = ("UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
"""In ascending order."""
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?")
_ACCESS_KEYS = ("certificateAuthority", "username", "passwordFile")


@dataclass(frozen=True)
class Identity:
    """Who may sign without a key: the subject of a certificate and the issuer that vouched for it."""

    subject: str
    issuer: str


class MistakeError(Exception):
    """A value that a setting cannot have: what is wrong with it, and what to write."""

    def __init__(self, wrong: str, value: Any, write: str) -> None:
        super().__init__(f"{wrong} ({value if isinstance(value, str) else shown(value)}): {write}")


Reader = Callable[[Any], Any]


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise MistakeError("is no list", value, "write a list of texts")
    for item in value:
        if not isinstance(item, str) or not item.strip():
            raise MistakeError("is no text", item, "write a list of texts that are not empty")
    return tuple(item.strip() for item in value)


def _platforms(value: Any) -> tuple[str, ...]:
    for item in (platforms := _texts(value)):
        if not _PLATFORM.fullmatch(item):
            raise MistakeError("is no platform", item, "write one as linux/arm64 or linux/arm/v7")
    if not platforms:
        raise MistakeError("asks for nothing", "an empty list", "write at least one platform, or leave it out")
    return platforms


def _severities(value: Any) -> tuple[str, ...]:
    """The lowest severity that is named and all above it: nothing worse than what stops may pass."""
    names = tuple(item.upper() for item in _texts(value))
    for item in names:
        if item not in SEVERITIES:
            raise MistakeError("is no severity", item, f"write some of {', '.join(SEVERITIES)}")
    if not names:
        raise MistakeError(
            "stops nothing", "an empty list", "write at least one severity, or leave it out for HIGH and CRITICAL"
        )
    return SEVERITIES[min(map(SEVERITIES.index, names)) :]


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise MistakeError("is no number above 0", value, "write one")
    return float(value)


def _file(value: Any) -> Path:
    if not isinstance(value, str) or not value.strip():
        raise MistakeError("is no path", value, "write the path of a file, absolute or relative to the pack's folder")
    path = FOLDER / Path(value).expanduser()
    if not path.is_file():
        raise MistakeError("there is no such file", value, f"write the path of one, absolute or relative to {FOLDER}")
    return path


def _public_keys(value: Any) -> tuple[str, ...]:
    keys = []
    for item in _texts(value):
        text = item if "-----BEGIN" in item else _file(item).read_text(encoding="utf-8", errors="replace")
        if "PRIVATE KEY-----" in text:
            raise MistakeError("holds a private key", item.partition("\n")[0], "write the public key alone")
        if "-----BEGIN" not in text:
            raise MistakeError("holds no PEM text", item, "write a public key in PEM form, or the path of its file")
        keys.append(text)
    return tuple(keys)


def _identities(value: Any) -> tuple[Identity, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise MistakeError("is no list", value, "write a list of {subject, issuer}")
    for item in value:
        if (
            not isinstance(item, Mapping)
            or set(item) != {"subject", "issuer"}
            or not all(isinstance(text, str) and text.strip() for text in item.values())
        ):
            raise MistakeError("is no identity", item, "write {subject, issuer}, both texts")
    return tuple(Identity(item["subject"], item["issuer"]) for item in value)


def _registries(value: Any) -> Mapping[str, Access]:
    if not isinstance(value, Mapping):
        raise MistakeError("is no object", value, "write {HOST[:PORT]: {certificateAuthority, username, passwordFile}}")
    return {address: _access(address, entry) for address, entry in value.items()}


def _access(address: str, entry: Any) -> Access:
    if "/" in address or not address:
        raise MistakeError("is no registry", address, "write HOST or HOST:PORT, without a scheme and a path")
    # The values are not repeated: one of them may be a password that was written here by mistake.
    keys = ", ".join(entry) if isinstance(entry, Mapping) else "no object"
    if not isinstance(entry, Mapping) or not set(entry) <= set(_ACCESS_KEYS):
        raise MistakeError("has keys that are unknown", keys, f"write some of {', '.join(_ACCESS_KEYS)}")
    if ("username" in entry) != ("passwordFile" in entry):
        raise MistakeError("is half a login", keys, "write username and passwordFile, or neither")
    return Access(
        certificate_authority=_file(entry["certificateAuthority"]) if "certificateAuthority" in entry else None,
        username=_texts([entry["username"]])[0] if "username" in entry else "",
        password_file=_file(entry["passwordFile"]) if "passwordFile" in entry else None,
    )


def _exceptions_file(value: Any) -> Path:
    # Read later, and reported entry by entry.
    if not isinstance(value, str) or not value.strip():
        raise MistakeError("is no path", value, "write that of a YAML file, absolute or relative to the pack's folder")
    return FOLDER / Path(value).expanduser()


def _setting(read: Reader, schema: Mapping[str, Any], description: str) -> dict[str, Any]:
    return {"read": read, "schema": {**schema, "description": description}}


_TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
_NUMBER: Mapping[str, Any] = {"type": "number", "exclusiveMinimum": 0}


@dataclass(frozen=True)
class Settings:
    """What the pack's rules share. In the configuration the names are written in camelCase."""

    quarantine: tuple[str, ...] = field(
        default=(), metadata=_setting(_texts, _TEXTS, "registries or repository prefixes that builds may push to")
    )
    private_registries: tuple[str, ...] = field(
        default=(),
        metadata=_setting(
            _texts, _TEXTS, "registries or repository prefixes that releases live in and workloads run from"
        ),
    )
    public_keys: tuple[str, ...] = field(
        default=(),
        metadata=_setting(_public_keys, _TEXTS, "keys that may sign: PEM texts, or paths of files with them"),
    )
    identities: tuple[Identity, ...] = field(
        default=(),
        metadata=_setting(_identities, {"type": "array"}, "{subject, issuer} of who may sign without a key"),
    )
    proof_keys: tuple[str, ...] | None = field(
        default=None,
        metadata=_setting(
            _public_keys,
            _TEXTS,
            "keys whose statements count that a stack has proved an image; they may sign nothing else unless "
            "publicKeys has them too; left out, those of publicKeys and identities",
        ),
    )
    platforms: tuple[str, ...] = field(
        default=("linux/amd64", "linux/arm64"),
        metadata=_setting(_platforms, _TEXTS, "platforms that every index must hold"),
    )
    registries: Mapping[str, Access] = field(
        default_factory=dict,
        metadata=_setting(
            _registries,
            {"type": "object"},
            "how registries are reached: {HOST[:PORT]: {certificateAuthority, username, passwordFile}}; without a "
            "login here the Docker credential store is asked",
        ),
    )
    release_stacks: tuple[str, ...] = field(
        default=("prod*", "live*", "release*"),
        metadata=_setting(
            _texts, _TEXTS, "globs of the stacks whose images must be built from a clean tree, upper or lower case"
        ),
    )
    exceptions_file: Path | None = field(
        default=None,
        metadata=_setting(_exceptions_file, {"type": "string"}, "path of the file of exceptions, in YAML"),
    )
    timeout: float = field(
        default=30.0, metadata=_setting(_positive, _NUMBER, "seconds that the evidence of one digest may take")
    )
    source_repositories: tuple[str, ...] = field(
        default=(), metadata=_setting(_texts, _TEXTS, "globs of the source repositories that provenance may name")
    )
    base_images: tuple[str, ...] = field(
        default=(),
        metadata=_setting(_texts, _TEXTS, "globs or repository prefixes of the base images that provenance may name"),
    )
    severities: tuple[str, ...] = field(
        default=("HIGH", "CRITICAL"),
        metadata=_setting(
            _severities,
            _TEXTS,
            "severities of vulnerabilities that stop a deployment: the lowest one named, and every one above it",
        ),
    )
    report_age: float = field(
        default=7.0, metadata=_setting(_positive, _NUMBER, "days that a vulnerability report stays valid")
    )
    database_age: float = field(
        default=7.0, metadata=_setting(_positive, _NUMBER, "days that the database of a report stays valid")
    )
    exceptions: tuple[Exemption, ...] = ()
    """The entries of the file of exceptions."""


KEYS: Mapping[str, str] = {
    it.name: "exceptions" if it.name == "exceptions_file" else re.sub(r"_(\w)", lambda found: found[1].upper(), it.name)
    for it in fields(Settings)
    if it.metadata
}
"""What each setting is called in the configuration."""


def schema() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each setting, for the policy that carries them."""
    described: dict[str, dict[str, Any]] = {}
    for it in fields(Settings):
        if it.metadata:
            described[KEYS[it.name]] = dict(it.metadata["schema"])
            if isinstance(it.default, tuple | float):
                default = list(it.default) if isinstance(it.default, tuple) else it.default
                described[KEYS[it.name]]["default"] = default
    return described


@lru_cache(maxsize=8)
def _read(text: str, rules: frozenset[str]) -> tuple[Settings, tuple[str, ...]]:
    configuration = json.loads(text)
    mistakes = [
        f"{key}: unknown setting: write some of {', '.join(KEYS.values())}"
        for key in configuration
        if key not in KEYS.values()
    ]
    read: dict[str, Any] = {}
    for it in fields(Settings):
        if it.metadata and (value := configuration.get(KEYS[it.name])) is not None:
            try:
                read[it.name] = it.metadata["read"](value)
            except MistakeError as mistake:
                mistakes.append(f"{KEYS[it.name]}: {mistake}")
    if path := read.get("exceptions_file"):
        exemptions, wrong = read_file(path, rules)
        read["exceptions"] = tuple(exemptions)
        mistakes += wrong
    return Settings(**read), tuple(mistakes)


def read_settings(
    configuration: Mapping[str, Any], rules: frozenset[str] = frozenset()
) -> tuple[Settings, Sequence[str]]:
    """Read the configuration, and say all that is wrong with it, one `key: what is wrong (value): what to write` each.

    A setting with a mistake has its default. The files that it names are read once in a process.

    Args:
        configuration: as Pulumi hands it over.
        rules: the names of all rules, which entries of the file of exceptions may name; empty skips that check.
    """
    return _read(json.dumps(configuration, sort_keys=True, default=str), rules)


_kept = [Settings()]


def keep(settings: Settings) -> None:
    """Keep the settings for the rules that run after this one in this process."""
    _kept[0] = settings


def current() -> Settings:
    """The settings that were kept last; the defaults where there is no configuration."""
    return _kept[0]
