"""What the pack's rules take for the resources of a real stack; a part of `make bench`.

Each rule that reads no evidence judges each resource of the sample's stack, in the pack's own virtual environment; the
figure is the slowest pair of the two. A rule's time is the quickest of some, in seconds of the processor, so that what
it once asks of a registry, and then knows, is not counted.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.measuring import row, run

PACK = Path(__file__).resolve().parent.parent / "policies"
MOST_MILLISECONDS = 2.0
_JUDGE = """
import json, sys, time
from judging.configuration import keep, read_settings
from judging.rule import NotApplicable, Subject, read_options
from pack import RULES

asked = json.load(sys.stdin)
settings, mistakes = read_settings(asked["settings"], frozenset())
assert not mistakes, mistakes
keep(settings)


def seconds(rule, resource):
    options = read_options(rule.name, rule.options, {}).values
    name = resource["urn"].rpartition("::")[2]
    began = time.process_time()
    try:
        list(rule.check(Subject(resource["type"], name, resource["urn"], resource.get("inputs", {}), options)))
    except NotApplicable:
        pass
    return time.process_time() - began


alone = [rule for rule in RULES if rule.family not in ("evidence", "provenance")]
taken = [
    (min(seconds(rule, resource) for _ in range(5)), rule.name, resource["type"])
    for rule in alone
    for resource in asked["resources"]
]
slowest = max(taken)
print(json.dumps({"count": len(alone), "milliseconds": slowest[0] * 1000, "rule": slowest[1], "type": slowest[2]}))
"""


def measure(resources: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The rows of the report, and what they were made of.

    Args:
        resources: those of a stack's exported state.
        settings: what `pack-is-configured` is told.
    """
    asked = json.dumps({"resources": list(resources), "settings": dict(settings)})
    command = [str(PACK / ".venv" / "bin" / "python"), "-c", _JUDGE]
    found = json.loads(run(command, PACK, os.environ, asked))
    figures = f"{found['count']} rules, {len(resources)} resources; slowest: {found['rule']} for {found['type']}"
    return [row("slowest rule / resource", found["milliseconds"], MOST_MILLISECONDS, "ms")], [f"rules: {figures}"]
