"""What one run of Pulumi has verified already: its preview and its update ask the same, seconds apart.

An answer is only taken by the very process that the first question came from, and not after some minutes: whoever
confirms a preview late gets everything verified again. Whatever is odd about the folder or a file means that the answer
is found anew, never that a step fails.
"""

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from steps.folder import is_ours_alone

FOLDER = Path(".slipway/run/verified")
MOST_SECONDS = 300.0
"""How old an answer may be."""
_ENGINE = "pulumi"
_OURS = re.compile(r"[0-9a-f]{64}\.(json|\d+)")


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
    if run is None or not _is_private(FOLDER):
        return ask()
    asked = json.dumps({"run": run, "question": question}, sort_keys=True)
    path = FOLDER / f"{hashlib.sha256(asked.encode()).hexdigest()}.json"
    known = _read(path, asked)
    if known is not None:
        return known
    answer = ask()
    if is_good(answer):
        # An answer that cannot be kept, as on a full disk, is as good as one that is.
        with contextlib.suppress(OSError):
            _keep(path, asked, answer)
            _remove_old()
    return answer


def _run() -> str | None:
    """The `pulumi` that this process works for, by its id and the moment of its start; None where there is none."""
    process = os.getppid()
    while process > 1:
        try:
            # The name is in parentheses, and may hold some itself.
            head, _, rest = Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")
        except OSError:
            return None
        fields = rest.split()
        if head.partition("(")[2] == _ENGINE:
            return f"{process}:{fields[19]}"
        process = int(fields[1])
    return None


def _is_private(folder: Path) -> bool:
    """Whether this is a folder of ours that nobody else may write to; it is made where it is missing."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return is_ours_alone(folder.lstat())
    except OSError:
        return False


def _read(path: Path, asked: str) -> dict[str, Any] | None:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            kept = json.load(file)
        if found.st_uid != os.geteuid() or not _is_recent(found) or kept["asked"] != asked:
            return None
        answer: dict[str, Any] = kept["answer"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return answer


def _is_recent(found: os.stat_result) -> bool:
    return 0 <= time.time() - found.st_mtime <= MOST_SECONDS


def _keep(path: Path, asked: str, answer: Mapping[str, Any]) -> None:
    partial = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        json.dump({"asked": asked, "answer": answer}, file)
    partial.rename(path)


def _remove_old() -> None:
    for path in FOLDER.iterdir():
        # Another step may have renamed or removed it meanwhile.
        with contextlib.suppress(OSError):
            if _OURS.fullmatch(path.name) and not _is_recent(path.lstat()):
                path.unlink()
