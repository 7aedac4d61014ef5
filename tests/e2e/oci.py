"""A registry seen from outside: the distribution API over plain HTTP or TLS, with none of Slipway's own code.

Source: opencontainers/distribution-spec 1.1, "Pulling manifests", "Pulling blobs", "Listing referrers".
"""

import base64
import hashlib
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFESTS = (
    INDEX,
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


@dataclass(frozen=True)
class RegistryClient:
    """Reads, and where a test plays somebody else also writes, what a registry holds."""

    address: str
    """HOST:PORT."""
    authority: Path | None = None
    """PEM file of the certificate authority; plain HTTP without one."""
    login: tuple[str, str] | None = None
    """User name and password."""

    def request(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (lower case) and body of one answer; an HTTP error is an answer too."""
        url = f"{'https' if self.authority else 'http'}://{self.address}/v2/{path}"
        request = urllib.request.Request(url, data=body, method=method)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if self.login:
            token = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        context = ssl.create_default_context(cafile=str(self.authority)) if self.authority else None
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {key.lower(): value for key, value in error.headers.items()}, error.read()

    def tags(self, repository: str) -> set[str]:
        """Every tag of a repository; none where the registry does not know it."""
        status, _, body = self.request(f"{repository}/tags/list")
        assert status in (200, 404), body
        return set(json.loads(body)["tags"] or ()) if status == 200 else set()

    def manifest(self, repository: str, reference: str) -> dict[str, Any] | None:
        """The manifest or index that a tag or digest names; None where there is none."""
        status, _, body = self.request(f"{repository}/manifests/{reference}", Accept=", ".join(_MANIFESTS))
        assert status in (200, 404), body
        if status == 404:
            return None
        content: dict[str, Any] = json.loads(body)
        return content

    def digest(self, repository: str, reference: str) -> str | None:
        """The digest of the bytes that a tag or digest names; None where there are none."""
        status, _, body = self.request(f"{repository}/manifests/{reference}", Accept=", ".join(_MANIFESTS))
        assert status in (200, 404), body
        return f"sha256:{hashlib.sha256(body).hexdigest()}" if status == 200 else None

    def blob(self, repository: str, digest: str) -> bytes:
        """One blob, compared with its digest."""
        status, _, body = self.request(f"{repository}/blobs/{digest}")
        assert status == 200, f"{repository} {digest}: {status}"
        assert f"sha256:{hashlib.sha256(body).hexdigest()}" == digest
        return body

    def move_tag(self, repository: str, tag: str, digest: str) -> None:
        """Put a tag on another manifest of the repository."""
        status, headers, body = self.request(f"{repository}/manifests/{digest}", Accept=", ".join(_MANIFESTS))
        assert status == 200, body
        path, kind = f"{repository}/manifests/{tag}", headers["content-type"]
        status, _, answer = self.request(path, "PUT", body, Content_Type=kind)
        assert status == 201, answer

    def platforms(self, repository: str, reference: str) -> dict[str, str]:
        """The digest of each platform's manifest in an index, by `OS/ARCHITECTURE`."""
        index = self.manifest(repository, reference)
        assert index is not None and index["mediaType"] == INDEX
        return {f"{it['platform']['os']}/{it['platform']['architecture']}": it["digest"] for it in index["manifests"]}

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """What refers to a manifest: from the API, or from the fallback tag where a registry has no API."""
        status, _, body = self.request(f"{repository}/referrers/{digest}")
        listed = json.loads(body) if status == 200 else self.manifest(repository, digest.replace(":", "-"))
        found: list[dict[str, Any]] = (listed or {}).get("manifests", [])
        return found

    def content(self, repository: str, reference: str) -> Iterator[tuple[str, bytes]]:
        """Everything that a manifest or index is made of: its own bytes, its configurations and layers, by digest."""
        status, _, body = self.request(f"{repository}/manifests/{reference}", Accept=", ".join(_MANIFESTS))
        assert status == 200, body
        yield reference, body
        manifest = json.loads(body)
        for entry in manifest.get("manifests", ()):
            if entry["mediaType"] in _MANIFESTS:
                yield from self.content(repository, entry["digest"])
            else:
                yield entry["digest"], self.blob(repository, entry["digest"])  # the index of a layer cache
        for entry in (*filter(None, [manifest.get("config")]), *manifest.get("layers", ())):
            yield entry["digest"], self.blob(repository, entry["digest"])
