"""What cosign and oras print about an artifact with all of its evidence, for the fakes that stand in their places."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from components.artifact import ImageReference
from steps.predicates import PROVENANCE, SBOM, SIGNATURE, VULNERABILITIES

PLATFORM = (VULNERABILITIES, SBOM)


def verified(manifest: str, predicates: Sequence[str], annotations: Mapping[str, str] | None = None) -> str:
    """The line of `cosign verify` about one manifest, with these statements about it."""
    digest = str(ImageReference.parse(manifest).digest)
    return json.dumps(
        [
            {
                "critical": {
                    "identity": {"docker-reference": manifest},
                    "image": {"docker-manifest-digest": digest},
                    "type": predicate,
                },
                "optional": dict(annotations or {}) if predicate == SIGNATURE else {},
            }
            for predicate in predicates
        ]
    )


def all_verified(index: str, platforms: Sequence[str], annotations: Mapping[str, str] | None = None) -> str:
    """The lines of `cosign verify` about an index and its platforms that lack nothing."""
    lines = [verified(index, [SIGNATURE, PROVENANCE], annotations)]
    lines += [verified(manifest, [SIGNATURE, *PLATFORM], annotations) for manifest in platforms]
    return "\n".join(["", *lines])


def discovered(**referrers: str) -> str:
    """What `oras discover` prints: predicate types by the last digits of the referrers' digests, whatever refers."""
    entries = [
        {"digest": f"sha256:{name:0>64}", "annotations": {"dev.sigstore.bundle.predicateType": predicate}}
        for name, predicate in referrers.items()
    ]
    return json.dumps({"referrers": entries})
