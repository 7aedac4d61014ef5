"""A registry in this process, for tests: it answers by the distribution API, and misbehaves where it is told to."""

from __future__ import annotations

import hashlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
Answer = tuple[int, Mapping[str, str], bytes]
Intercept = Callable[["Question"], Answer | None]


@dataclass(frozen=True)
class Question:
    """One request: its method, its path with the query, and its headers by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass
class RegistryServer:
    """What the registry holds, what it was asked, and how it answers."""

    port: int = 0
    has_referrers_api: bool = False
    intercept: Intercept | None = None
    """Answers in the place of the registry; None leaves the answer to it."""
    asked: list[Question] = field(default_factory=list)
    _held: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    _referrers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    @property
    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [question.path for question in self.asked]

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """Store a blob; returns its descriptor without a type."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._held[f"/v2/{repository}/blobs/{digest}"] = ("application/octet-stream", content)
        return {"digest": digest, "size": len(content)}

    def manifest(self, repository: str, document: Mapping[str, Any], tag: str = "") -> dict[str, Any]:
        """Store a manifest or an index, under a tag too if one is given; returns its descriptor."""
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        for name in filter(None, (digest, tag)):
            self._held[f"/v2/{repository}/manifests/{name}"] = (document["mediaType"], content)
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(content)}

    def refer(self, repository: str, digest: str, descriptor: Mapping[str, Any]) -> None:
        """Let a manifest refer to a digest: in the API's answer, or under the tag that stands in for it."""
        key = f"/v2/{repository}/referrers/{digest}"
        listed = self._referrers.setdefault(key, [])
        listed.append(dict(descriptor))
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": listed}
        if self.has_referrers_api:
            self._held[key] = (INDEX, json.dumps(document).encode())
        else:
            self.manifest(repository, document, digest.replace(":", "-"))

    def replace(self, path: str, content: bytes) -> None:
        """Hold other bytes at a path than were stored there."""
        self._held[path] = (self._held[path][0], content)

    def held(self, path: str) -> bytes:
        """The bytes at a path."""
        return self._held[path][1]

    def answer(self, question: Question) -> Answer:
        """What the registry says."""
        self.asked.append(question)
        if self.intercept and (answer := self.intercept(question)):
            return answer
        path = question.path.partition("?")[0]
        if path in self._held:
            kind, content = self._held[path]
            return 200, {"Content-Type": kind}, content
        if "/referrers/" in path and self.has_referrers_api:
            return 200, {"Content-Type": INDEX}, b'{"schemaVersion": 2, "manifests": []}'
        return 404, {}, b'{"errors": []}'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet
    registry: RegistryServer

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, extra, content = self.registry.answer(Question(self.command, self.path, headers, body))
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        if "Content-Length" not in extra and "Transfer-Encoding" not in extra:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        """Answer a read."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a request with a body."""
        self._answer()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(certificate: tuple[Path, Path] | None = None, **settings: Any) -> Iterator[RegistryServer]:
    """A registry on a port of loopback, until the block ends; over TLS with a certificate and its key."""
    registry = RegistryServer(**settings)
    handler = type("Handler", (_Handler,), {"registry": registry})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    registry.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
