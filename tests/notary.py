"""Whoever signs and verifies, in memory: what cosign would say about the manifests on a shelf.

A key is known by the name of its file. The private half opens with one password.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from components.artifact import ImageReference
from steps.predicates import PROVENANCE, SBOM, SIGNATURE, VULNERABILITIES
from steps.tool import ToolError
from tests.shelf import Shelf

PASSWORD = "correct horse"
_USERS = ("approve", "attest", "choose", "registry", "statements", "verify")
"""The steps that run tools on an artifact."""


class Notary:
    """Cosign, and oras through the shelf."""

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.calls: list[list[str]] = []
        self.given: list[str] = []
        """What came on standard input."""

    def keys(self, folder: Path, name: str) -> tuple[str, str]:
        """Write a pair of files, and return their paths."""
        private, public = folder / f"{name}.key", folder / f"{name}.pub"
        private.write_text(f"private {name}\n")
        public.write_text(f"public {name}\n")
        return str(private), str(public)

    def say(self, reference: ImageReference | str, type_: str, key: str, predicate: Mapping[str, Any]) -> None:
        """Let somebody have made a statement about a manifest."""
        repository, _, digest = str(reference).partition("@")
        self.shelf.refer(repository, digest, type_, datetime.now(UTC), key=Path(key).stem, predicate=predicate)

    def attested(self, reference: ImageReference | str, type_: str) -> list[dict[str, Any]]:
        """The content of every statement of this type about a manifest."""
        return [it["predicate"] for it in self._about(str(reference)) if _type(it) == type_]

    def complete(self, repository: str, index: str, key: str) -> None:
        """Let an index have all of its signatures and evidence by a key."""
        below = [it["digest"] for it in self.shelf.repository(repository)["manifests"][index]["manifests"]]
        for type_ in (SIGNATURE, PROVENANCE):
            self.say(f"{repository}@{index}", type_, key, {})
        for platform in below:
            for type_ in (SIGNATURE, VULNERABILITIES, SBOM):
                self.say(f"{repository}@{platform}", type_, key, {})

    def run(self, command: Sequence[str | Path], *, secret: str | None = None, **_: Any) -> str:
        """Be a tool once."""
        words = [str(part) for part in command]
        if words[0] == "oras":
            return self.shelf.run(words)
        assert words[0] == "cosign"
        self.calls.append(words)
        self.given.append(secret or "")
        if self.shelf.down:
            raise ToolError("cosign", self.shelf.down)
        given = dict(pairwise(words))
        verb = words[1].replace("-", "_")
        answer: str = getattr(self, f"_{verb}")(given, words, secret)
        return answer

    def _open(self, key: str, secret: str | None) -> None:
        if not Path(key).exists():
            raise ToolError("cosign", f"Error: open {key}: no such file or directory")
        if secret != PASSWORD:
            raise ToolError("cosign", "Error: reading key: decrypt: encrypted: decryption failed")

    def _public_key(self, given: Mapping[str, str], _words: list[str], secret: str | None) -> str:
        self._open(given["--key"], secret)
        return f"public {Path(given['--key']).stem}\n"

    def _attest(self, given: Mapping[str, str], words: list[str], secret: str | None) -> str:
        self._open(given["--key"], secret)
        self.say(words[-1], given["--type"], given["--key"], json.loads(Path(given["--predicate"]).read_text()))
        return ""

    def _about(self, reference: str) -> list[dict[str, Any]]:
        name, _, digest = reference.partition("@")
        here = self.shelf.repository(name)
        listed = here["manifests"].get(here["tags"].get(digest.replace(":", "-"), ""), {}).get("manifests", ())
        return [here["manifests"][it["digest"]] for it in listed]

    def _verify(self, given: Mapping[str, str], words: list[str], _secret: str | None) -> str:
        lines = []
        for reference in (it for it in words if "@sha256:" in it):
            image = {"docker-manifest-digest": reference.partition("@")[2]}
            said = [it for it in self._about(reference) if it.get("key") == Path(given["--key"]).stem]
            if not said:
                raise ToolError("cosign", "Error: no matching attestations: invalid signature")
            entries = [{"critical": {"image": image, "type": _type(it)}, "optional": {}} for it in said]
            lines.append(json.dumps(entries))
        return "\n".join(lines)

    def _verify_attestation(self, given: Mapping[str, str], words: list[str], _secret: str | None) -> str:
        key, type_, reference = Path(given["--key"]).stem, given["--type"], words[-1]
        found = [it for it in self._about(reference) if it.get("key") == key and _type(it) == type_]
        if not found:
            raise ToolError("cosign", f"Error: none of the attestations matched the predicate type: {type_}")
        subject = [{"digest": {"sha256": reference.rpartition(":")[2]}}]
        statements = [{"predicateType": type_, "subject": subject, "predicate": it["predicate"]} for it in found]
        return "\n".join(json.dumps({"payload": _encoded(it)}) for it in statements)


def _type(manifest: Mapping[str, Any]) -> str:
    return str(manifest["annotations"]["dev.sigstore.bundle.predicateType"])


def _encoded(statement: Mapping[str, Any]) -> str:
    return base64.b64encode(json.dumps(statement).encode()).decode()


@pytest.fixture(name="notary")
def a_notary(monkeypatch: pytest.MonkeyPatch) -> Notary:
    """A notary with an empty shelf, in the place of the tools that the steps run."""
    made = Notary(Shelf())
    for module in _USERS:
        monkeypatch.setattr(f"steps.{module}.run_tool", made.run)
    return made
