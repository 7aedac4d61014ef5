"""What somebody can put into a registry to make an artifact look proven: copies, foreign and edited signatures."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.conftest import run_command
from tests.e2e.oci import INDEX, RegistryClient

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True)
class Forger:
    """Somebody who may write to a repository, and has none of the keys that count."""

    registry: RegistryClient
    repository: str

    def unproven(self, release: str, note: str) -> str:
        """The digest of another index with the release's layers, of which nothing is signed or attested.

        Args:
            release: digest of the release's index.
            note: an annotation that makes its digests its own.
        """
        index = self._manifest(release)
        for entry in index["manifests"]:
            manifest = self._manifest(entry["digest"])
            body = _json(manifest | {"annotations": {"note": note}})
            entry |= {"digest": self._put(body, MANIFEST), "size": len(body)}
        return self._put(_json(index), INDEX)

    def statements_of(self, subject: str) -> list[dict[str, Any]]:
        """The manifests of everything that refers to a subject."""
        return [self._manifest(it["digest"]) for it in self.registry.referrers(self.repository, subject)]

    def attach(self, statement: dict[str, Any], subject: str, *, edited: bool = False) -> None:
        """Let a statement that was signed about something else refer to a subject.

        Args:
            statement: the manifest that holds it.
            subject: digest of the manifest that it is to refer to.
            edited: also write the subject's digest into the statement, which its signature does not cover then.
        """
        layer = statement["layers"][0]
        if edited:
            bundle = json.loads(self.registry.blob(self.repository, layer["digest"]))
            envelope = bundle["dsseEnvelope"]
            said = json.loads(base64.b64decode(envelope["payload"]))
            said["subject"][0]["digest"]["sha256"] = subject.removeprefix("sha256:")
            envelope["payload"] = base64.b64encode(_json(said)).decode()
            content = _json(bundle)
            layer = {**layer, "digest": self._upload(content), "size": len(content)}
        body, kind = self._raw(subject)
        about = {"mediaType": kind, "digest": subject, "size": len(body)}
        written = _json({**statement, "layers": [layer], "subject": about})
        self._list(subject, self._put(written, MANIFEST), len(written), statement)

    def smuggle(self, subject: str, platform: str) -> str:
        """Let an image refer to an artifact, as its signatures do; returns the image's digest.

        Args:
            subject: digest of the index.
            platform: digest of the manifest of one of its platforms, whose layers the image has.
        """
        body, kind = self._raw(subject)
        about = {"mediaType": kind, "digest": subject, "size": len(body)}
        image = {**self._manifest(platform), "subject": about}
        written = _json(image)
        digest = self._put(written, MANIFEST)
        self._list(subject, digest, len(written), image)
        return digest

    def sign(self, digest: str, folder: Path, tools: Mapping[str, str]) -> None:
        """Sign with a key pair that nobody trusts.

        Args:
            digest: what is signed.
            folder: for the key pair and the login.
            tools: the environment that cosign is found in.
        """
        login = f"{':'.join(self.registry.login or ())}".encode()
        (folder / "config.json").write_text(
            json.dumps({"auths": {self.registry.address: {"auth": base64.b64encode(login).decode()}}})
        )
        environment = {**tools, "COSIGN_PASSWORD": "", "DOCKER_CONFIG": str(folder)}
        run_command(["cosign", "generate-key-pair"], folder, environment, check=True)
        command = [
            "cosign",
            "sign",
            "--yes",
            "--key",
            "cosign.key",
            "--tlog-upload=false",
            "--use-signing-config=false",
        ]
        command += ["--registry-cacert", str(self.registry.authority), "--recursive"]
        reference = f"{self.registry.address}/{self.repository}@{digest}"
        run_command([*command, reference], folder, environment, check=True)

    def _raw(self, digest: str) -> tuple[bytes, str]:
        path = f"{self.repository}/manifests/{digest}"
        status, headers, body = self.registry.request(path, Accept=f"{INDEX}, {MANIFEST}")
        assert status == 200, body
        return body, headers["content-type"]

    def _manifest(self, digest: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self._raw(digest)[0])
        return content

    def _put(self, body: bytes, kind: str, name: str = "") -> str:
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        path = f"{self.repository}/manifests/{name or digest}"
        status, _, answer = self.registry.request(path, "PUT", body, Content_Type=kind)
        assert status == 201, answer
        return digest

    def _upload(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        status, headers, answer = self.registry.request(f"{self.repository}/blobs/uploads/", "POST", b"")
        assert status == 202, answer
        place = headers["location"].partition("/v2/")[2]
        path = f"{place}{'&' if '?' in place else '?'}digest={digest}"
        status, _, answer = self.registry.request(path, "PUT", content, Content_Type="application/octet-stream")
        assert status == 201, answer
        return digest

    def _list(self, subject: str, digest: str, size: int, statement: dict[str, Any]) -> None:
        """Add an entry to the subject's fallback tag, as a client does where the registry has no referrers API."""
        tag = subject.replace(":", "-")
        listed = self.registry.manifest(self.repository, tag) or {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [],
        }
        entry = {
            "mediaType": MANIFEST,
            "digest": digest,
            "size": size,
            "artifactType": statement.get("artifactType", ""),
            "annotations": statement.get("annotations", {}),
        }
        self._put(_json({**listed, "manifests": [*listed["manifests"], entry]}), INDEX, tag)


def _json(content: Any) -> bytes:
    return json.dumps(content).encode()
