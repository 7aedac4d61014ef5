"""What a stack says about one release, for its people and for the stacks that take it."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, field_serializer, field_validator

RECORD_VERSION = 2


class _Said(BaseModel):
    """What is said of a release: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ScanSummary(_Said):
    """What a scan found, in numbers, and by which knowledge."""

    counts: dict[str, int]
    """Findings by severity: CRITICAL, HIGH, MEDIUM, LOW, UNKNOWN."""
    scanner: str
    """Name and version of the scanner."""
    database: str
    """When its database was made."""
    scanned: str
    """When the scan ended, in UTC."""
    reports: str
    """Folder of the full reports, relative to the project."""

    @classmethod
    def parse(cls, line: str) -> "ScanSummary":
        """The summary in the one line of JSON that a scan prints."""
        return cls.model_validate({key: value for key, value in json.loads(line).items() if key != "reference"})


class SignedAs(_Said):
    """What verifies a release."""

    public_key: str
    """Public key: path of a file, or the reference of a key management service."""
    repository: str
    """The repository that the signature names: where the stack that built it publishes."""
    version: str
    """The version that the signature names."""


class ReleaseRecord(_Said):
    """What a stack says about one release; it crosses stacks, so it carries the version of its own schema."""

    schema_version: int = RECORD_VERSION
    """Version of this record's schema."""
    project: str
    """Pulumi project of the stack that says so."""
    stack: str
    """The stack that says so."""
    digest: str
    """Digest of the index."""
    reference: str
    """The published artifact, `REPOSITORY@sha256:…`."""
    tag: str
    """The tag that names it alone."""
    version: str
    """Semantic version."""
    revision: str
    """Commit of its source, with `-dirty` at its end where the tree was changed; `unknown` without."""
    platforms: tuple[str, ...]
    """Platforms in the index."""
    scan: ScanSummary | None = None
    """The scan when it was built; None where another stack built it and says nothing of it any more."""
    signature: SignedAs
    """What verifies it; a promotion hands on what the build said."""

    @field_validator("scan", mode="before")
    @classmethod
    def _nothing_said(cls, value: Any) -> Any:
        return value or None

    @field_serializer("scan")
    def _said(self, value: ScanSummary | None) -> dict[str, Any]:
        return value.model_dump(mode="json") if value else {}
