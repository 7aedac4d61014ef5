"""What confines a container beside its capabilities, as the engine reads it: seccomp, AppArmor, SELinux."""

import json
from collections.abc import Iterable


def seccomp(profile: str) -> str:
    """A seccomp profile: the engine takes a name or the JSON text itself.

    One that allows every system call but those it lists confines nothing that is not known to be bad; of one without
    rules, or that is no object, the engine makes no filter.
    """
    if profile.lower() in ("", "builtin", "default"):
        return "default"
    if profile.lower() == "unconfined":
        return "unconfined"
    try:
        written = json.loads(profile)
    except RecursionError:  # nobody nests that deep by accident
        return "unconfined"
    except ValueError:
        return "localhost:profile"
    # The engine's reader of JSON tells no case of keys apart.
    said = {key.lower(): value for key, value in written.items()} if isinstance(written, dict) else {}
    action = str(said.get("defaultaction") or "").upper()
    if action in ("", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"):
        return "unconfined"
    return "localhost:profile"


def apparmor(profile: str) -> str:
    """An AppArmor profile."""
    if profile.lower() in ("", "docker-default", "default"):
        return "default"
    return "unconfined" if profile.lower() == "unconfined" else f"localhost:{profile}"


def selinux(key: str, value: str) -> str | None:
    """What a security option says about SELinux: a type, `unconfined`, or nothing."""
    if key == "disable" and not value:
        return "unconfined"
    if key != "label":
        return None
    if value.lower() == "disable":
        return "unconfined"
    kind, _, name = value.partition(":")
    return name.strip() or None if kind.strip().lower() == "type" else None


def weakest(profiles: Iterable[str]) -> str | None:
    """Of several profiles the one that confines least: the engine takes the last, but they are a set without order."""
    found: str | None = None
    for profile in profiles:
        if profile == "unconfined":
            return profile
        found = profile if found in (None, "default") else found
    return found
