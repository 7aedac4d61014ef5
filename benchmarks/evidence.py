"""The evidence of 50 images, verified by the pack and by `xargs -P2 cosign verify`; a part of `make bench`.

Both are measured turn by turn as whole processes, on a docker-registry and a key of their own, with what cosign has
signed. The pack verifies all that its rules ask for: the signature, the provenance, and each platform's report and
SBOM, of the size that a usual image has. cosign is asked for the signature alone. What counts is the ratio.
"""

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.measuring import Series, row, run

PROJECT = Path(__file__).resolve().parent.parent
IMAGES, ROUNDS = 50, 3
MOST, MOST_MEMORY = 1.2, 150
FINDINGS, COMPONENTS = 100, 200
ARCHITECTURES = ("amd64", "arm64")
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
NO_LOG = ("--yes", "--tlog-upload=false", "--use-signing-config=false", "--allow-http-registry")
_VERIFY = """
import resource, sys
from types import SimpleNamespace
from verification.evidence import begin, evidence_of
from verification.references import Reference

key = open(sys.argv[1]).read()
trust = SimpleNamespace(public_keys=(key,), proof_keys=None, identities=(), registries={}, timeout=60.0)
references = [Reference.parse(line.strip()) for line in open(sys.argv[2])]
for reference in references:
    begin(reference, trust)
incomplete = [it for it in references if not evidence_of(it, trust).is_complete]
if incomplete:
    sys.exit(f"not complete: {evidence_of(incomplete[0], trust)}")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
"""What reads and verifies evidence, without the policy SDK around it, whose imports every preview with a pack pays."""


def _environment() -> dict[str, str]:
    return {**os.environ, "COSIGN_PASSWORD": "benchmark"}


def _run(command: Sequence[str]) -> str:
    return run(command, PROJECT / "policies", _environment())


@contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """The address of a docker-registry, which ends with the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    storage = {"filesystem": {"rootdirectory": str(folder / "data")}}
    path = folder / "registry.json"  # JSON is YAML
    path.write_text(
        json.dumps({"version": "0.1", "log": {"level": "error"}, "storage": storage, "http": {"addr": address}})
    )
    with subprocess.Popen(
        ["docker-registry", "serve", str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as it:
        try:
            deadline = time.monotonic() + 20
            while not _answers(address):
                if it.poll() is not None or time.monotonic() > deadline:
                    sys.exit("docker-registry does not start")
                time.sleep(0.02)
            yield address
        finally:
            it.terminate()


def _answers(address: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=1):
            return True
    except OSError:
        return False


@dataclass(frozen=True)
class Repository:
    """A repository that images are put into."""

    address: str
    path: str

    def image(self) -> list[str]:
        """Put an index with two platforms into it; returns its reference, and that of each platform's manifest."""
        entries = [self._platform(architecture) for architecture in ARCHITECTURES]
        index = self._manifest({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
        return [f"{self.address}/{self.path}@{it['digest']}" for it in (index, *entries)]

    def _platform(self, architecture: str) -> dict[str, Any]:
        platform = {"os": "linux", "architecture": architecture}
        config = json.dumps({**platform, "config": {"Labels": {"service": self.path}}}).encode()
        digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
        place = self._send("POST", f"http://{self.address}/v2/{self.path}/blobs/uploads/", b"", "")
        self._send("PUT", f"{place}&digest={digest}", config, "application/octet-stream")
        described = {"mediaType": CONFIG, "digest": digest, "size": len(config)}
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
        return {**self._manifest(manifest), "platform": platform}

    def _manifest(self, document: Mapping[str, Any]) -> dict[str, Any]:
        content = json.dumps(document).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        url = f"http://{self.address}/v2/{self.path}/manifests/{digest}"
        self._send("PUT", url, content, document["mediaType"])
        return {"mediaType": document["mediaType"], "digest": digest, "size": len(content)}

    def _send(self, method: str, url: str, body: bytes, media_type: str) -> str:
        request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": media_type})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return str(answer.headers["Location"])


def _predicates(folder: Path) -> dict[str, Path]:
    """Files with what is attested, by the type that cosign is told."""
    now = datetime.now(UTC).isoformat()
    described = {"Description": "what it does, in some words. " * 20, "Severity": "LOW", "PkgName": "package"}
    findings = [{"VulnerabilityID": f"CVE-2026-{number}", **described} for number in range(FINDINGS)]
    result = {"SchemaVersion": 2, "Results": [{"Vulnerabilities": findings}]}
    scanner = {"uri": "", "version": "0.70.0", "db": {"lastUpdate": now}, "result": result}
    components = [{"type": "library", "name": f"package-{number}", "version": "1.0"} for number in range(COMPONENTS)]
    source = {"uri": "git+https://git.example/shop/web", "digest": {"gitCommit": "9fceb02d" * 5}}
    definition = {
        "buildType": "https://slipway.dev/build/v1",
        "externalParameters": {},
        "resolvedDependencies": [source],
    }
    contents = {
        "https://cosign.sigstore.dev/attestation/vuln/v1": {
            "scanner": scanner,
            "metadata": {"scanStartedOn": now, "scanFinishedOn": now},
        },
        "cyclonedx": {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components},
        "slsaprovenance1": {
            "buildDefinition": definition,
            "runDetails": {"builder": {"id": "https://slipway.dev/builder"}},
        },
    }
    files = {}
    for number, (name, content) in enumerate(contents.items()):
        files[name] = folder / f"predicate-{number}.json"
        files[name].write_text(json.dumps(content))
    return files


def _signed_images(address: str, folder: Path) -> list[str]:
    """References of images with complete evidence, written by cosign."""
    images = [Repository(address, f"shop/service{number}").image() for number in range(IMAGES)]
    files = _predicates(folder)
    key = f"--key={folder / 'key'}.key"

    def write(manifest: str, types: Sequence[str], sign: bool) -> None:
        # One after the other: the tag that lists what refers to a manifest is written without a lock.
        if sign:
            _run(["cosign", "sign", key, *NO_LOG, manifest])
        for name in types:
            _run(["cosign", "attest", key, *NO_LOG, "--type", name, "--predicate", str(files[name]), manifest])

    report, sbom, provenance = files
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        tasks = [pool.submit(write, index, [provenance], True) for index, *_ in images]
        tasks += [pool.submit(write, part, [report, sbom], False) for _, *parts in images for part in parts]
        for task in tasks:
            task.result()
    return [index for index, *_ in images]


def _measure(folder: Path) -> tuple[Series, Series]:
    _run(["cosign", "generate-key-pair", "--output-key-prefix", str(folder / "key")])
    pack, cosign = Series(), Series()
    with _registry(folder) as address:
        listed = folder / "references"
        listed.write_text("\n".join(_signed_images(address, folder)) + "\n")
        verify = ["cosign", "verify", f"--key={folder / 'key'}.pub", "--insecure-ignore-tlog", "--allow-http-registry"]
        for _ in range(ROUNDS):
            by_pack = [sys.executable, "-c", _VERIFY, f"{folder / 'key'}.pub", str(listed)]
            by_cosign = ["xargs", "-P2", "-n1", "-a", str(listed), *verify]
            for series, command in ((pack, by_pack), (cosign, by_cosign)):
                series.measure(command, PROJECT / "policies", _environment())
    return pack, cosign


def measure() -> tuple[list[str], list[str]]:
    """Measure; the rows of the report and the figures behind them."""
    for tool in ("cosign", "docker-registry"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not on PATH: run this in `make shell`")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        pack, cosign = _measure(Path(folder))
    rows = [
        row(f"evidence of {IMAGES} images / xargs -P2 cosign verify", pack.median / cosign.median, MOST, "x"),
        row("memory of the process that verified them", int(pack.said), MOST_MEMORY, "MB"),
    ]
    return rows, [f"evidence: {pack}, cosign verify: {cosign}"]
