"""Image references in every spelling that a resource may carry, parsed once.

The grammar and what is implied for a short name are those of the container engines, so a reference means here what it
means where it runs. Sources: distribution/reference (`reference.go`, `normalize.go`); opencontainers/image-spec,
"Descriptor", for digests.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

DOCKER_HUB = "docker.io"
_HUB_NAMES = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
_PATH_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_PATH_PART}(?:/{_PATH_PART})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_ANY_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}")
_IMAGE_ID = re.compile(r"(?:sha256:)?[0-9a-f]{64}")
_LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|\[::1\]")
_SEMVER = re.compile(
    r"v?(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)\.(?:0|[1-9][0-9]*)"
    r"(?:-(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?"
)
_NAME_LENGTH = 255


def is_digest(text: str) -> bool:
    """Whether the text is the digest of a manifest: `sha256:` and 64 lower-case hexadecimal digits."""
    return _DIGEST.fullmatch(text) is not None


def is_image_id(text: str) -> bool:
    """Whether the text is a local image id: one engine's name for unpacked content, which no registry knows."""
    return _IMAGE_ID.fullmatch(text) is not None


def is_semver(tag: str) -> bool:
    """Whether a tag is a semantic version, with or without a channel: `1.4.0`, `v1.4.0`, `1.4.0-dev.0123456789ab`."""
    return _SEMVER.fullmatch(tag) is not None


@dataclass(frozen=True)
class Reference:
    """One image in a registry, with all that is implied written out; `str()` is its canonical spelling.

    Raises:
        ValueError: the text is no reference; it says why, and what to write.
    """

    registry: str
    """Host in lower case, with a port where one was written: `registry.example:5000`."""
    path: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Parse `[REGISTRY/]PATH[:TAG][@sha256:…]`."""
        return _parse(text)

    @property
    def repository(self) -> str:
        """`REGISTRY/PATH`."""
        return f"{self.registry}/{self.path}"

    @property
    def pinned(self) -> str:
        """`REGISTRY/PATH@sha256:…`, without the tag.

        Raises:
            ValueError: there is no digest.
        """
        if not self.digest:
            raise ValueError(f"{self} has no digest")
        return f"{self.repository}@{self.digest}"

    @property
    def is_loopback(self) -> bool:
        """Whether the registry is on this machine's loopback, where engines speak plain HTTP."""
        return is_loopback(self.registry)

    def lies_in(self, place: str) -> bool:
        """Whether the repository is in a registry, or below a repository prefix of it.

        Args:
            place: `registry.example`, `registry.example:5000/team` or, on Docker Hub, `docker.io/library`. Whole names
                are compared: `registry.example/team` does not contain `registry.example/team-b`.
        """
        address, _, prefix = place.removeprefix("https://").removeprefix("http://").rstrip("/").partition("/")
        if registry_identity(address) != registry_identity(self.registry):
            return False
        return not prefix or self.path == prefix or self.path.startswith(f"{prefix}/")

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.repository}{tag}{digest}"


def is_loopback(address: str) -> bool:
    """Whether HOST[:PORT] is this machine's loopback."""
    return registry_identity(address)[0] == "localhost"


def registry_identity(address: str) -> tuple[str, str]:
    """Host and port by which spellings of one registry compare equal: in capitals, by a loopback address, by :443."""
    if not _ADDRESS.fullmatch(address):
        return address, ""  # equal to nothing but itself
    host, port = _host_and_port(address.lower())
    host = _canonical(host)
    if host in _HUB_NAMES and port in ("", "443"):
        return DOCKER_HUB, "443"
    return "localhost" if _LOOPBACK.fullmatch(host) else host, str(int(port)) if port else "443"


def _canonical(host: str) -> str:
    """A host by its only spelling, of which an IPv6 address has several."""
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1])}]" if host.startswith("[") else host
    except ValueError:
        return host


def _host_and_port(address: str) -> tuple[str, str]:
    if address.endswith("]"):
        return address, ""
    host, separator, port = address.rpartition(":")
    return (host, port) if separator else (address, "")


@lru_cache(maxsize=4096)
def _parse(text: str) -> Reference:
    if is_image_id(text):
        raise ValueError(f"{_short(text)} is a local image id, not an image in a registry: write REPOSITORY@sha256:…")
    name, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{_short(text)} has no usable digest: {_what_is_wrong_with(digest)}")
    name, tag = _split_tag(name)
    if tag is not None and not _TAG.fullmatch(tag):
        raise ValueError(f"{_short(text)} has no valid tag: write at most 128 letters, digits, dots and dashes")
    registry, path = _split_registry(name)
    if not _ADDRESS.fullmatch(registry) or not _is_port(_host_and_port(registry)[1]):
        raise ValueError(f"{_short(text)} names no valid registry ({_short(registry)}): write HOST[:PORT]/PATH")
    if not _PATH.fullmatch(path) or len(registry) + 1 + len(path) > _NAME_LENGTH:
        raise ValueError(f"{_short(text)} has no valid repository path: write lower-case names joined by /")
    return Reference(registry.lower(), path, tag, digest or None)


def _what_is_wrong_with(digest: str) -> str:
    if _DIGEST.fullmatch(digest.lower()):
        return "its hexadecimal digits must be in lower case"
    if _ANY_DIGEST.fullmatch(digest) and not digest.startswith("sha256:"):
        return f"{digest.partition(':')[0]} is not supported: write sha256: and 64 hexadecimal digits"
    return "write sha256: and 64 hexadecimal digits"


def _split_tag(name: str) -> tuple[str, str | None]:
    """A colon after the last slash begins a tag; one before it, a port."""
    head, slash, last = name.rpartition("/")
    last, colon, tag = last.partition(":")
    return f"{head}{slash}{last}", tag if colon else None


def _split_registry(name: str) -> tuple[str, str]:
    """The first part is a registry if no Docker Hub user can be called so: a dot, a port, capitals, `localhost`."""
    first, slash, rest = name.partition("/")
    is_registry = slash and (any(sign in first for sign in ".:[") or first == "localhost" or first != first.lower())
    registry, path = (first, rest) if is_registry else (DOCKER_HUB, name)
    if registry.lower() in _HUB_NAMES:
        registry = DOCKER_HUB
        path = path if "/" in path else f"library/{path}"
    return registry, path


def _is_port(text: str) -> bool:
    return not text or (text.isdecimal() and 0 < int(text) <= 65535)


def _short(text: str) -> str:
    """What was written, fit for a message: on one line and not endless."""
    shown = repr(text)
    return shown if len(shown) <= 120 else f"{shown[:117]}…'"
