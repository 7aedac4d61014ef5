"""Two registries and what is signed in them, played for the tests of promoting as a step."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.artifact import Digest, ImageReference, Repository
from steps.database import cache_of
from steps.predicates import APPROVED, PROVED, SBOM, VULNERABILITIES
from steps.proofs import spelled
from tests.conftest import ToolMaker
from tests.evidence import all_verified
from tests.running import run_step_program

NOW = datetime.now(UTC)
DIGEST, OTHER = Digest("sha256:" + "1f" * 32), Digest("sha256:" + "2e" * 32)
AMD64, ARM64 = Digest("sha256:" + "a" * 64), Digest("sha256:" + "b" * 64)
STAGING = Repository.parse("staging.example/driftwood/web")
PRODUCTION = Repository.parse("production.example/driftwood/web")
TAKEN, HERE = STAGING.at(DIGEST), PRODUCTION.at(DIGEST)
INDEX = {
    "manifests": [
        {"digest": str(AMD64), "platform": {"os": "linux", "architecture": "amd64"}},
        {"digest": str(ARM64), "platform": {"os": "linux", "architecture": "arm64"}},
    ]
}
SAYS = {"repository": str(STAGING), "version": "1.4.0"}
FINDING = {"VulnerabilityID": "CVE-2026-1", "PkgName": "tides", "InstalledVersion": "1.0", "FixedVersion": "1.1"}


class World:
    """Two registries and what is signed in them, played by small programs in the places of oras, cosign and trivy."""

    def __init__(self, folder: Path, tool: ToolMaker) -> None:
        self.folder, self.tool = folder, tool
        self.manifests = {str(place.at(it)) for place in (STAGING,) for it in (DIGEST, AMD64, ARM64)}
        self.tags: dict[str, Digest] = {}
        self.says: dict[str, str] = dict(SAYS)
        self.signed_by = "staging.pub"
        self.statements: list[tuple[str, str, str, dict[str, Any]]] = []
        self.findings: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {"User": "10001", "Healthcheck": {"Test": ["CMD", "check"]}}
        self.down: dict[str, str] = {}
        self.age = timedelta(days=1)
        self.provenance: dict[str, list[str]] = {}
        """By reference, the digests of the provenance that refers to it."""

    def proved(self, reference: ImageReference = TAKEN, key: str = "staging.pub", **changes: Any) -> None:
        """Let a stack say that it proved an artifact."""
        predicate = {
            "schemaVersion": 1,
            "project": "slipway",
            "stack": "staging",
            "commit": "5" * 40,
            "time": spelled(NOW - timedelta(hours=3)),
            "kind": "deployed",
            "checks": [],
        }
        self.statements.append((str(reference), key, PROVED, predicate | changes))

    def approved(self, reference: ImageReference = TAKEN, key: str = "maria.pub", **changes: Any) -> None:
        """Let a person approve an artifact for production."""
        time = spelled(NOW - timedelta(hours=1))
        predicate = {"schemaVersion": 1, "project": "slipway", "stack": "production", "time": time, "reason": "hotfix"}
        self.statements.append((str(reference), key, APPROVED, predicate | changes))

    def reported(self, age: timedelta, key: str = "staging.pub", repository: Repository = STAGING) -> None:
        """Let somebody have attested a report of both platforms."""
        metadata = {"scanFinishedOn": spelled(NOW - age)}
        for manifest in (AMD64, ARM64):
            self.statements.append((str(repository.at(manifest)), key, VULNERABILITIES, {"metadata": metadata}))

    def copied(self) -> None:
        """Let production have run the artifact: it is there, and proved there."""
        self.manifests |= {str(PRODUCTION.at(it)) for it in (DIGEST, AMD64, ARM64)}
        self.proved(HERE, "production.pub", stack="production", time=spelled(NOW - timedelta(days=9)))
        self.proved(HERE)
        for manifest in (AMD64, ARM64):
            bom = {"bomFormat": "CycloneDX", "components": [{"name": "tides"}]}
            self.statements.append((str(PRODUCTION.at(manifest)), "staging.pub", SBOM, bom))

    def ask(self, *flags: str, **record: Any) -> dict[str, Any]:
        """What the step answers; `also` are more stacks to take from, each with what is other in its record."""
        self._play()
        upstream = {
            "project": "slipway",
            "stack": "staging",
            "key": "staging.pub",
            "reference": str(TAKEN),
            "version": "1.4.0",
            "platforms": ["linux/amd64", "linux/arm64"],
            "revision": "5" * 40,
        }
        also: list[dict[str, Any]] = record.pop("also", [])
        upstreams = [upstream | record] if "problem" not in record else [dict(list(upstream.items())[:3]) | record]
        upstreams += [upstream | it for it in also]
        arguments = ["--service", "web", "--project", "slipway", "--stack", "production", *flags]
        arguments += ["--repository", str(PRODUCTION), "--upstreams", json.dumps(upstreams)]
        arguments += ["--public-key", "staging.pub", "--own-key", "production.pub"]
        arguments += ["--fail-on", "HIGH,CRITICAL", "--reports", str(self.folder / "reports")]
        arguments += ["--cache", str(self.folder / "cache"), "--database", "db.example/trivy-db:2"]
        ended = run_step_program("promote", arguments)
        assert ended.returncode == 0, ended.stderr
        answer: dict[str, Any] = json.loads(ended.stdout)
        return answer

    def problem(self, *flags: str, **record: Any) -> str:
        """Why the step refuses."""
        problem: str = self.ask(*flags, **record)["problem"]
        assert problem
        return problem

    def _play(self) -> None:
        script = self.folder / "play.py"
        known = {
            "manifests": sorted(self.manifests),
            "index": INDEX,
            "tags": {name: str(digest) for name, digest in self.tags.items()},
            "statements": self.statements + self._reports(),
            "signed": self._signed(),
            "signed_by": self.signed_by,
            "findings": self.findings,
            "config": self.config,
            "down": self.down,
            "provenance": self.provenance,
        }
        script.write_text(f"KNOWN = {known!r}\n{PLAY}")
        cache = self.folder / "cache"
        for name in ("oras", "cosign", "trivy"):
            self.tool(name, f'exec {sys.executable} -I -S {script} {name} "$@"')
        for database in cache.glob("*/db") if cache.exists() else ():
            (database / "metadata.json").unlink()
        database = cache_of(cache, "db.example/trivy-db:2") / "db"
        database.mkdir(parents=True, exist_ok=True)
        made = spelled(NOW - self.age)
        fresh = {"UpdatedAt": made, "NextUpdate": spelled(NOW + timedelta(days=1)), "Version": 2}
        (database / "metadata.json").write_text(json.dumps(fresh))
        (database / "trivy.db").write_text("x")

    def _reports(self) -> list[tuple[str, str, str, dict[str, Any]]]:
        """Fresh reports wherever it is, as long as a test says nothing of any."""
        if any(type_ == VULNERABILITIES for _, _, type_, _ in self.statements):
            return []
        fresh = {"metadata": {"scanFinishedOn": spelled(NOW - timedelta(hours=1))}}
        places = {name.partition("@")[0] for name in self.manifests}
        about = [f"{place}@{manifest}" for place in sorted(places) for manifest in (AMD64, ARM64)]
        return [(it, "staging.pub", VULNERABILITIES, fresh) for it in about]

    def _signed(self) -> dict[str, list[str]]:
        places = {name.partition("@")[0] for name in self.manifests}
        return {
            place: all_verified(f"{place}@{DIGEST}", [f"{place}@{AMD64}", f"{place}@{ARM64}"], self.says).split("\n")[
                1:
            ]
            for place in places
        }


PLAY = """
import base64, json, sys
tool, *words = sys.argv[1:]
target = words[-1]
for registry, told in KNOWN["down"].items():
    if any(registry in word for word in words):
        sys.exit("Error: " + told)
flag = lambda name: words[words.index(name) + 1]
if tool == "oras":
    if words[0] == "resolve":
        sys.exit("Error: " + target + ": not found") if target not in KNOWN["tags"] else print(KNOWN["tags"][target])
    elif words[:2] == ["repo", "tags"]:
        print("\\n".join(name.rpartition(":")[2] for name in KNOWN["tags"] if name.rpartition(":")[0] == target))
    elif words[0] == "discover":
        says = {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}
        found = [{"digest": it, "annotations": says} for it in KNOWN["provenance"].get(target, [])]
        print(json.dumps({"referrers": found}))
    elif target not in KNOWN["manifests"]:
        sys.exit("Error response from registry: " + target + ": not found")
    else:
        print(json.dumps(KNOWN["index"]))
elif tool == "trivy":
    if "sbom" in words:
        found = KNOWN["findings"] if json.load(open(target))["components"] == [{"name": "tides"}] else []
        print(json.dumps({"Results": [{"Vulnerabilities": found}]}))
    if "image" in words:
        report = {"ArtifactName": target, "Results": [{"Vulnerabilities": KNOWN["findings"]}]}
        report["Metadata"] = {"ImageConfig": {"config": KNOWN["config"]}}
        open(flag("--output"), "w").write(json.dumps(report))
    if "convert" in words:
        open(flag("--output"), "w").write("{}")
elif words[0] == "verify":
    if flag("--key") != KNOWN["signed_by"]:
        sys.exit("Error: no matching attestations: failed to verify signature")
    print("\\n".join(KNOWN["signed"][next(word for word in words if "@sha256:" in word).partition("@")[0]]))
else:
    found = [it[3] for it in KNOWN["statements"] if it[:3] == (target, flag("--key"), flag("--type"))]
    if not found:
        sys.exit("Error: no matching attestations: ")
    for predicate in found:
        about = [{"name": "x", "digest": {"sha256": target.rpartition(":")[2]}}]
        statement = {"predicateType": flag("--type"), "subject": about, "predicate": predicate}
        print(json.dumps({"payload": base64.b64encode(json.dumps(statement).encode()).decode()}))
"""
