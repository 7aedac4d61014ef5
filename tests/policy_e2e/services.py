"""A real docker-registry and a real cosign for tests, with data, ports and keys of their own."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.policy.attested import VULNERABILITIES, Document, Image
from tests.policy.registry_server import INDEX, MANIFEST

PASSWORD = "a password of these tests"
_CONFIGURATION = """
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {folder}}}, delete: {{enabled: true}}}}
http: {{addr: 127.0.0.1:{port}{tls}}}
{auth}
"""


def free_port() -> int:
    """A port of loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class DockerRegistry:
    """A docker-registry on loopback; it stores what tests push by hand, as `RegistryServer` does."""

    folder: Path
    certificate: tuple[Path, Path] | None = None
    """Certificate and key: it speaks TLS."""
    password_file: Path | None = None
    """The bcrypt hashes of those who may read and write."""
    port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(exist_ok=True, parents=True)
        tls = auth = ""
        if self.certificate:
            tls = f", tls: {{certificate: {self.certificate[0]}, key: {self.certificate[1]}}}"
        if self.password_file:
            auth = f"auth: {{htpasswd: {{realm: tests, path: {self.password_file}}}}}"
        path = self.folder / "registry.yml"
        path.write_text(_CONFIGURATION.format(folder=self.folder / "data", port=self.port, tls=tls, auth=auth))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("REGISTRY_")}
        with (self.folder / "registry.log").open("wb") as log:
            command = ["docker-registry", "serve", str(path)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "registry.log").read_text()
            assert time.monotonic() < deadline, "docker-registry does not answer"
            time.sleep(0.02)

    def stop(self) -> None:
        """End it; what it stores is kept."""
        if self._process:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """Store a blob; returns its descriptor without a type."""
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"")
        self._send("PUT", f"{place}{'&' if '?' in place else '?'}digest={digest}", content, "application/octet-stream")
        return {"digest": digest, "size": len(content)}

    def manifest(self, repository: str, document: Mapping[str, Any], tag: str = "") -> dict[str, Any]:
        """Store a manifest or an index, under a tag if one is given; returns its descriptor."""
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._send("PUT", f"/v2/{repository}/manifests/{tag or digest}", content, document["mediaType"])
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(content)}

    def fetch(self, repository: str, path: str) -> bytes:
        """What it holds at a path of a repository; nothing where there is nothing."""
        request = urllib.request.Request(f"http://{self.address}/v2/{repository}/{path}")
        request.add_header("Accept", f"{INDEX}, {MANIFEST}")
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            assert error.code == 404, error
            return b""

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        """What refers to a manifest: docker-registry has no API for it, so a tag lists it."""
        listed = self.fetch(repository, f"manifests/{digest.replace(':', '-')}")
        found: list[dict[str, Any]] = json.loads(listed)["manifests"] if listed else []
        return found

    def set_referrers(self, repository: str, digest: str, listed: Sequence[Mapping[str, Any]]) -> None:
        """Say what refers to a manifest, as anybody can who may write."""
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": list(listed)}
        self.manifest(repository, index, digest.replace(":", "-"))

    def refer(self, repository: str, digest: str, descriptor: Mapping[str, Any]) -> None:
        """Let a manifest refer to a digest."""
        self.set_referrers(repository, digest, [*self.referrers(repository, digest), dict(descriptor)])

    def _send(self, method: str, path: str, body: bytes, media_type: str = "") -> str:
        url = path if path.startswith("http") else f"http://{self.address}{path}"
        request = urllib.request.Request(url, data=body, method=method)
        if media_type:
            request.add_header("Content-Type", media_type)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.headers.get("Location", ""))


@dataclass(frozen=True)
class Cosign:
    """A key pair, and the program that signs with it."""

    prefix: Path
    flags: tuple[str, ...] = ("--allow-http-registry",)

    @classmethod
    def make(cls, prefix: Path) -> Cosign:
        """Make a key pair."""
        made = cls(prefix)
        made.run("generate-key-pair", "--output-key-prefix", str(prefix))
        return made

    @property
    def public(self) -> str:
        """The public key as PEM text."""
        return Path(f"{self.prefix}.pub").read_text()

    def sign(self, reference: str, *flags: str) -> None:
        """Sign a manifest."""
        self._write("sign", *flags, reference)

    def attest(self, reference: str, predicate_type: str, predicate: Document, *flags: str) -> None:
        """Attest something about a manifest."""
        path = Path(f"{self.prefix}.{hashlib.sha256(reference.encode()).hexdigest()[:12]}.json")
        path.write_text(json.dumps(predicate))
        self._write("attest", "--type", predicate_type, "--predicate", str(path), *flags, reference)

    def attest_all(self, reference: str, image: Image, platforms: Mapping[str, str], *flags: str) -> None:
        """Attest all that belongs to an image: about the index, and about each platform's manifest."""
        for predicate in image.provenances:
            self.attest(reference, "slsaprovenance1", predicate, *flags)
        for digest in platforms.values():
            part = f"{reference.partition('@')[0]}@{digest}"
            for report in image.reports:
                self.attest(part, VULNERABILITIES, report, *flags)
            for sbom in image.sboms:
                self.attest(part, "cyclonedx", sbom, *flags)

    def run(self, *arguments: str) -> str:
        """Run cosign to its end."""
        environment = {**os.environ, "COSIGN_PASSWORD": PASSWORD}
        ended = subprocess.run(["cosign", *arguments], env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, f"cosign {' '.join(arguments)}\n{ended.stdout}{ended.stderr}"
        return ended.stdout

    def _write(self, verb: str, *arguments: str) -> None:
        no_log = ("--tlog-upload=false", "--use-signing-config=false")
        self.run(verb, "--yes", f"--key={self.prefix}.key", *no_log, *self.flags, *arguments)
