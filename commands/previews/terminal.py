"""The preview on a terminal: what happens while it runs, and the report as a table when it is done."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.markup import escape as without_markup
from rich.table import Table

from commands.previews.change import Resource
from commands.previews.report import Problem, Report, Service, SettingChange, VulnerabilityChange
from commands.previews.words import (
    changes,
    commits_words,
    headline,
    later_words,
    operation_words,
    packages_words,
    printable,
    pull_words,
    release_words,
    settings_words,
    versions,
    vulnerabilities_words,
)

_MOST = 20
"""Entries of a list on a terminal; the files have all of them."""
_WIDTHS = {"release": 14, "to pull": 14}
"""Least widths of columns; the others are as wide as their titles."""
_STYLES = {"weakens": "bold red", "loosens": "yellow", "neutral": "", "tightens": "green"}
_SEVERITIES = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow"}
_PROBLEMS = {"error": "bold red", "policy": "bold red", "advice": "cyan", "warning": "yellow", "later": ""}

Entry = TypeVar("Entry")


def escape(text: str) -> str:
    """Text of others for a terminal: neither rich's markup nor the terminal's own commands work in it."""
    return without_markup(printable(text))


class Progress:
    """Says what a preview sees, as it comes: each resource that would change, each problem."""

    def __init__(self, console: Console, stack: str) -> None:
        """Say so on this console, which is that of standard error."""
        self.console = console
        self.stack = stack
        self.looked_at: set[str] = set()
        self.said: set[str] = set()
        self.status = console.status(f"previewing {escape(stack)} …")

    def __enter__(self) -> "Progress":
        """Begin."""
        if not self.console.is_terminal:
            self.console.print(f"previewing {escape(self.stack)} …")
        self.status.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self.status.stop()

    def doing(self, what: str) -> None:
        """Say what is done now."""
        self.status.update(escape(what))
        if not self.console.is_terminal:
            self.console.print(escape(what))

    def show(self, seen: Resource | Problem) -> None:
        """Say what was seen."""
        if isinstance(seen, Problem):
            if seen.kind == "later":  # often every rule for every resource: counted at the end
                return
            about = " ".join(it for it in (seen.policy, seen.resource) if it)
            style = _PROBLEMS[seen.kind]
            self.console.print(f"[{style}]{seen.kind}[/] {escape(about)}: {escape(seen.message)}", soft_wrap=True)
            return
        self.looked_at.add(seen.urn)
        self.status.update(f"previewing {escape(self.stack)} … {len(self.looked_at)} resources")
        if seen.changes and seen.urn not in self.said and not seen.type.startswith(("slipway:", "pulumi:")):
            self.said.add(seen.urn)
            self.console.print(f" {escape(operation_words(seen.operation)):12} {escape(seen.name)}", soft_wrap=True)


def show_report(console: Console, report: Report) -> None:
    """Print the report: the table, then what a person has to look at."""
    shown = [it for it in report.services if it.state != "unchanged"]
    if shown:
        console.print(_table(shown))
    for service in shown:
        _show_service(console, service)
    for problem in (it for it in report.problems if it.stops):  # the rest was said as it came
        about = " ".join(it for it in (problem.policy, problem.resource) if it)
        if about:
            console.print(f"[{_PROBLEMS[problem.kind]}]{problem.kind}[/] {escape(about)}", soft_wrap=True)
        console.print(escape(problem.message), soft_wrap=True)
    style = "bold" if report.passed and not any(it.stopped_by for it in report.services) else "bold red"
    console.print(f"[{style}]{escape(report.stack)}: {escape(headline(report))}[/]", soft_wrap=True)
    if later := later_words(report):
        console.print(escape(later), soft_wrap=True)
    if report.changes:
        console.print(escape(f"resources: {changes(report)}"), soft_wrap=True)


def _table(services: Sequence[Service]) -> Table:
    table = Table(show_lines=True)
    for title in ("service", "release", "commits", "to pull", "packages", "vulnerabilities", "settings"):
        table.add_column(title, overflow="fold", min_width=_WIDTHS.get(title, len(title)))
    for it in services:
        names, digests = release_words(it)
        introduced = bool(it.vulnerabilities and it.vulnerabilities.introduced)
        weakens = any(change.weight == "weakens" for change in it.settings)
        table.add_row(
            escape(it.name),
            escape(f"{names}\n{digests}"),
            escape(commits_words(it)),
            escape("\n".join(pull_words(it))),
            escape(packages_words(it)),
            _styled("bold red" if introduced else "", vulnerabilities_words(it)),
            _styled("bold red" if weakens else "", settings_words(it)),
        )
    return table


def _show_service(console: Console, service: Service) -> None:
    found = service.vulnerabilities
    parts: list[tuple[str, list[str]]] = [
        ("stopped by the scan at `up`", _listed(service.stopped_by, _vulnerability)),
        ("settings", _listed(service.settings, _setting)),
        ("vulnerabilities introduced", _listed(found.introduced if found else (), _vulnerability)),
        (
            "vulnerabilities of today that became known since",
            _listed(found.newly_known if found else (), _vulnerability),
        ),
        ("vulnerabilities fixed", _listed(found.fixed if found else (), _vulnerability)),
        (
            "packages",
            _listed(
                service.packages or (),
                lambda it: escape(f"{it.change} {it.name}: {versions(it.before)} → {versions(it.after)}"),
            ),
        ),
        ("commits", _commits(service)),
        ("not known at preview", [escape(it) for it in service.unknown]),
    ]
    for title, lines in parts:
        if lines:
            console.print(f"[bold]{escape(service.name)}[/]: {title}", soft_wrap=True)
            for line in lines:
                console.print(f"  {line}", soft_wrap=True)


def _commits(service: Service) -> list[str]:
    if not service.commits:
        return []
    lines = _listed(service.commits.added, lambda it: escape(f"{it.hash[:9]} {it.subject} ({it.author})"))
    return lines + _listed(
        service.commits.taken_back, lambda it: escape(f"taken back: {it.hash[:9]} {it.subject} ({it.author})")
    )


def _setting(change: SettingChange) -> str:
    values = f"{change.before or 'not set'} → {change.after or 'not set'}"
    why = f": {change.why}" if change.why else ""
    why += f" (reason given: {change.reason})" if change.reason else ""
    return f"{_styled(_STYLES[change.weight], change.weight)} {escape(f'{change.setting}: {values}{why}')}"


def _vulnerability(finding: VulnerabilityChange) -> str:
    fixed = f"fixed in {finding.fixed_in}" if finding.fixed_in else "no fix yet"
    severity = _styled(_SEVERITIES.get(finding.severity, ""), finding.severity)
    return f"{severity} {escape(f'{finding.id} in {finding.package} {finding.version}, {fixed}')}"


def _styled(style: str, text: str) -> str:
    return f"[{style}]{escape(text)}[/]" if style else escape(text)


def _listed(entries: Sequence[Entry], line: Callable[[Entry], str]) -> list[str]:
    lines = [line(entry) for entry in entries[:_MOST]]
    return lines + ([f"… and {len(entries) - _MOST} more"] if len(entries) > _MOST else [])
