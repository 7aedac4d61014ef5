"""A small reading client of the OCI distribution API 1.1: manifests, blobs, and what refers to a digest.

Nothing that a registry says is trusted: whatever is asked for by digest is compared with it, and what a tag or a list
names is only where to look. Sources: opencontainers/distribution-spec 1.1, "Pull", "Listing Referrers" and "Referrers
Tag Schema"; distribution/distribution, "Token Authentication Specification".
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from verification.credentials import Credentials, CredentialsError, stored_credentials
from verification.references import DOCKER_HUB, is_digest, is_loopback
from verification.transport import Answer, Deadline, Transport, TransportError

INDEX_TYPES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
MANIFEST_TYPES = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
_ACCEPT = ", ".join(sorted(INDEX_TYPES | MANIFEST_TYPES))
_API_OF_DOCKER_HUB = "registry-1.docker.io"
_LARGEST_DOCUMENT = 4 * 2**20
"""Bytes of a manifest; what the specification asks of registries to take."""
_MOST_PAGES = 20
_ATTEMPTS = 3
_PAUSE = 0.5
_CHALLENGE = re.compile(r'([A-Za-z]+)="([^"]*)"')


class RegistryError(Exception):
    """The registry did not give what was asked for, or gave something else; the message says which and why."""


@dataclass(frozen=True)
class Access:
    """What the pack's configuration says about one registry."""

    certificate_authority: Path | None = None
    username: str = ""
    password_file: Path | None = None


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says about something else by digest."""

    digest: str
    media_type: str = ""
    size: int = 0
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: str = ""
    """`linux/arm64` or `linux/arm/v7`; empty where none is named."""

    @classmethod
    def of(cls, entry: object) -> "Descriptor":
        """Read an entry of a manifest.

        Raises:
            RegistryError: it names no digest.
        """
        entry = entry if isinstance(entry, Mapping) else {}
        digest = entry.get("digest")
        if not isinstance(digest, str) or not is_digest(digest):
            raise RegistryError(f"a manifest names no sha256 digest where it must ({str(digest)[:80]!r})")
        notes = entry.get("annotations")
        return cls(
            digest,
            str(entry.get("mediaType", "")),
            entry["size"] if isinstance(entry.get("size"), int) else 0,
            str(entry.get("artifactType", "")),
            {str(key): str(value) for key, value in notes.items()} if isinstance(notes, Mapping) else {},
            platform_of(entry.get("platform")),
        )


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, whose bytes have this digest."""

    digest: str
    document: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests, one for each platform."""
        return "manifests" in self.document

    def entries(self, name: str) -> Sequence[Descriptor]:
        """The descriptors of its `manifests` or `layers`."""
        listed = self.document.get(name)
        return [Descriptor.of(entry) for entry in listed] if isinstance(listed, list) else []


class Registry:
    """One registry; safe for threads."""

    def __init__(self, address: str, access: Access | None = None, transport: Transport | None = None) -> None:
        """Know a registry; nothing is asked yet.

        Args:
            address: HOST[:PORT]. It is asked over TLS, but over plain HTTP on loopback unless it has an authority.
            access: its configuration; without a user in it, the Docker credential store is asked.
            transport: one that was made with the same authority.
        """
        self.address = address
        self._access = access or Access()
        self.authority = self._access.certificate_authority
        self.is_plain = is_loopback(address) and not self.authority
        """Whether it is asked over plain HTTP."""
        host = _API_OF_DOCKER_HUB if address == DOCKER_HUB else address
        self._root = f"{'http' if self.is_plain else 'https'}://{host}/v2/"
        self._transport = transport or Transport(self.authority)
        self._lock = Lock()
        self._authorizations: dict[str, str] = {}
        self._credentials: tuple[Credentials | None] | None = None
        self._lists_referrers = True

    def manifest(self, path: str, reference: str, deadline: Deadline) -> Manifest | None:
        """The manifest or index that a digest or tag names; None where the registry has none.

        Raises:
            RegistryError: no usable answer, or bytes of another digest than asked for.
        """
        answer = self._get(path, f"{path}/manifests/{reference}", _LARGEST_DOCUMENT, deadline)
        if answer.status == 404:
            return None
        self._expect_success(answer, f"{path} {reference}")
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if is_digest(reference) and digest != reference:
            raise RegistryError(f"{self.address} answers {path}@{reference} with other bytes ({digest})")
        document = _json_object(answer.body, f"{self.address}/{path}@{digest}")
        if "manifests" in document and ("layers" in document or "config" in document):
            # Tools differ in which of the two they believe (CVE-2021-41190).
            raise RegistryError(f"{self.address}/{path}@{digest} is an index and a manifest in one: it is ambiguous")
        return Manifest(digest, document)

    def blob(self, path: str, digest: str, limit: int, deadline: Deadline) -> bytes:
        """The bytes with this digest.

        Raises:
            RegistryError: no usable answer, more bytes than the limit, or other ones.
        """
        answer = self._get(path, f"{path}/blobs/{digest}", limit, deadline)
        self._expect_success(answer, f"{path}@{digest}")
        seen = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if seen != digest:
            raise RegistryError(f"{self.address} answers {path}@{digest} with other bytes ({seen})")
        return answer.body

    def json_blob(self, path: str, digest: str, limit: int, deadline: Deadline) -> Mapping[str, Any]:
        """The JSON object with this digest."""
        return _json_object(self.blob(path, digest, limit, deadline), f"{self.address}/{path}@{digest}")

    def referrers(self, path: str, digest: str, deadline: Deadline) -> Sequence[Descriptor]:
        """What refers to a manifest, from the API or the `sha256-…` tag that stands in for it.

        Raises:
            RegistryError: no usable answer. Where nothing refers to it, the list is empty.
        """
        listed = list(self._pages(path, digest, deadline)) if self._lists_referrers else []
        if listed:
            return listed
        fallback = self.manifest(path, digest.replace(":", "-"), deadline)
        return fallback.entries("manifests") if fallback else []

    def _pages(self, path: str, digest: str, deadline: Deadline) -> Iterator[Descriptor]:
        url: str | None = f"{path}/referrers/{digest}"
        for _ in range(_MOST_PAGES):
            answer = self._get(path, url or "", _LARGEST_DOCUMENT, deadline)
            if answer.status in (400, 404, 405, 406, 501):
                # Such a registry has no referrers API: it would answer with an empty list.
                self._lists_referrers = False
                return
            self._expect_success(answer, f"what refers to {path}@{digest}")
            where = f"{self.address}: what refers to {path}@{digest}"
            yield from Manifest(digest, _json_object(answer.body, where)).entries("manifests")
            url = _next_page(answer)
            if url is None:
                return
        raise RegistryError(f"{self.address} lists what refers to {path}@{digest} without end")

    def _get(self, path: str, url: str, limit: int, deadline: Deadline) -> Answer:
        """Ask, with a login where one is asked for; an answer that is no success is handed back."""
        target = urljoin(self._root, url)
        if not target.startswith(self._root):
            raise RegistryError(f"{self.address} refers to {urlsplit(target).netloc} for a list: it is not followed")
        try:
            answer = self._patiently(target, self._authorizations.get(path), limit, deadline)
            if answer.status == 401:
                authorization = self._authorize(path, answer, deadline)
                answer = self._patiently(target, authorization, limit, deadline)
        except (TransportError, CredentialsError) as error:
            place = "" if str(error).startswith(self.address) else f"{self.address}: "
            raise RegistryError(f"registry {place}{error}") from None
        return answer

    def _patiently(self, url: str, authorization: str | None, limit: int, deadline: Deadline) -> Answer:
        headers = {"Accept": _ACCEPT, "User-Agent": "slipway-policies"}
        if authorization:
            headers["Authorization"] = authorization
        for attempt in range(_ATTEMPTS):
            answer = self._transport.get(url, headers, limit, deadline)
            if answer.status != 429 and answer.status < 500:
                break
            if attempt < _ATTEMPTS - 1:
                time.sleep(min(_PAUSE * 2**attempt, deadline.left()))
        return answer

    def _authorize(self, path: str, answer: Answer, deadline: Deadline) -> str | None:
        scheme, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
        parameters = dict(_CHALLENGE.findall(rest))
        login = self._login()
        if scheme.lower() == "bearer":
            authorization = self._token(path, parameters, login, deadline)
        elif scheme.lower() == "basic" and login and login.username:
            authorization = login.basic
        else:
            return None
        with self._lock:
            self._authorizations[path] = authorization
        return authorization

    def _token(self, path: str, parameters: Mapping[str, str], login: Credentials | None, deadline: Deadline) -> str:
        realm = parameters.get("realm", "")
        wanted = {"service": parameters.get("service", ""), "scope": f"repository:{path}:pull"}
        if login and login.identity_token:
            form = {**wanted, "grant_type": "refresh_token", "client_id": "slipway-policies"}
            body = urlencode({**form, "refresh_token": login.identity_token}).encode()
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self._transport.send("POST", realm, headers, body, _LARGEST_DOCUMENT, deadline)
        else:
            url = f"{realm}{'&' if '?' in realm else '?'}{urlencode(wanted)}"
            headers = {"Authorization": login.basic} if login else {}
            answer = self._transport.get(url, headers, _LARGEST_DOCUMENT, deadline)
        self._expect_success(answer, f"a token for {path}")
        document = _json_object(answer.body, f"{self.address}: a token")
        token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not token.isprintable():
            raise RegistryError(f"{self.address}: its token service gives no token for {path}")
        return f"Bearer {token}"

    def _login(self) -> Credentials | None:
        with self._lock:
            if self._credentials is None:
                self._credentials = (self.configured_login() or stored_credentials(self.address),)
            return self._credentials[0]

    def configured_login(self) -> Credentials | None:
        """The login of the pack's configuration; None where it has none.

        Raises:
            CredentialsError: the file of the password cannot be read.
        """
        access = self._access
        if not access.username:
            return None
        try:
            password = access.password_file.read_text(encoding="utf-8").strip() if access.password_file else ""
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsError(f"{access.password_file} cannot be read ({type(error).__name__})") from None
        return Credentials(access.username, password)

    def _expect_success(self, answer: Answer, what: str) -> None:
        if answer.status == 200:
            return
        if answer.status in (401, 403):
            login = self._login()
            who = f"the user {login.username or 'of an identity token'}" if login else "a reader without a login"
            raise RegistryError(f"registry {self.address} does not show {what} to {who} (status {answer.status})")
        raise RegistryError(f"registry {self.address} does not give {what} (status {answer.status})")


def _next_page(answer: Answer) -> str | None:
    """The target of the Link header with `rel="next"`."""
    match = re.search(r'<([^>]*)>\s*;[^,]*rel="?next"?', answer.headers.get("link", ""))
    return urljoin(answer.url, match.group(1)) if match else None


def _json_object(content: bytes, what: str) -> Mapping[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise RegistryError(f"{what} is no JSON") from None
    if not isinstance(document, dict):
        raise RegistryError(f"{what} is no JSON object")
    return document


def platform_of(entry: object) -> str:
    """`OS/ARCHITECTURE[/VARIANT]` of a descriptor's platform or an image's configuration, without what is implied."""
    entry = entry if isinstance(entry, Mapping) else {}
    named = [entry.get("os"), entry.get("architecture"), entry.get("variant"), entry.get("os.version")]
    platform = "/".join(part for part in named if isinstance(part, str) and part)
    return {"linux/arm64/v8": "linux/arm64", "linux/amd64/v1": "linux/amd64"}.get(platform, platform)
