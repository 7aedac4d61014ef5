"""What one run of Pulumi has verified already: its preview and its update ask the same of what cannot change meanwhile.

An answer is only taken by the very process that the first question came from, and not after some minutes: whoever
confirms a preview late gets everything verified again.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(".slipway/run/verified")
MOST_SECONDS = 300.0
"""How old an answer may be."""
_ENGINE = "pulumi"


def once_a_run(
    question: Mapping[str, Any], ask: Callable[[], dict[str, Any]], is_good: Callable[[Mapping[str, Any]], bool]
) -> dict[str, Any]:
    """Return the answer that this run of Pulumi got before, or ask, and keep the answer for the rest of the run.

    Args:
        question: everything that the answer depends on; no secrets.
        ask: finds the answer.
        is_good: tells whether an answer may be kept; one that may not is asked for again.
    """
    run = _run()
    if run is None:
        return ask()
    text = json.dumps({"run": run, "question": question}, sort_keys=True)
    path = FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    known = _read(path)
    if known is not None:
        return known
    answer = ask()
    if is_good(answer):
        _keep(path, answer)
    return answer


def _run() -> str | None:
    """The `pulumi` that this process works for, by its id and the moment of its start; None where there is none."""
    process = os.getppid()
    while process > 1:
        try:
            # The name is in parentheses, and may hold some itself.
            head, _, rest = Path(f"/proc/{process}/stat").read_text().rpartition(")")
        except OSError:
            return None
        fields = rest.split()
        if head.partition("(")[2] == _ENGINE:
            return f"{process}:{fields[19]}"
        process = int(fields[1])
    return None


def _read(path: Path) -> dict[str, Any] | None:
    try:
        status = path.stat()
        if status.st_uid != os.getuid() or time.time() - status.st_mtime > MOST_SECONDS:
            return None
        answer: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return answer


def _keep(path: Path, answer: Mapping[str, Any]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in path.parent.iterdir():
        if time.time() - old.stat().st_mtime > MOST_SECONDS:
            old.unlink(missing_ok=True)
    partial = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        json.dump(answer, file)
    partial.rename(path)
