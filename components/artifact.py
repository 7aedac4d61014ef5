"""Value objects for what travels through the pipeline: parsed once here, joined as strings nowhere else.

The grammar is that of the OCI distribution and image specifications (opencontainers/distribution-spec,
"Pulling manifests"; opencontainers/image-spec, "Descriptor"). Only the standard library is imported: the steps that
run beside Pulumi start in milliseconds because of it.
"""

import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?"
_PATH_PART = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_ADDRESS = re.compile(_DOMAIN)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_PLATFORM = re.compile(r"(?P<os>[a-z0-9]+)/(?P<architecture>[a-z0-9_]+)(?:/(?P<variant>[a-z0-9.]+))?")
_SEMVER = re.compile(
    r"(?P<major>0|[1-9][0-9]*)\.(?P<minor>0|[1-9][0-9]*)\.(?P<patch>0|[1-9][0-9]*)"
    r"(?:-(?P<pre>(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
)
_LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?")
_REPOSITORY_LENGTH = 255
_VERSION_LENGTH = 90
"""What a tag's 128 characters leave when a channel of 16 and 12 digits follow, or more (see Digest.identifier)."""


@dataclass(frozen=True)
class Digest:
    """The SHA-256 of a manifest: `sha256:` and 64 lower-case hexadecimal digits.

    Raises:
        ValueError: with the offending text.
    """

    value: str

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.value):
            raise ValueError(f"{self.value!r} is not a digest: write sha256: and 64 hexadecimal digits")

    @property
    def hexadecimal(self) -> str:
        """The 64 digits without the algorithm."""
        return self.value.removeprefix("sha256:")

    @property
    def short(self) -> str:
        """The first 12 digits, enough to tell artifacts of one service apart."""
        return self.hexadecimal[:12]

    @property
    def identifier(self) -> str:
        """The digits in a candidate's tag: more than 12 where those are no identifier of a semantic version, 0123…"""
        lengths = range(len(self.short), len(self.hexadecimal) + 1)
        cuts = (self.hexadecimal[:length] for length in lengths)
        return next((it for it in cuts if not (it.isdecimal() and it.startswith("0"))), self.short)

    def is_in_tag(self, tag: str) -> bool:
        """Whether a candidate's tag ends with this digest; older ones have 12 digits whatever these are."""
        return tag.endswith((f".{self.identifier}", f".{self.short}"))

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Repository:
    """A repository in a named registry, `registry.example:5000/team/service`; never with a tag or a digest.

    The registry must be spelled out, as `docker.io` has to be: what is implied for one tool differs for another.

    Raises:
        ValueError: with the offending text.
    """

    registry: str
    path: str

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.registry) or not names_a_host(self.registry):
            raise ValueError(f"{self.registry!r} is not a registry: write its host name, with a port where it has one")
        if not _PATH.fullmatch(self.path) or len(str(self)) > _REPOSITORY_LENGTH:
            raise ValueError(f"{self.path!r} is not a repository path: write lower-case names joined by /")

    @classmethod
    def parse(cls, text: str) -> "Repository":
        """Parse `REGISTRY/PATH`."""
        registry, separator, path = text.partition("/")
        if not separator:
            raise ValueError(
                f"{text!r} is not a repository: write REGISTRY/PATH, such as registry.example/team/service"
            )
        if ":" in path or "@" in path:
            raise ValueError(f"{text!r} carries a tag or digest: write the repository alone")
        return cls(registry, path)

    @property
    def is_loopback(self) -> bool:
        """Whether the registry is on this machine's loopback, where tools speak plain HTTP by default."""
        return is_loopback(self.registry)

    def is_in_the_registry_of(self, other: "Repository") -> bool:
        """Whether both registries are one, however they are spelled."""
        return registry_identity(self.registry) == registry_identity(other.registry)

    def at(self, digest: "Digest") -> "ImageReference":
        """The artifact with this digest in this repository."""
        return ImageReference(self, digest)

    def tagged(self, tag: str) -> str:
        """`REPOSITORY:TAG`; the only place where a tag is joined to a repository."""
        if not _TAG.fullmatch(tag):
            raise ValueError(f"{tag!r} is not a tag: at most 128 letters, digits, dots, dashes and underscores")
        return f"{self}:{tag}"

    def __str__(self) -> str:
        return f"{self.registry}/{self.path}"


def is_loopback(address: str) -> bool:
    """Whether `HOST[:PORT]` is on this machine's loopback."""
    return bool(_LOOPBACK.fullmatch(address))


def registry_identity(address: str) -> tuple[str, str]:
    """Host and port by which spellings of one registry compare equal: in capitals, by a loopback address, with :443."""
    host, port = (address, "") if address.endswith("]") or ":" not in address else address.rpartition(":")[::2]
    host, port = _canonical(host.lower()), port.lstrip("0") or "443"
    if host in _HUB_NAMES and port == "443":
        return DOCKER_HUB, port
    return "localhost" if is_loopback(host) else host, port


def _canonical(host: str) -> str:
    """A host by its only spelling, of which an IPv6 address has several."""
    if not host.startswith("["):
        return host
    import ipaddress

    try:
        return f"[{ipaddress.IPv6Address(host[1:-1])}]"
    except ValueError:
        return host


def names_a_host(registry: str) -> bool:
    """`library/python` must not parse as registry `library`: a host has a dot or a port, or is localhost."""
    host, separator, port = registry.rpartition(":") if not registry.endswith("]") else (registry, "", "")
    if separator and port.isdigit() and not 0 < int(port) <= 65535:
        return False
    return registry == "localhost" or "." in registry or ":" in registry or bool(separator and host)


@dataclass(frozen=True)
class ImageReference:
    """One artifact, `REPOSITORY@sha256:…`: the only form that anything after the build accepts.

    Raises:
        ValueError: with the offending text.
    """

    repository: Repository
    digest: Digest

    @classmethod
    def parse(cls, text: str) -> "ImageReference":
        """Parse `REPOSITORY[:TAG]@sha256:…`; a tag beside the digest is dropped, a tag alone is refused."""
        name, separator, digest = text.partition("@")
        if not separator:
            raise ValueError(f"{text!r} has no digest: write REPOSITORY@sha256:…, a tag can be moved")
        registry, slash, path = name.partition("/")
        path, colon, tag = path.partition(":")
        if not slash or (colon and not _TAG.fullmatch(tag)):
            raise ValueError(f"{text!r} is not an image reference: write REGISTRY/PATH@sha256:…")
        return cls(Repository(registry, path), Digest(digest))

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


@dataclass(frozen=True)
class Platform:
    """An operating system and processor, `linux/amd64` or `linux/arm/v7`.

    Raises:
        ValueError: with the offending text.
    """

    value: str

    def __post_init__(self) -> None:
        if not _PLATFORM.fullmatch(self.value):
            raise ValueError(f"{self.value!r} is not a platform: write OS/ARCHITECTURE, such as linux/arm64")

    @property
    def architecture(self) -> str:
        """The processor, in Go's and OCI's spelling (`amd64`, `arm64`)."""
        return self.value.split("/")[1]

    @property
    def slug(self) -> str:
        """The platform as part of a file name."""
        return self.value.replace("/", "-")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Version:
    """A semantic version (semver.org 2.0.0) without build metadata, which a tag cannot carry.

    Raises:
        ValueError: with the offending text.
    """

    value: str

    def __post_init__(self) -> None:
        if not _SEMVER.fullmatch(self.value):
            raise ValueError(f"{self.value!r} is not a semantic version: write MAJOR.MINOR.PATCH, such as 1.4.0")
        if len(self.value) > _VERSION_LENGTH:
            raise ValueError(f"{self.value!r} is too long for a tag: write at most {_VERSION_LENGTH} characters")

    @property
    def is_prerelease(self) -> bool:
        """Whether the version sorts before its release, as `1.4.0-rc.1` does."""
        return "-" in self.value

    @property
    def series(self) -> tuple[str, str]:
        """The moving tags of a release: `1.4` and `1` for `1.4.0`."""
        major, minor, _ = self.core
        return f"{major}.{minor}", f"{major}"

    @property
    def core(self) -> tuple[int, int, int]:
        """Major, minor and patch as numbers, which compare as releases do."""
        major, minor, patch = map(int, self.value.partition("-")[0].split("."))
        return major, minor, patch

    def candidate_tag(self, channel: str, digest: Digest) -> str:
        """The tag of a stack that makes no releases: `1.4.0-dev.0123456789ab`, a name for one digest alone."""
        joint = "." if self.is_prerelease else "-"
        return f"{self.value}{joint}{channel}.{digest.identifier}"

    def __str__(self) -> str:
        return self.value
