"""Images with evidence for tests, as cosign 3 writes it: a complete one, and each part of it can be changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.policy.registry_server import INDEX, MANIFEST

SIGNED = "https://sigstore.dev/cosign/sign/v1"
VULNERABILITIES = "https://cosign.sigstore.dev/attestation/vuln/v1"
CYCLONEDX = "https://cyclonedx.org/bom"
PROVENANCE = "https://slsa.dev/provenance/v1"
PROVED = "https://slipway.dev/proved/v1"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
PLATFORMS = ("linux/amd64", "linux/arm64")
Document = dict[str, Any]
_SALTS = count()


class Key:
    """A key pair that signs as cosign does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> str:
        """The public key as PEM text."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, message: bytes) -> bytes:
        """The signature over a message."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


TRUSTED, FOREIGN = Key(), Key()


def statement(digest: str, predicate_type: str, predicate: object) -> bytes:
    """An in-toto statement about a digest."""
    subject = {"name": "registry.example/shop/web", "digest": {"sha256": digest.removeprefix("sha256:")}}
    content = {"_type": "https://in-toto.io/Statement/v0.1", "subject": [subject]}
    return json.dumps({**content, "predicateType": predicate_type, "predicate": predicate}).encode()


def envelope(payload: bytes, key: Key, payload_type: str = "application/vnd.in-toto+json") -> Document:
    """A DSSE envelope around a payload."""
    message = f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": [{"sig": base64.b64encode(key.sign(message)).decode()}],
    }


def bundle(payload: bytes, key: Key) -> bytes:
    """A sigstore bundle around a signed payload."""
    material = {"publicKey": {"hint": "Ds5esxxmmph+bc+2ZDMt7X+zLeGiaSTSZOUl75bJ2TI="}}
    content = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope(payload, key)}
    return json.dumps(content).encode()


def days_ago(days: float) -> str:
    """A time before NOW, as tools write it."""
    return (NOW - timedelta(days=days)).isoformat().replace("+00:00", "Z")


def finding(vulnerability: str = "CVE-2026-1000", severity: str = "HIGH", **changes: str) -> Document:
    """A finding as trivy writes it."""
    entry = {"VulnerabilityID": vulnerability, "PkgName": "openssl", "InstalledVersion": "3.0.1"}
    return {**entry, "FixedVersion": "3.0.2", "Severity": severity, **changes}


def report(*findings: Document, age: float = 1, database_age: float = 1) -> Document:
    """A vulnerability report with some findings."""
    result = {"SchemaVersion": 2, "Results": [{"Target": "debian", "Vulnerabilities": list(findings)}]}
    database = {"uri": "", "version": "2", "lastUpdate": days_ago(database_age)}
    return {
        "invocation": {"uri": "", "event_id": "", "builder.id": ""},
        "scanner": {"uri": "pkg:github/aquasecurity/trivy", "version": "0.70.0", "db": database, "result": result},
        "metadata": {"scanStartedOn": days_ago(age), "scanFinishedOn": days_ago(age)},
    }


def sbom() -> Document:
    """A CycloneDX document."""
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"name": "openssl", "version": "3.0.1"}]}


def provenance(**changes: Any) -> Document:
    """SLSA provenance of a build from a clean commit."""
    source = {
        "uri": changes.get("source", "git+https://git.example/shop/web"),
        "digest": {"gitCommit": changes.get("commit", "9fceb02d0ae598e95dc970b74767f19372d61af8")},
        "annotations": {"dirty": changes.get("dirty", False)},
    }
    base = {
        "uri": changes.get("base", "docker-image://registry.example/base/python"),
        "digest": {"sha256": "5f" * 32},
        "name": "python:3.12-slim",
    }
    return {
        "buildDefinition": {
            "buildType": "https://slipway.dev/build/v1",
            "externalParameters": {},
            "resolvedDependencies": [source, base],
        },
        "runDetails": {"builder": {"id": "https://slipway.dev/builder"}},
    }


def proof(days: float, stack: str = "dev", project: str = "shop") -> Document:
    """That a stack has proved the image some days ago."""
    return {
        "schemaVersion": 1,
        "project": project,
        "stack": stack,
        "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
        "time": days_ago(days),
        "kind": "deployed",
        "checks": [{"name": "healthy", "result": "passed"}],
    }


class Store(Protocol):
    """Takes the parts of an image: a registry in this process, or a real one."""

    @property
    def address(self) -> str:
        """HOST:PORT."""

    def blob(self, repository: str, content: bytes) -> dict[str, Any]:
        """Store a blob; returns its descriptor without a type."""

    def manifest(self, repository: str, document: Mapping[str, Any], tag: str = "") -> dict[str, Any]:
        """Store a manifest or an index, under a tag if one is given; returns its descriptor."""

    def refer(self, repository: str, digest: str, descriptor: Mapping[str, Any]) -> None:
        """Let a manifest refer to a digest."""


def refer(registry: Store, repository: str, digest: str, content: bytes, predicate_type: str, created: str = "") -> str:
    """Let a bundle refer to a digest, as cosign does; returns the path of its blob."""
    layer = {"mediaType": BUNDLE, **registry.blob(repository, content)}
    notes = {"dev.sigstore.bundle.predicateType": predicate_type, "org.opencontainers.image.created": created}
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": BUNDLE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", **registry.blob(repository, b"{}")},
        "layers": [layer],
        "subject": {"mediaType": INDEX, "digest": digest, "size": 2},
        "annotations": notes,
    }
    descriptor = registry.manifest(repository, manifest)
    registry.refer(repository, digest, {**descriptor, "artifactType": BUNDLE, "annotations": notes})
    return f"/v2/{repository}/blobs/{layer['digest']}"


@dataclass
class Image:
    """An image with evidence; what is None or empty is left out."""

    platforms: Sequence[str] = PLATFORMS
    signer: Key | None = TRUSTED
    attester: Key = TRUSTED
    prover: Key | None = None
    """Who signs the proofs; the attester if left out."""
    reports: Sequence[Document] = field(default_factory=lambda: [report()])
    sboms: Sequence[Document] = field(default_factory=lambda: [sbom()])
    provenances: Sequence[Document] = field(default_factory=lambda: [provenance()])
    proofs: Sequence[Document] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    """Another digest that a statement is about, by predicate type."""
    config: Document = field(default_factory=lambda: {"User": "10001", "Healthcheck": {"Test": ["CMD", "/check"]}})
    history: Sequence[str] = ()
    """What builders have written down of each step."""
    salt: str = field(default_factory=lambda: str(next(_SALTS)))
    """Gives each image a digest of its own."""

    def push(self, registry: Store, repository: str = "shop/web", tag: str = "") -> str:
        """Put it into a registry, with its evidence; returns `ADDRESS/REPOSITORY@sha256:…` of its index."""
        digest, parts = self.push_plain(registry, repository, tag)
        if self.signer:
            payload = statement(self.about.get(SIGNED, digest), SIGNED, {})
            refer(registry, repository, digest, bundle(payload, self.signer), SIGNED, days_ago(1))
        for predicate_type, predicates in ((PROVENANCE, self.provenances), (PROVED, self.proofs)):
            self._attest(registry, repository, digest, predicate_type, predicates)
        for part in parts.values():
            for predicate_type, predicates in ((VULNERABILITIES, self.reports), (CYCLONEDX, self.sboms)):
                self._attest(registry, repository, part, predicate_type, predicates)
        return f"{registry.address}/{repository}@{digest}"

    def push_plain(self, store: Store, repository: str, tag: str = "") -> tuple[str, dict[str, str]]:
        """Put it into a registry without evidence; returns the digests of its index and of each platform's manifest."""
        parts = [self._platform(store, repository, name) for name in self.platforms]
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": parts}
        digest: str = store.manifest(repository, document, tag)["digest"]
        return digest, {name: part["digest"] for name, part in zip(self.platforms, parts, strict=True)}

    def _platform(self, store: Store, repository: str, platform: str) -> Document:
        system, architecture = platform.split("/")
        config: Document = {"os": system, "architecture": architecture}
        config["config"] = {**self.config, "Labels": {"salt": self.salt}}
        config["history"] = [{"created_by": step} for step in self.history]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **store.blob(repository, json.dumps(config).encode()),
            },
            "layers": [],
        }
        descriptor = store.manifest(repository, manifest)
        return {**descriptor, "platform": {"os": system, "architecture": architecture}}

    def _attest(
        self,
        registry: Store,
        repository: str,
        digest: str,
        predicate_type: str,
        predicates: Sequence[Document],
    ) -> None:
        for predicate in predicates:
            payload = statement(self.about.get(predicate_type, digest), predicate_type, predicate)
            finished = predicate.get("metadata", {}).get("scanFinishedOn", days_ago(1))
            signer = (self.prover if predicate_type == PROVED else None) or self.attester
            refer(registry, repository, digest, bundle(payload, signer), predicate_type, finished)
