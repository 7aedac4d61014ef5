"""`python -m benchmarks.evidence`: the evidence of 50 images, verified by the pack and by `xargs -P2 cosign verify`.

Both are measured turn by turn as whole processes, on a docker-registry of their own. The pack verifies all that its
rules ask for: the signature, the provenance, and each platform's report and SBOM, of the size that a usual image has.
cosign is asked for the signature alone. What counts is the ratio.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.policy.attested import TRUSTED, Image, finding, report, sbom
from tests.policy_e2e.services import DockerRegistry

PROJECT = Path(__file__).resolve().parent.parent
IMAGES, ROUNDS = 50, 3
MOST, MOST_MEMORY = 1.2, 150
FINDINGS, COMPONENTS = 100, 200
_VERIFY = """
import resource, sys
from types import SimpleNamespace
from verification.evidence import begin, evidence_of
from verification.references import Reference

trust = SimpleNamespace(public_keys=(open(sys.argv[1]).read(),), identities=(), registries={}, timeout=30.0)
references = [Reference.parse(line.strip()) for line in open(sys.argv[2])]
for reference in references:
    begin(reference, trust)
incomplete = [it for it in references if not evidence_of(it, trust).is_complete]
if incomplete:
    sys.exit(f"not complete: {[evidence_of(it, trust) for it in incomplete][:1]}")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
"""What reads and verifies evidence, without the policy SDK around it, whose imports every preview with a pack pays."""


@dataclass
class Series:
    """Wall times of one command, in seconds."""

    times: list[float] = field(default_factory=list)
    said: str = ""

    @property
    def median(self) -> float:
        """The middle of the times."""
        return statistics.median(self.times)

    def measure(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Run the command once; its output is shown only when it fails."""
        start = time.monotonic()
        ended = subprocess.run(
            command, cwd=PROJECT / "policies", env=environment, capture_output=True, text=True, check=False
        )
        self.times.append(time.monotonic() - start)
        self.said = ended.stdout
        if ended.returncode:
            sys.exit(f"{' '.join(command[:4])} failed:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")

    def __str__(self) -> str:
        return f"{self.median:.2f} s ({min(self.times):.2f} to {max(self.times):.2f}, {len(self.times)} runs)"


def _images(registry: DockerRegistry) -> list[str]:
    described = {"Title": "a vulnerability", "Description": "what it does, in some words. " * 20}
    findings = [finding(f"CVE-2026-{number}", "MEDIUM", **described) for number in range(FINDINGS)]
    components = [{"type": "library", "name": f"package-{number}", "version": "1.0"} for number in range(COMPONENTS)]
    image = Image(reports=[report(*findings)], sboms=[{**sbom(), "components": components}])
    references = []
    for number in range(IMAGES):
        image.salt = str(number)
        references.append(image.push(registry, f"shop/service{number}"))
    return references


def main() -> int:
    """Measure and print; 1 where a bound was missed."""
    for tool in ("cosign", "docker-registry"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not on PATH: run this in `make shell`")
    with tempfile.TemporaryDirectory(prefix="slipway-bench-") as folder:
        registry = DockerRegistry(Path(folder, "registry"))
        registry.start()
        try:
            pack, cosign = _measure(registry, Path(folder))
        finally:
            registry.stop()
    ratio, memory = pack.median / cosign.median, int(pack.said)
    print("| measure | seen | at most | |\n| --- | --- | --- | --- |")
    print(_row(f"evidence of {IMAGES} images / xargs -P2 cosign verify", ratio, MOST, "x"))
    print(_row("memory of the process that verified them", memory, MOST_MEMORY, "MB"))
    print(f"\nevidence: {pack}\ncosign verify: {cosign}")
    return 0 if ratio <= MOST and memory <= MOST_MEMORY else 1


def _measure(registry: DockerRegistry, folder: Path) -> tuple[Series, Series]:
    key, listed = folder / "key.pub", folder / "references"
    key.write_text(TRUSTED.public)
    listed.write_text("\n".join(_images(registry)) + "\n")
    verify = ["cosign", "verify", "--key", str(key), "--insecure-ignore-tlog", "--allow-http-registry"]
    pack, cosign = Series(), Series()
    for _ in range(ROUNDS):
        pack.measure([sys.executable, "-c", _VERIFY, str(key), str(listed)])
        cosign.measure(["xargs", "-P2", "-n1", "-a", str(listed), *verify])
    return pack, cosign


def _row(what: str, value: float, most: float, unit: str) -> str:
    return f"| {what} | {value:.2f} {unit} | {most:.2f} {unit} | {'met' if value <= most else 'missed'} |"


if __name__ == "__main__":
    sys.exit(main())
