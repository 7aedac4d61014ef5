"""same.py APPROVED NOW: whether two preview.json ship the same digests with the same settings; exit code 1 if not.

Where they do, it prints what ships as JSON, digest by service.
"""

import json
import sys
from pathlib import Path
from typing import Any


def shipped(path: Path) -> dict[str, Any]:
    """What a report would ship, by service: digest, version, changed settings."""
    report = json.loads(path.read_text(encoding="utf-8"))
    if report["schema_version"] != 1:
        raise ValueError(f"{path}: a report of schema version {report['schema_version']}, not 1")
    return {
        it["name"]: {"digest": (it["after"] or {}).get("digest"), "state": it["state"], "settings": it["settings"]}
        for it in report["services"]
        if it["ships"]
    } | {"": [report["project"], report["stack"]]}


def differences(approved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is not as it was approved, in words."""
    told = []
    for name in sorted({*approved, *now}):
        then, today = approved.get(name), now.get(name)
        if then != today:
            told.append(f"{name or 'stack'}: approved {json.dumps(then)}, now {json.dumps(today)}")
        elif name and today and today["state"] != "removed" and not today["digest"]:
            told.append(f"{name}: its digest is not known, so that nobody can have approved it")
    return told


def main(approved: str, now: str) -> int:
    """Compare, and say what differs."""
    ships = shipped(Path(now))
    found = differences(shipped(Path(approved)), ships)
    for line in found:
        print(f"error: {line}", file=sys.stderr)
    if found:
        print(
            "What would ship is not what was approved; nothing was changed. Preview and approve again.", file=sys.stderr
        )
        return 1
    print(json.dumps({name: it["digest"] for name, it in ships.items() if name and it["digest"]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
