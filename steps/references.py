"""What stacks hold on to: every digest in their states, and every digest and version in their settings.

What they ran before is theirs to go back to as long as age and count leave it there.

Rather too much than too little: a digest counts wherever it stands, and whichever resource has it. Where one stack
cannot be read there is no answer at all.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from components.artifact import Digest
from components.buildkit import builder_endpoint, histories, moment
from steps.cleanup import References
from steps.proofs import moment as parsed_moment
from steps.stacks import Stack, configuration, exported, history
from steps.tool import StepError

_DIGEST = re.compile(r"(?<![0-9a-f])sha256[:-]([0-9a-f]{64})(?![0-9a-f])")
_REFERENCE = re.compile(r"@sha256:([0-9a-f]{64})(?![0-9a-f])")
_VERSION = re.compile(r"(?<![0-9A-Za-z.])[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z.-]*[0-9A-Za-z])?(?![0-9A-Za-z.])")


def references(stacks: Sequence[Stack], project: str) -> References:
    """What these stacks hold on to.

    Args:
        stacks: every stack that may run something from the registry.
        project: the project in this folder; the settings of other projects are not here to be read.

    Raises:
        StepError: one of them cannot be read; with its name.
    """
    with ThreadPoolExecutor(max_workers=4) as pool:
        known = list(pool.map(lambda stack: _texts(stack, stack.project == project), stacks))
    states, settings = [state for state, _ in known], [text for _, text in known]
    named = {Digest(f"sha256:{found}") for text in (*states, *settings) for found in _REFERENCE.findall(text)}
    return References(digests_in(*states, *settings), frozenset(_VERSION.findall("\n".join(settings))), named)


def _texts(stack: Stack, ours: bool) -> tuple[str, str]:
    """The stack's state, and its settings of today and of the last update."""
    try:
        state = exported(stack)
        last = [it.config for it in history(stack)[:1]]  # read whole: half a history says nothing for sure
        today = configuration(stack) if ours else {}
    except (StepError, LookupError, ValueError, TypeError) as error:
        raise StepError(f"stack {stack} cannot be read, so nothing is known to be unused: {error}") from None
    return json.dumps(state), json.dumps([last, today])


def digests_in(*texts: str) -> frozenset[Digest]:
    """Every digest that stands in a text."""
    return frozenset(Digest(f"sha256:{found}") for text in texts for found in _DIGEST.findall(text))


def built(builders: Iterable[str]) -> dict[Digest, datetime]:
    """When each artifact was last built, as far as these buildx builders remember and answer."""
    found: dict[Digest, datetime] = {}
    for endpoint in {it for it in map(builder_endpoint, builders) if it}:
        try:
            records = histories(endpoint)
        except (OSError, subprocess.SubprocessError, ValueError, LookupError):
            continue
        for record in records:
            for digest in _made(record):
                found[digest] = max(found.get(digest, _time(record)), _time(record))
    return found


def _made(record: Mapping[str, Any]) -> Iterator[Digest]:
    result = record.get("Result") or {}
    made = [result.get("ResultDeprecated") or {}, *(result.get("Results") or {}).values()]
    yield from (Digest(it["digest"]) for it in made if it.get("digest"))


def _time(record: Mapping[str, Any]) -> datetime:
    return parsed_moment(moment(record.get("CompletedAt") or record["CreatedAt"]))
