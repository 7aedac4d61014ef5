"""What BuildKit knows of a build that it made for a preview, which is in no registry: its digest, manifests, contents.

The provider of docker-build builds where it is asked to, and then says nothing: Pulumi takes every output of a changed
resource for unknown during a preview. BuildKit's history has the record of the very build. Builds are reproducible, so
that `up` gets that digest. Source: moby/buildkit, `buildctl debug histories` and `buildctl debug get`.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from commands.previews.commits import NotKnownError
from commands.previews.drafts import Side
from commands.previews.layers import Layer, layers_of
from components.artifact import Digest, Platform
from components.buildkit import builder_endpoint, created, histories
from steps.database import Databases, ensure_database

_SKEW = timedelta(seconds=2)
_PATIENCE = 120.0
"""Seconds for one blob, which may be a large layer."""
_LAYOUT = '{"imageLayoutVersion": "1.0.0"}'


def built_at_preview(side: Side, since: datetime) -> str | None:
    """The digest of what was built for a side of a service since a preview began; None where nobody knows.

    Args:
        side: what would ship.
        since: when the preview began.
    """
    endpoint = builder_endpoint(side.builder) if side.builder and side.build_arguments else None
    if endpoint is None:
        return None
    try:
        return digest_in(histories(endpoint), side, since)
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError):
        return None


def digest_in(records: list[dict[str, Any]], side: Side, since: datetime) -> str | None:
    """The digest in the youngest of BuildKit's records that is of this build."""
    own = [it for it in records if _is_of(it, side, since)]
    if not own:
        return None
    result = max(own, key=created).get("Result") or {}
    made = [result.get("ResultDeprecated") or {}, *(result.get("Results") or {}).values()]
    return next((str(Digest(it["digest"])) for it in made if it.get("digest")), None)


def _is_of(record: Mapping[str, Any], side: Side, since: datetime) -> bool:
    exported = [it.get("Attrs") or {} for it in record.get("Exporters") or ()]
    asked = record.get("FrontendAttrs") or {}
    began = datetime.fromtimestamp(created(record)[0] + created(record)[1] / 1e9, UTC)
    return (
        "error" not in record
        and began >= since - _SKEW
        and any(it.get("name") == side.quarantine and it.get("push") == "false" for it in exported)
        and all(asked.get(f"build-arg:{name}") == value for name, value in side.build_arguments.items())
    )


@dataclass(frozen=True)
class Builder:
    """The contents that a builder keeps of what it built."""

    endpoint: str
    """Address of BuildKit."""

    def platforms(self, digest: str) -> Mapping[str, str]:
        """The digest of each platform's manifest in an index.

        Raises:
            NotKnownError: the builder has no such index.
        """
        index = self._document(digest)
        entries = [(it["digest"], it.get("platform") or {}) for it in index.get("manifests") or ()]
        named = {
            digest: "/".join(filter(None, map(at.get, ("os", "architecture", "variant")))) for digest, at in entries
        }
        return {platform: digest for digest, platform in named.items() if platform and "unknown" not in platform}

    def layers(self, digest: str) -> list[Layer]:
        """The layers of a platform's manifest.

        Raises:
            NotKnownError: the builder has no such manifest.
        """
        return layers_of(self._document(digest))

    def labels(self, digest: str) -> Mapping[str, str]:
        """The labels in a platform's config.

        Raises:
            NotKnownError: the builder has no such manifest.
        """
        config = self._document(self._document(digest)["config"]["digest"])
        labels: Mapping[str, str] = (config.get("config") or {}).get("Labels") or {}
        return labels

    def layout(self, digest: str, platform: str, folder: Path) -> None:
        """Write a platform of an image as an OCI layout, as scanners read it.

        Raises:
            NotKnownError: the builder has forgotten a part of it.
        """
        manifest = self._blob(digest)
        content = json.loads(manifest)
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for part in {it["digest"] for it in (content["config"], *content["layers"])}:
            (blobs / Digest(part).hexadecimal).write_bytes(self._blob(part))
        (blobs / Digest(digest).hexadecimal).write_bytes(manifest)
        at = dict(zip(("os", "architecture", "variant"), str(Platform(platform)).split("/"), strict=False))
        entry = {"mediaType": content["mediaType"], "digest": digest, "size": len(manifest), "platform": at}
        (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (folder / "oci-layout").write_text(_LAYOUT)

    def _document(self, digest: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._blob(digest))
        return document

    def _blob(self, digest: str) -> bytes:
        command = ["buildctl", "--addr", self.endpoint, "debug", "get", digest]
        try:
            return subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            raise NotKnownError(f"the builder does not have {digest} any more") from None


def scan_layout(
    builder: Builder, digest: str, platform: str, name: str, databases: Databases, maximum_age: float
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Scan a platform of an image where the builder has it: trivy's report, its bill of materials, its database's date.

    Args:
        builder: who has the image.
        digest: digest of the platform's manifest.
        platform: the platform.
        name: path of the image's repository; what is known of layers of that name is used again.
        databases: what the scanner looks things up in.
        maximum_age: days that the database may be old.

    Raises:
        NotKnownError: the builder has forgotten a part of it.
        StepError: it cannot be scanned.
    """
    # Only here: a preview that scans nothing need not load the scanner's steps.
    from steps.scanner import scan_image
    from steps.trivy import trivy

    database = ensure_database(databases, maximum_age)
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        layout, report, bill = Path(folder, "image"), Path(folder, "report.json"), Path(folder, "bill.json")
        builder.layout(digest, platform, layout)
        arguments: list[str | Path] = ["--input", layout, "--format", "json", "--output", report]
        scan_image(databases, f"{name} {platform}", arguments)
        trivy(["convert", "--quiet", "--format", "cyclonedx", "--output", bill, report])
        return json.loads(report.read_text()), json.loads(bill.read_text()), str(database["UpdatedAt"])
