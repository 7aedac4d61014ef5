"""What a stack says about one release, for its people and for the stacks that take it."""

from typing import Any

from pydantic import BaseModel, ConfigDict

RECORD_VERSION = 2


class ReleaseRecord(BaseModel):
    """What a stack says about one release; it crosses stacks, so it carries the version of its own schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    scan: dict[str, Any]
    """Summary of the scan when it was built."""
    signature: dict[str, Any]
    """Public key and annotations that verify it; a promotion hands on those of the build."""
