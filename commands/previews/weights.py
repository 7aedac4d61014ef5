"""What a changed setting does to a workload's security: weakens it, loosens a bound, tightens, or nothing.

Each rule sees the value of a setting before and after as text, None where it is not set. The numbers are those of the
CIS Docker Benchmark 1.6, section 5.
"""

import ipaddress
from collections.abc import Callable

from commands.previews.report import Weight

Weighed = tuple[Weight, str]
"""The weight, and what it comes from."""
Rule = Callable[[str, str | None, str | None], Weighed]
"""Weighs a change: the setting's last name, its value before, its value after."""

NEUTRAL: Weighed = ("neutral", "")
_TEMPORARY_OPTIONS = ("noexec", "nosuid", "nodev")
_HOST_PATHS_OF_POWER = ("/var/run/docker.sock", "/run/docker.sock", "/run/containerd", "/etc", "/proc", "/sys", "/dev")


def weigh(path: tuple[str, ...], before: str | None, after: str | None) -> Weighed:
    """What the change of one setting does.

    Args:
        path: the setting's names, from the outermost.
        before: its value of today; None where it is not set.
        after: its value that would be; None where it is not set any more.
    """
    rule = _RULES.get(".".join(path)) or _RULES.get(".".join(path[:-1])) or _RULES.get(path[0])
    return rule(path[-1], before, after) if rule and before != after else NEUTRAL


def _read_only(_name: str, before: str | None, after: str | None) -> Weighed:
    if after == "false":
        return "weakens", "the root file system becomes writable (CIS 5.13)"
    return ("tightens", "") if before == "false" else NEUTRAL


def _capability(name: str, before: str | None, after: str | None) -> Weighed:
    if before is None:
        return "weakens", f"the capability {name} is added (CIS 5.4)"
    return "tightens", ""


def _dropped(name: str, before: str | None, after: str | None) -> Weighed:
    if after is None:
        return "weakens", f"{name} is not dropped any more (CIS 5.4)"
    return "tightens", ""


def _ports(_name: str, before: str | None, after: str | None) -> Weighed:
    old, new = _reach(before), _reach(after)
    if new > old:
        told = {
            3: "listens on every address of the host (CIS 5.14)",
            2: "listens on an address that others can reach (CIS 5.14)",
            1: "one more port is open on the host itself",
        }
        return ("loosens" if new == 1 else "weakens"), told[new]
    return ("tightens", "") if new < old else NEUTRAL


def _reach(listens: str | None) -> int:
    """How far a port is open: 0 not at all, 1 on loopback, 2 on a named address, 3 on every address."""
    return max((_reach_of(one) for one in (listens or "").split(", ") if one), default=0)


def _reach_of(listens: str) -> int:
    try:
        address = ipaddress.ip_address(listens.rpartition(":")[0].strip("[]") or "0.0.0.0")
    except ValueError:
        return 3  # nothing that can be judged: as the worst
    address = getattr(address, "ipv4_mapped", None) or address
    return 1 if address.is_loopback else 3 if address.is_unspecified else 2


def _temporary(name: str, before: str | None, after: str | None) -> Weighed:
    lost = [it for it in _kept(before) if it not in _kept(after)]
    if after is None:
        return NEUTRAL
    if lost:
        return "weakens", f"the tmpfs at {name} loses {', '.join(lost)}"
    gained = before is not None and len(_kept(after)) > len(_kept(before))
    return ("tightens", "") if gained else NEUTRAL


def _kept(options: str | None) -> list[str]:
    """Which of noexec, nosuid, nodev hold; a path that is no tmpfs yet has them all to lose."""
    if options is None:
        return list(_TEMPORARY_OPTIONS)
    words = options.split(",")
    held = [it for it in _TEMPORARY_OPTIONS if it.removeprefix("no") not in words]
    return [it for it in held if it != "noexec" or it in words]  # Docker's default has nosuid and nodev


def _bound(what: str) -> Rule:
    def rule(_name: str, before: str | None, after: str | None) -> Weighed:
        old, new = _number(before), _number(after)
        if old is None or new is None:
            return ("loosens", f"{what} is not bounded") if after is None else NEUTRAL
        return ("loosens", f"{what} may grow") if new > old else ("tightens", "")

    return rule


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None


def _switched_on(what: str) -> Rule:
    def rule(_name: str, before: str | None, after: str | None) -> Weighed:
        if after == "true":
            return "weakens", what
        return ("tightens", "") if before == "true" else NEUTRAL

    return rule


def _shared(what: str) -> Rule:
    def is_shared(mode: str | None) -> bool:
        return mode == "host" or bool(mode and mode.startswith("container:"))

    def rule(_name: str, before: str | None, after: str | None) -> Weighed:
        if is_shared(after) and not is_shared(before):
            return "weakens", f"shares the {what} of {'the host' if after == 'host' else 'another container'}"
        return ("tightens", "") if is_shared(before) and not is_shared(after) else NEUTRAL

    return rule


def _security_option(name: str, before: str | None, after: str | None) -> Weighed:
    weak = name.endswith(("unconfined", "label=disable", "label:disable", "no-new-privileges:false"))
    if before is None:
        return ("weakens", f"runs with {name} (CIS 5.2, 5.22)") if weak else ("tightens", "")
    return ("tightens", "") if weak else ("weakens", f"runs without {name} (CIS 5.26)")


def _user(_name: str, before: str | None, after: str | None) -> Weighed:
    def is_root(user: str | None) -> bool:
        return user is not None and user.partition(":")[0] in ("root", "0")

    if is_root(after) and not is_root(before):
        return "weakens", "runs as root"
    return ("tightens", "") if is_root(before) and not is_root(after) else NEUTRAL


def _device(name: str, before: str | None, after: str | None) -> Weighed:
    return ("weakens", f"gets the device {name} of the host (CIS 5.18)") if before is None else ("tightens", "")


def _mount(_name: str, before: str | None, after: str | None) -> Weighed:
    if after is None:
        return "tightens", ""
    source, _, mode = after.rpartition(" ")
    if mode != "read-only" and (before is None or before.endswith("read-only")):
        return "weakens", f"may write to {source} of the host (CIS 5.6)"
    if any(_holds(source, path) or _holds(path, source) for path in _HOST_PATHS_OF_POWER):
        return "weakens", f"sees {source} of the host (CIS 5.6, 5.32)"
    return ("loosens", f"sees {source} of the host") if before is None else NEUTRAL


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _slower(what: str) -> Rule:
    def rule(_name: str, before: str | None, after: str | None) -> Weighed:
        old, new = _number(before), _number(after)
        return ("loosens", what) if old is not None and new is not None and new > old else NEUTRAL

    return rule


def _named(when_added: str, when_gone: str) -> Rule:
    """Weighs what comes to a list or leaves it; the one of both that weakens has words."""

    def rule(name: str, before: str | None, after: str | None) -> Weighed:
        said = when_added if before is None else when_gone if after is None else ""
        if said:
            return "weakens", said.format(name)
        return ("tightens", "") if before is None or after is None else NEUTRAL

    return rule


def _becomes(value: str, what: str) -> Rule:
    def rule(_name: str, before: str | None, after: str | None) -> Weighed:
        if after == value:
            return "weakens", what
        return ("tightens", "") if before == value else NEUTRAL

    return rule


def _soak(_name: str, before: str | None, after: str | None) -> Weighed:
    old, new = _number(before) or 0, _number(after) or 0
    return ("weakens", "a release has to hold for a shorter time") if new < old else ("tightens", "")


def _key(_name: str, before: str | None, after: str | None) -> Weighed:
    return ("weakens", "another key is believed") if before is not None and after is not None else NEUTRAL


_RULES: dict[str, Rule] = {
    "read_only": _read_only,
    "capabilities": _capability,
    "ports": _ports,
    "temporary": _temporary,
    "memory": _bound("its memory"),
    "cpus": _bound("its share of the processors"),
    "pids": _bound("its number of processes"),
    "open_files": _bound("its number of open files"),
    "health.interval": _slower("a failure is seen later"),
    "health.timeout": _slower("a failure is seen later"),
    "health.retries": _slower("a failure is seen later"),
    "health.start_period": _slower("a failure is seen later"),
    "container.privileged": _switched_on("it is privileged: all of the host's devices and capabilities (CIS 5.5)"),
    "container.dropped": _dropped,
    "container.security": _security_option,
    "container.network": _shared("network"),
    "container.pid": _shared("processes"),
    "container.ipc": _shared("memory"),
    "container.userns": _shared("user namespace"),
    "container.user": _user,
    "container.devices": _device,
    "container.mounts": _mount,
    "scan.fail_on": _named("", "findings of severity {} stop nothing any more"),
    "scan.ignore": _named("{} is accepted for a time", ""),
    "scan.unfixed": _becomes("report", "findings without a fix stop nothing any more"),
    "scan.database_age": _bound("the age of the vulnerability database"),
    "promote.stacks": _named("", "{} need not prove it any more"),
    "promote.requires": _becomes("any", "one stack is enough to prove it"),
    "promote.soak": _soak,
    "promote.report_age": _bound("the age of a report"),
    "promote.held": _becomes("false", "nobody has to look again whether it held"),
    "promote.public_key": _key,
    "promote.public_keys": _key,
    "promote.approval.counts": _becomes("instead", "an approval stands in for the proofs"),
    "promote.approval.approvers": _named("{} may approve", "{} need not approve any more"),
}
