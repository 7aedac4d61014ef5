"""The program that toolbox.py puts in the places of cosign, oras and trivy.

It starts some fifteen times a test: so it imports nothing that takes longer than what it does.
"""

# Pathlib takes as long to load as all the rest.
# ruff: noqa: PTH110, PTH119, PTH122, PTH123

from __future__ import annotations

import fcntl
import json
import os
import sys
from binascii import b2a_base64
from itertools import pairwise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

PASSWORD = "correct horse"
TYPES = {
    "slsaprovenance1": "https://slsa.dev/provenance/v1",
    "cyclonedx": "https://cyclonedx.org/bom",
    "vuln": "https://cosign.sigstore.dev/attestation/vuln/v1",
}
"""What cosign calls the predicate types that it knows."""


class Records:
    """What was called, and what refers to a manifest; files in the folder that stands for the registry."""

    def __init__(self, place: str) -> None:
        self.place = place

    def ran(self, *words: str) -> list[list[str]]:
        """The command lines that begin with these words, in the order of their ends."""
        return [call for call in self._lines("calls") if call[: len(words)] == list(words)]

    def call(self, *words: str) -> None:
        """Note a command line."""
        self._append("calls", list(words))

    def write(self, manifest: str, type_: str, key: str = "cosign", **more: Any) -> None:
        """Write one referrer, by whomever."""
        self._append("entries", {"manifest": manifest, "type": type_, "key": key, **more})

    def written(self) -> list[dict[str, Any]]:
        """All referrers, in the order in which they were written."""
        return self._lines("entries")

    def words(self, name: str) -> list[str]:
        """The words of a file by which a test says what goes wrong."""
        path = f"{self.place}/{name}"
        return _read(path).split() if os.path.exists(path) else []

    def _append(self, name: str, entry: object) -> None:
        with open(f"{self.place}/{name}", "a", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps(entry) + "\n")

    def _lines(self, name: str) -> list[Any]:
        path = f"{self.place}/{name}"
        return [json.loads(line) for line in _read(path).splitlines()] if os.path.exists(path) else []


class StandIn(Records):
    """The tools: `TOOL_VERB` is what a tool does."""

    def main(self, tool: str, arguments: list[str]) -> None:
        """Be a tool once."""
        self.call(tool, *arguments)
        given = dict(pairwise(arguments))
        verb = arguments[2] if tool == "trivy" else arguments[0]
        getattr(self, f"{tool}_{verb.replace('-', '_')}")(given, arguments)

    def oras_manifest(self, _given: Mapping[str, str], arguments: list[str]) -> None:
        """Show a bundle that refers to something, whose layer is called like itself, or the index."""
        digest = arguments[-1].partition("@")[2]
        if digest in self._bundles():
            print(json.dumps({"layers": [{"digest": digest}]}))
        else:
            print(_read(f"{self.place}/index.json"))

    def oras_blob(self, _given: Mapping[str, str], arguments: list[str]) -> None:
        """Hand out a layer, unless its type is in the file `unreadable`."""
        if self._unreadable(self._bundles()[arguments[-1].partition("@")[2]]):
            sys.exit(
                f"Error response from registry: GET {arguments[-1]}: response status code 503: Service Unavailable"
            )

    def oras_discover(self, _given: Mapping[str, str], arguments: list[str]) -> None:
        """List the referrers of a manifest."""
        listed = [
            {"digest": digest, "annotations": {"dev.sigstore.bundle.predicateType": entry["type"]}}
            for digest, entry in self._bundles().items()
            if entry["manifest"] == arguments[-1]
        ]
        print(json.dumps({"referrers": listed}))

    def cosign_attest(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Write an attestation; one whose type is in the file `loses` is lost, as in a race for the fallback tag."""
        if sys.stdin.read() != PASSWORD:
            sys.exit("Error: reading key: decrypt: encrypted: decryption failed")
        predicate = json.loads(_read(given["--predicate"]))
        type_ = TYPES.get(given["--type"], given["--type"])
        if type_ not in self.words("loses"):
            self.write(arguments[-1], type_, _stem(given["--key"]), predicate=predicate)

    def cosign_verify(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Show what a key says about manifests; fail at the first about which it says nothing."""
        for manifest in (it for it in arguments if "@sha256:" in it):
            found = self._readable(given["--key"], manifest)
            if not found:
                sys.exit("Error: no matching attestations: invalid signature when validating ASN.1 encoded signature")
            image = {"docker-manifest-digest": manifest.partition("@")[2]}
            entries = [
                {"critical": {"image": image, "type": it["type"]}, "optional": it.get("annotations", {})}
                for it in found
            ]
            print(json.dumps(entries))

    def cosign_verify_attestation(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Show the attestations of one type by a key about a manifest."""
        type_ = TYPES.get(given["--type"], given["--type"])
        found = [it for it in self._readable(given["--key"], arguments[-1]) if it["type"] == type_]
        if not found:
            sys.exit("Error: none of the attestations matched the predicate type")
        for entry in found:
            subject = [{"digest": {"sha256": arguments[-1].rpartition(":")[2]}}]
            statement = {"predicateType": type_, "subject": subject, "predicate": entry["predicate"]}
            payload = b2a_base64(json.dumps(statement).encode(), newline=False).decode()
            print(json.dumps({"payloadType": "application/vnd.in-toto+json", "payload": payload}))

    def trivy_convert(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Convert a report to CycloneDX, with its vulnerabilities, or to SARIF."""
        packages = [
            {"name": it["Name"]}
            for result in json.loads(_read(arguments[-1])).get("Results") or ()
            for it in result.get("Packages") or ()
        ]
        document = {"bomFormat": "CycloneDX", "components": packages, "vulnerabilities": [{"id": "CVE-2019-10906"}]}
        _save(given["--output"], document)

    def trivy_image(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Report what the test says there is on a platform; fail with an artifact that the file `fails` names."""
        if any(word in arguments[-1] for word in self.words("fails")):
            sys.exit("FATAL Fatal error: unable to find the specified image")
        report = json.loads(_read(f"{self.place}/{given['--platform'].replace('/', '-')}.json"))
        _save(given["--output"], report | {"ArtifactName": arguments[-1]})

    def _bundles(self) -> dict[str, dict[str, Any]]:
        return {f"sha256:{at:064x}": entry for at, entry in enumerate(self.written())}

    def _unreadable(self, entry: Mapping[str, Any]) -> bool:
        return entry["type"] in self.words("unreadable")

    def _readable(self, public_key: str, manifest: str) -> list[dict[str, Any]]:
        said = [it for it in self.written() if it["manifest"] == manifest and it["key"] == _stem(public_key)]
        return [it for it in said if not self._unreadable(it)]


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _read(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _save(path: str, document: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)


if __name__ == "__main__":
    StandIn(sys.argv[1]).main(sys.argv[2], sys.argv[3:])
