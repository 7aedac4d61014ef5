"""The workload in the guide is one that the pack lets through."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from rules import artifact, isolation, limits, network, pods, privileges, secrets
from tests.policy.kubernetes_pods import violations

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "handing-on.md"
IMAGE = f"registry.example/driftwood/web@sha256:{'1f' * 32}"
FAMILIES = (isolation, limits, network, pods, privileges, secrets)
RULES = (artifact.RULES[0], *(rule for family in FAMILIES for rule in family.RULES))
"""Those that need no registry and no settings; the first is that an image is pinned by its digest."""


def test_the_deployment_of_the_guide_breaks_no_rule() -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    program = yaml.safe_load(text.replace('${shipped.outputs["web"].release.reference}', IMAGE))
    workload = program["resources"]["web"]
    assert violations(RULES, workload["type"], workload["properties"]) == []
    workload["properties"]["spec"]["template"]["spec"]["containers"][0]["image"] = (
        "registry.example/driftwood/web:1.4.0"
    )
    assert violations(RULES, workload["type"], workload["properties"])
