"""One small program in the places of cosign, oras and trivy, with a folder in the place of the registry.

What one of them writes about a manifest the others find there, so that a test sees what is left in the end.
"""

from __future__ import annotations

import base64
import fcntl
import json
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steps.predicates import PROVENANCE, SBOM, VULNERABILITIES

if TYPE_CHECKING:  # it brings pytest, and this program starts some fifteen times a test
    from tests.conftest import ToolMaker

PASSWORD = "correct horse"
TYPES = {"slsaprovenance1": PROVENANCE, "cyclonedx": SBOM, "vuln": VULNERABILITIES}


class Toolbox:
    """The folder, as a test and the program both see it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.entries = folder / "entries"

    def install(self, tool: ToolMaker, index: Mapping[str, Any]) -> None:
        """Put the program on PATH under the names of the tools, with this index in the registry."""
        self.folder.mkdir()
        (self.folder / "index.json").write_text(json.dumps(index))
        for name in ("cosign", "oras", "trivy"):
            here = Path(__file__).resolve()
            run = f"PYTHONPATH={here.parents[1]} {sys.executable} -S {here}"
            tool(name, f'exec env {run} {self.folder} {name} "$@"')

    def ran(self, *words: str) -> list[list[str]]:
        """The command lines that begin with these words, in the order of their ends."""
        lines = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [call for call in map(json.loads, lines) if call[: len(words)] == list(words)]

    def write(self, manifest: str, type_: str, key: str = "cosign", **more: Any) -> None:
        """Write one referrer, by whomever."""
        with self.entries.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(json.dumps({"manifest": manifest, "type": type_, "key": key, **more}) + "\n")

    def written(self) -> list[dict[str, Any]]:
        """All referrers, in the order in which they were written."""
        return [json.loads(line) for line in self.entries.read_text().splitlines()] if self.entries.exists() else []

    def types(self, manifest: str) -> list[str]:
        """The types of what refers to a manifest, in the order in which they were written."""
        return [entry["type"] for entry in self.written() if entry["manifest"] == manifest]

    def predicate(self, manifest: str, type_: str) -> dict[str, Any]:
        """The content of the only attestation of this type about a manifest."""
        [found] = [it for it in self.written() if (it["manifest"], it["type"]) == (manifest, type_)]
        content: dict[str, Any] = found["predicate"]
        return content

    def by(self, public_key: str, manifest: str) -> list[dict[str, Any]]:
        """What was written about a manifest with the private half of this key."""
        key = Path(public_key).stem
        return [it for it in self.written() if it["manifest"] == manifest and it["key"] == key]

    def main(self, tool: str, arguments: list[str]) -> None:
        """Be a tool once."""
        with self.calls.open("a") as file:
            file.write(json.dumps([tool, *arguments]) + "\n")
        given = dict(pairwise(arguments))
        verb = arguments[2] if tool == "trivy" else arguments[0]
        getattr(self, f"{tool}_{verb.replace('-', '_')}")(given, arguments)

    def oras_manifest(self, _given: Mapping[str, str], arguments: list[str]) -> None:
        """Show a bundle that refers to something, whose layer is called like itself, or the index."""
        digest = arguments[-1].partition("@")[2]
        if digest in self._bundles():
            print(json.dumps({"layers": [{"digest": digest}]}))
        else:
            print((self.folder / "index.json").read_text())

    def oras_blob(self, _given: Mapping[str, str], arguments: list[str]) -> None:
        """Hand out a layer, unless its type is in the file `unreadable`."""
        if self._unreadable(self._bundles()[arguments[-1].partition("@")[2]]):
            sys.exit(
                f"Error response from registry: GET {arguments[-1]}: response status code 503: Service Unavailable"
            )

    def _bundles(self) -> dict[str, dict[str, Any]]:
        return {f"sha256:{at:064x}": entry for at, entry in enumerate(self.written())}

    def _unreadable(self, entry: Mapping[str, Any]) -> bool:
        file = self.folder / "unreadable"
        return file.exists() and entry["type"] in file.read_text().split()

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
        predicate = json.loads(Path(given["--predicate"]).read_text())
        type_ = TYPES.get(given["--type"], given["--type"])
        loses = self.folder / "loses"
        if not (loses.exists() and type_ in loses.read_text()):
            self.write(arguments[-1], type_, Path(given["--key"]).stem, predicate=predicate)

    def cosign_verify(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Show what a key says about manifests; fail at the first about which it says nothing."""
        for manifest in (it for it in arguments if "@sha256:" in it):
            found = [it for it in self.by(given["--key"], manifest) if not self._unreadable(it)]
            if not found:
                sys.exit("Error: no matching attestations: invalid signature when validating ASN.1 encoded signature")
            image = {"docker-manifest-digest": manifest.partition("@")[2]}
            print(
                json.dumps(
                    [
                        {"critical": {"image": image, "type": it["type"]}, "optional": it.get("annotations", {})}
                        for it in found
                    ]
                )
            )

    def cosign_verify_attestation(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Show the attestations of one type by a key about a manifest."""
        type_ = TYPES.get(given["--type"], given["--type"])
        found = [it for it in self.by(given["--key"], arguments[-1]) if it["type"] == type_]
        found = [it for it in found if not self._unreadable(it)]
        if not found:
            sys.exit("Error: none of the attestations matched the predicate type")
        for entry in found:
            subject = [{"digest": {"sha256": arguments[-1].rpartition(":")[2]}}]
            statement = {"predicateType": type_, "subject": subject, "predicate": entry["predicate"]}
            payload = base64.b64encode(json.dumps(statement).encode()).decode()
            print(json.dumps({"payloadType": "application/vnd.in-toto+json", "payload": payload}))

    def trivy_convert(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Convert a report to CycloneDX, with its vulnerabilities, or to SARIF."""
        packages = [
            {"name": it["Name"]}
            for result in json.loads(Path(arguments[-1]).read_text()).get("Results") or ()
            for it in result.get("Packages") or ()
        ]
        document = {"bomFormat": "CycloneDX", "components": packages, "vulnerabilities": [{"id": "CVE-2019-10906"}]}
        Path(given["--output"]).write_text(json.dumps(document))

    def trivy_image(self, given: Mapping[str, str], arguments: list[str]) -> None:
        """Report what the test says there is on a platform; fail with an artifact that the file `fails` names."""
        fails = self.folder / "fails"
        if fails.exists() and fails.read_text() in arguments[-1]:
            sys.exit("FATAL Fatal error: unable to find the specified image")
        slug = given["--platform"].replace("/", "-")
        report = json.loads((self.folder / f"{slug}.json").read_text())
        Path(given["--output"]).write_text(json.dumps(report | {"ArtifactName": arguments[-1]}))


if __name__ == "__main__":
    Toolbox(Path(sys.argv[1])).main(sys.argv[2], sys.argv[3:])
