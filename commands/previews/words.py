"""The report in a few words a cell: what the table of a terminal and that of a comment share."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from commands.previews.report import SEVERITIES, WEIGHTS, Artifact, Layers, Report, Service, VulnerabilityChange

NOT_KNOWN = "not known"
NONE = "none"
_SHORT = 12
_NOT_PRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of text: what is shown must be what is there."""
_UNITS = ("B", "kB", "MB", "GB", "TB")
_OPERATIONS = {"create": "+", "update": "~", "replace": "±", "delete": "-", "import": "="}


def printable(text: str) -> str:
    """Text of others without what a terminal or a browser would obey; lines stay lines."""
    return _NOT_PRINTED.sub("", text)


def headline(report: Report) -> str:
    """The one sentence that says whether something would ship."""
    if not report.passed:
        stops = sum(problem.stops for problem in report.problems)
        return f"`up` would stop: {counted(stops, 'problem') if stops else 'the preview did not come to its end'}"
    stopped = [it for it in report.services if it.stopped_by]
    if stopped:
        return f"`up` would stop at the scan of {', '.join(it.name for it in stopped)}"
    touched = [it.state == "removed" for it in report.services if it.ships]
    told = {"would ship": touched.count(False), "would be removed": touched.count(True)}
    if touched:
        return ", ".join(f"{counted(number, 'service')} {what}" for what, number in told.items() if number)
    if report.other_resources:
        return f"nothing would ship; {counted(len(report.other_resources), 'resource')} would change"
    return "nothing would change"


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 service`, `2 vulnerabilities`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def size(number: int) -> str:
    """Bytes for a person, in powers of 1000 as registries count."""
    value, unit = float(abs(number)), 0
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    text = f"{value:.0f}" if unit == 0 or value >= 99.5 else f"{value:.1f}"
    return f"{'-' if number < 0 else ''}{text} {_UNITS[unit]}"


def later_words(report: Report) -> str:
    """How many policies can only be judged at `up`; empty where there are none."""
    policies = {it.policy for it in report.problems if it.kind == "later"}
    if not policies:
        return ""
    verb = "reads" if len(policies) == 1 else "read"
    return f"{counted(len(policies), 'policy')} {verb} what only `up` will know, and will be judged there"


def changes(report: Report) -> str:
    """How many resources each operation concerns, in one line."""
    return ", ".join(f"{count} {operation}" for operation, count in report.changes.items())


def short(digest: str | None) -> str:
    """The first digits of a digest."""
    return digest.removeprefix("sha256:")[:_SHORT] if digest else "not built yet"


def version_words(artifact: Artifact | None) -> str:
    """What a release is called."""
    if artifact is None:
        return "nothing"
    return artifact.tag or artifact.version or "no version"


def release_words(service: Service) -> tuple[str, str]:
    """From and to: the names, the digests."""
    before, after = service.before, service.after
    if before and after and before.digest == after.digest and after.digest:
        return version_words(after), short(after.digest)
    names = f"{version_words(before)} → {version_words(after)}"
    digests = [short(it.digest) if it else "nothing" for it in (before, after)]
    return names, " → ".join(digests)


def commits_words(service: Service) -> str:
    """How many commits lie between."""
    commits = service.commits
    if commits is None:
        return _absent(service)
    told = [str(len(commits.added))] if commits.added else []
    told += [f"{len(commits.taken_back)} taken back"] if commits.taken_back else []
    told += ["and changes in no commit"] if commits.uncommitted else []
    return ", ".join(told) or "none"


def pull_words(service: Service) -> list[str]:
    """What a host would fetch, a line a platform."""
    if service.layers is None:
        return [_absent(service)]
    return [f"{it.platform}: {_pull(it)}" for it in service.layers] or [NONE]


def _pull(layers: Layers) -> str:
    if layers.state == "removed":
        return "not there any more"
    if not layers.pull_layers:
        return "nothing"
    return f"{layers.pull_layers} of {counted(layers.total_layers, 'layer')}, {size(layers.pull_bytes)}"


def packages_words(service: Service) -> str:
    """How many packages change, and how."""
    if service.packages is None:
        return _absent(service)
    kinds = Counter(it.change for it in service.packages)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) or NONE


def vulnerabilities_words(service: Service) -> str:
    """How many vulnerabilities come and go."""
    found = service.vulnerabilities
    if found is None:
        return _absent(service)
    told = [f"{len(found.introduced)} introduced ({severities(found.introduced)})"] if found.introduced else []
    told += [f"{len(found.newly_known)} newly known ({severities(found.newly_known)})"] if found.newly_known else []
    told += [f"{len(found.fixed)} fixed"] if found.fixed else []
    return ", ".join(told) or NONE


def severities(findings: Sequence[VulnerabilityChange]) -> str:
    """How many findings each severity has, the worst first."""
    counts = Counter(it.severity for it in findings)
    return ", ".join(f"{counts[it]} {it}" for it in SEVERITIES if counts[it])


def settings_words(service: Service) -> str:
    """How many settings change, the weakening ones first."""
    counts = Counter(it.weight for it in service.settings)
    names = {"weakens": "weaken", "loosens": "loosen", "neutral": "neutral", "tightens": "tighten"}
    return ", ".join(f"{counts[it]} {names[it]}" for it in WEIGHTS if counts[it]) or NONE


def _absent(service: Service) -> str:
    """Why a cell is empty: nothing was there to compare, or nobody knows."""
    return NONE if service.state in ("unchanged", "removed") or not service.unknown else NOT_KNOWN


def operation_words(operation: str) -> str:
    """An operation with Pulumi's own sign."""
    return f"{_OPERATIONS.get(operation, '·')} {operation}"


def versions(some: Iterable[str]) -> str:
    """Versions of a package."""
    return ", ".join(some) or NONE
